import ContainerRuntime
import Foundation
import Testing

/// A fault of a node as operators meet it, and what has to be said of it.
struct SickNode: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// The check of doctor that names the cause.
    let named: String
    /// Part of what it says.
    let says: String
    /// What other checks may say: consequences of the same cause.
    let besides: Set<String>
    let pods: Int
    /// The pod that suffers, by its number.
    let victim: Int
    let configuration: [String: JSONValue]
    /// Whether the first pod has the host port 8080.
    let hostPorts: Bool
    /// Whether `check` of the pod must not say that all is right.
    let cutsOff: Bool
    /// Whether the pod is gone when it is mended.
    let endsPod: Bool
    let harm: @Sendable (DoctorScene) throws -> Void
    /// Put before doctor, for what can be seen only in another mount namespace.
    let wrapper: (@Sendable (DoctorScene) throws -> [String])?
    /// What is to be done besides the commands; nil where they mend all.
    let mend: (@Sendable (DoctorScene) throws -> Void)?
    /// What `trace` from the pod to the outside must say of it; nil where it has nothing to say.
    let trace: String?

    init(
        _ what: String, _ named: String, _ says: String, besides: Set<String> = [], pods: Int = 2, victim: Int = 0,
        _ configuration: [String: JSONValue] = SickNode.plain, hostPorts: Bool = false, cutsOff: Bool = true,
        endsPod: Bool = false, trace: String? = nil, wrapper: (@Sendable (DoctorScene) throws -> [String])? = nil,
        _ harm: @escaping @Sendable (DoctorScene) throws -> Void,
        mend: (@Sendable (DoctorScene) throws -> Void)? = nil
    ) {
        testDescription = what
        self.named = named
        self.says = says
        self.besides = besides
        self.pods = pods
        self.victim = victim
        self.configuration = configuration
        self.hostPorts = hostPorts
        self.cutsOff = cutsOff
        self.endsPod = endsPod
        self.harm = harm
        self.wrapper = wrapper
        self.mend = mend
        self.trace = trace
    }

    static let plain = Node.dualStack.merging(["ipMasq": true]) { $1 }

    static let everything = plain.merging([
        "hairpinMode": true, "ingressRate": 10_000_000, "ingressBurst": 1_000_000, "egressRate": 10_000_000,
        "egressBurst": 1_000_000, "antiSpoof": true, "ingressPolicy": "same-bridge",
        "capabilities": ["portMappings": true],
    ]) { $1 }

    static var all: [SickNode] {
        reservations + podLinks + neighbours + uplinks + routing + storage + firewalls + kernel + rules + others
    }
}

extension DoctorScene {
    /// Any command of swiftletctl on this node, with this node's places.
    func ctl(_ command: String, _ words: String...) throws -> ProcessOutcome { try ctl(command, words) }

    func ctl(_ command: String, _ words: [String]) throws -> ProcessOutcome {
        try Launcher(prefix: ["nsenter", "--net=\(node.path)"], timeout: .seconds(60)).run(
            "\(Requirements.bin)/swiftletctl",
            arguments: [command] + words + ["--conf-dir", node.directory + "/conf", "--data-dir", node.data]
                + (command == "doctor" ? ["--bin-dir", binaries, "--older-than", "0"] : []),
            environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
    }

    func check(_ pod: Pod) throws -> ProcessOutcome { try ctl("check", pod.id) }

    /// Types commands as an operator does, as root on this node; swiftletctl finds this node's files instead of the machine's.
    func type(_ commands: [String]) throws {
        let places = "--conf-dir \(node.directory)/conf --data-dir \(node.data)"
        let script = """
            case $1 in
                gc) exec \(Requirements.bin)/swiftletctl "$@" \(places) --older-than 0 ;;
                *) exec \(Requirements.bin)/swiftletctl "$@" ;;
            esac
            """
        let tools = node.directory + "/tools"
        try FileManager.default.createDirectory(atPath: tools, withIntermediateDirectories: true)
        try run(
            ["sh", "-c", #"cat >"$0" && chmod 0755 "$0""#, "\(tools)/swiftletctl"], stdin: "#!/bin/sh\n\(script)\n")
        // The same advice is often given for several findings.
        var typed: Set<String> = []
        for command in commands where typed.insert(command).inserted {
            try node.shell("PATH=\(tools):/usr/sbin:/usr/bin:/sbin:/bin; set -e; \(command)")
        }
    }

    func veth(of pod: Pod) throws -> String {
        let alias = "swiftlet net/\(pod.id)/eth0"
        let link = try node.links().first { $0["ifalias"]?.string == alias && $0["linkinfo"]?["info_kind"] == "veth" }
        guard let name = link?["ifname"]?.string else { throw CommandError(description: "no veth of \(pod.id)") }
        return name
    }

    func file(_ address: String) -> String { "\(node.data)/net/\(address)" }
}

extension DoctorScene.Answer {
    /// The commands that it advises, in order.
    var commands: [String] { findings.flatMap { $0["commands"]?.array?.compactMap(\.string) ?? [] } }
}
