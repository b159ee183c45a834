import ArgumentParser
import CNI
import FoundationEssentials
import Posix
import Presentation

/// The command that a node's operator types. Each subcommand has its own file.
@main
struct Swiftletctl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftletctl",
        abstract: "Inspect and repair container networking on this node.",
        discussion: "Exit codes: 0 success, 1 failure, 64 wrong usage; doctor also uses 2.",
        version: "swiftlet \(swiftletVersion)",
        subcommands: [
            Status.self, Check.self, DoctorCommand.self, TraceCommand.self, Graph.self, GC.self, Conf.self, Netns.self,
            Rules.self, Repair.self, ClusterCommand.self, Version.self,
        ])

    static func main() {
        // If the arguments cannot be read, Swift's own list is empty, without an error.
        let arguments = ProcessEnvironment.arguments
        guard !arguments.isEmpty else {
            end(Failure(.kernel, "read the command line: there is no /proc/self/cmdline", details: "mount /proc"))
        }
        do {
            var command = try parseAsRoot(Array(arguments.dropFirst()))
            try command.run()
        } catch { end(error) }
    }

    /// Reports the error, unless nobody reads the output any more.
    private static func end(_ error: any Error) -> Never {
        // The exit code that a shell reports for a program ended by SIGPIPE: head(1) has seen enough.
        if error as? Errno == .brokenPipe || (error as? Failure)?.errno == .brokenPipe { ProcessEnvironment.exit(141) }
        let error = (error as? Failure)?.advised ?? error
        let code = exitCode(for: error)
        guard code != .success else { exit(withError: error) }
        let text = fullMessage(for: error)
        if !text.isEmpty { try? say(text) }
        ProcessEnvironment.exit(code.rawValue)
    }
}

/// The release; CHANGELOG.md describes its contents.
let swiftletVersion = "0.1.0"

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the version.")

    @OptionGroup var output: OutputOptions

    func run() throws {
        try output.print(["version": swiftletVersion], text: "swiftlet \(swiftletVersion)")
    }
}

/// The output format, the same options for all commands.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print JSON.")
    var json = false

    /// - Parameter text: the same content for people.
    func print(_ value: some Encodable, text: @autoclosure () -> String) throws {
        guard json else {
            let text = text()
            if !text.isEmpty { try write("\(text.visible(isColored: Terminal.isColored))\n") }
            return
        }
        try write(try self.text(of: value) + "\n")
    }

    /// The JSON that `--json` prints.
    func text(of value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self).visibleJSON
    }

    /// `print` would ignore write errors.
    private func write(_ text: String) throws {
        try StandardStream.output.writeAll(text.utf8)
    }
}
