import ArgumentParser

@main struct CNIRun: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cnirun",
        abstract: "Run CNI network configurations as a container runtime does, and measure them.",
        subcommands: [Add.self, Del.self, Check.self, GC.self, Status.self, Version.self, Bench.self, BenchData.self])
}
