import ArgumentParser
import Kernel

struct Netns: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create, delete, list and enter network namespaces.",
        discussion: """
            Names are files in /run/netns, so that ip-netns(8) and this command see the same ones.

            Examples:
              swiftletctl netns add web
              swiftletctl netns exec web -- ip address
              swiftletctl netns list --json
              swiftletctl netns del web
            """,
        subcommands: [Add.self, Delete.self, List.self, Exec.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Create a network namespace.")

        @Argument(help: "Its name.") var name: String

        func run() throws { try NamedNamespaces().create(name) }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "del", abstract: "Delete a network namespace.", aliases: ["delete"])

        @Argument(help: "Its name.") var name: String

        func run() throws { try NamedNamespaces().delete(name) }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List network namespaces.")

        @OptionGroup var output: OutputOptions

        func run() throws {
            let names = try NamedNamespaces().list()
            try output.print(names, text: names.joined(separator: "\n"))
        }
    }

    struct Exec: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run a program in a network namespace.",
            discussion: "The program replaces this process: its exit code and signals are the program's.")

        @Argument(help: "Name of the namespace, or path of its file.") var name: String

        @Argument(parsing: .captureForPassthrough, help: "Program and its arguments, after `--`.")
        var command: [String]

        func run() throws {
            let command = command.first == "--" ? Array(command.dropFirst()) : command
            guard !command.isEmpty else { throw ValidationError("no program is given") }
            let path = name.contains("/") ? name : NamedNamespaces().path(of: name)
            try NetworkNamespace(path).execute(command)
        }
    }
}
