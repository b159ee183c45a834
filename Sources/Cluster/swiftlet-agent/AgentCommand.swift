import AgentConfiguration
import ArgumentParser
import Files
import Foundation
import NodeNetwork
import NodeServices
import Posix

/// The program that runs on every node. Each subcommand has its own file.
@main
struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet-agent",
        abstract: "Join this node to the others, so that pods of all nodes reach each other without NAT.",
        discussion: "Exit codes: 0 success, 1 failure, 64 wrong usage, 78 wrong configuration.",
        version: "swiftlet-agent \(agentVersion)", subcommands: [Run.self, ClusterCommand.self, CleanUp.self],
        defaultSubcommand: Run.self)

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let error as ConfigurationError {
            try? StandardStream.error.writeAll("swiftlet-agent: \(error)\n".utf8)
            ProcessEnvironment.exit(78)
        } catch { exit(withError: error) }
    }
}

/// The release; CHANGELOG.md describes its contents.
let agentVersion = "0.1.0"

struct ConfigurationOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The configuration: docs/agent.md has its keys.", valueName: "file"))
    var config = "/etc/swiftlet/agent.yaml"

    func read() throws -> AgentConfiguration {
        let text: [UInt8]
        do throws(Errno) { text = try File.content(config, limit: 1 << 20) } catch {
            throw ConfigurationError("read \(config): \(error)")
        }
        let name = ProcessInfo.processInfo.environment["NODE_NAME"] ?? ProcessInfo.processInfo.hostName
        do throws(Failure) {
            return try AgentConfiguration(yaml: String(decoding: text, as: UTF8.self), hostName: name)
        } catch { throw ConfigurationError("\(config): \(error)") }
    }
}

/// Ends with exit code 78 (EX_CONFIG, sysexits.h): a service manager need not try again.
struct ConfigurationError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

struct CleanUp: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cleanup",
        abstract:
            "Remove all that an agent has set up on this node: routes, the VXLAN device, the plugin's configuration.",
        discussion: "Pods stay attached, but reach no other node's pods. Stop the agent first.")

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        let configuration = try options.read()
        try NodeNetwork.cleanUp(origin: configuration.ways.routes.origin)
        try NodeServices.cleanUp()
        try configuration.file.remove()
    }
}
