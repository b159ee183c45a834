import ArgumentParser
import ContainerRuntime
import Foundation

/// Options of every command: the network, the plugins, and the trace.
struct NetworkOptions: ParsableArguments {
    @Option(help: "The network configuration (.conflist or .conf).")
    var conf: String

    @Option(help: "Directories with plugins, as DIR[:DIR].")
    var bin: String

    @Option(help: "Where results of ADD are kept for CHECK and DEL.")
    var cache = "/var/lib/cnirun"

    @Option(help: "Run the plugins in this network namespace, for example /run/netns/node1.")
    var node: String?

    @Flag(help: "Print what goes into every plugin and what comes out.")
    var trace = false

    func list() throws -> NetworkList { try .load(file: conf) }

    func runtime() -> CNIRuntime {
        let prefix = node.map { ["nsenter", "--net=\($0)"] } ?? []
        var runtime = CNIRuntime(
            path: bin.split(separator: ":").map { absolute(String($0)) }, cacheDirectory: cache,
            launcher: Launcher(prefix: prefix))
        if trace {
            runtime.relaysStandardError = false  // the trace shows it
            runtime.onRun = { print(describe($0)) }
        }
        return runtime
    }
}

/// Plugins look up other plugins in CNI_PATH, whatever their working directory is.
func absolute(_ path: String) -> String { URL(fileURLWithPath: path).path }

struct AttachmentOptions: ParsableArguments {
    @Option(help: "The container's ID.")
    var id: String

    @Option(help: "The container's network namespace; DEL works without.")
    var netns: String?

    @Option(help: "The interface's name in the container.")
    var ifname = "eth0"

    @Option(help: "A generic argument (CNI_ARGS), as KEY=VALUE; can be repeated.")
    var args: [String] = []

    @Option(help: "A capability argument, as NAME=JSON; can be repeated.")
    var cap: [String] = []

    func attachment() throws -> Attachment {
        var capabilities: [String: JSONValue] = [:]
        for (name, text) in try cap.map(pair) {
            do { capabilities[name] = try JSONValue(parsing: text) } catch {
                throw ValidationError("--cap \(name): not JSON: \(text)")
            }
        }
        return Attachment(
            containerID: id, netns: netns, ifname: ifname, args: try args.map(pair), capabilityArgs: capabilities)
    }

    private func pair(_ text: String) throws -> (String, String) {
        guard let equals = text.firstIndex(of: "=") else { throw ValidationError("\(text): want NAME=VALUE") }
        return (String(text[..<equals]), String(text[text.index(after: equals)...]))
    }
}
