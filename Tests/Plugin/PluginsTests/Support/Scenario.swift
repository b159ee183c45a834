import CNI
import Foundation
import JSON
import Kernel
import Plugins
import Synchronization
import TestSupport
import Testing

/// A configuration whose ADD, CHECK and DEL have been recorded.
struct Scenario: Sendable, CustomTestStringConvertible {
    let name: String
    /// The plugin's own keys.
    let keys: String

    var testDescription: String { name }

    private static let static4and6 = """
        "ipam": {"type": "static", "addresses": [
            {"address": "10.1.0.5/16", "gateway": "10.1.0.1"}, {"address": "fd00::5/64", "gateway": "fd00::1"}],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.1.0.9", "mtu": 1400}]}
        """
    private static let static4 = """
        "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/16"}]}
        """

    static let all = [
        Scenario(
            name: "bridge",
            keys: """
                "type": "bridge", "bridge": "br0", "isGateway": true, "hairpinMode": true, \(static4and6)
                """),
        Scenario(
            name: "bridge-big-tcp",
            keys: """
                "type": "bridge", "bridge": "br0", "isDefaultGateway": true, "portIsolation": true,
                "gsoIPv4MaxSize": 131072, "gsoIPv6MaxSize": 131072, \(static4and6)
                """),
        Scenario(
            name: "ptp",
            keys: """
                "type": "ptp", "mtu": 1400, "ipam": {"type": "static", "addresses": [
                    {"address": "10.1.0.5/16", "gateway": "10.1.0.1"}, {"address": "fd00::5/64", "gateway": "fd00::1"}],
                    "routes": [{"dst": "0.0.0.0/0"}]}
                """),
        Scenario(name: "macvlan", keys: #""type": "macvlan", "master": "up0", "mode": "private", \#(static4and6)"#),
    ]

    /// A directory in which the IPAM plugin is this very program: it runs in this process then.
    private static let path: String = {
        let folder = NSTemporaryDirectory() + "swt-plugins-\(ProcessInfo.processInfo.processIdentifier)"
        let files = FileManager.default
        try! files.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let program = try! files.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        try? files.createSymbolicLink(atPath: folder + "/static", withDestinationPath: program)
        return folder
    }()

    /// Those that there is a recording of: not every kernel has every kind of link.
    static let recorded = all.filter { FileManager.default.fileExists(atPath: $0.file.path) }

    static let commands = ["ADD", "CHECK", "DEL"]

    static let folder = repository.appending(path: "Tests/Plugin/PluginsTests/Conversations")

    var file: URL { Scenario.folder.appending(path: "\(name).txt") }

    func recorded(_ command: String) throws -> Conversation { try Conversation(file: file, section: command) }

    /// Runs one verb of the plugin, with the kernel that is given.
    ///
    /// - Parameters:
    ///   - previous: what ADD has printed; empty for none.
    ///   - pod: the path of the pod's namespace.
    func run(_ command: String, previous: String, pod: String, _ kernel: KernelStandIn) -> (
        status: Int32, output: String
    ) {
        let result = previous.isEmpty ? "" : #", "prevResult": \#(previous)"#
        let configuration = #"{"cniVersion": "1.1.0", "name": "net", \#(keys)\#(result)}"#
        let type = try! JSONSerialization.jsonObject(with: Data(configuration.utf8)) as! [String: Any]
        let environment = Environment([
            "CNI_COMMAND=\(command)", "CNI_CONTAINERID=pod-1", "CNI_IFNAME=eth0", "CNI_NETNS=\(pod)",
            "CNI_PATH=\(Scenario.path)",
        ])
        let output = Mutex("")
        let streams = Dispatcher.Streams(
            read: { Array(configuration.utf8) },
            write: { octets in output.withLock { $0 += String(decoding: octets, as: UTF8.self) } }, log: { _ in })
        let status = KernelStandIn.$current.withValue(kernel) {
            Dispatcher(Registry.plugins).run(as: type["type"] as! String, environment, streams)
        }
        return (status, output.withLock { $0 }.replacing("\n", with: " "))
    }

    /// Runs one verb as it was recorded, perhaps with something refused.
    func replay(
        _ command: String, refusing refusal: Replayer.Refusal? = nil
    ) throws -> (status: Int32, output: String, kernel: Replayer) {
        let kernel = Replayer(try recorded(command), refusing: refusal)
        let previous = command == "ADD" ? "" : try recorded("ADD").output
        let (status, output) = run(command, previous: previous, pod: Conversation.pod, kernel)
        return (status, output, kernel)
    }
}
