import ArgumentParser

struct Conf: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check, make and explain network configurations.",
        discussion: """
            A network configuration is a file of /etc/cni/net.d: what a container runtime runs which plugins with.

            Examples:
              swiftletctl conf validate
              swiftletctl conf new
              swiftletctl conf reference bridge
            """,
        subcommands: [ConfValidate.self, ConfNew.self, ConfReference.self])

    /// Where runtimes look for configurations.
    static let directory = "/etc/cni/net.d"
}
