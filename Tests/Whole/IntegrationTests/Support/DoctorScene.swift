import ContainerRuntime
import Foundation
import Testing

/// A healthy node with pods, its configuration in a file as runtimes read it, and another host on its cable.
final class DoctorScene {
    let node: Node
    let outside: Outside
    let runtime: CNIRuntime
    let list: NetworkList
    let pods: [Pod]
    let binaries: String
    /// What has to stay as long as this.
    var kept: [any Sendable] = []

    static let checks = [
        "configuration-invalid", "configuration-shadowed", "plugin-missing", "plugin-not-ready", "subnet-overlap",
        "duplicate-address", "pool-full", "neighbour-table", "conntrack-table", "uplink", "policy-routing", "storage",
        "forwarding", "router-advertisements", "rp-filter", "bridge-nf-call", "hairpin-off", "ipv6-disabled",
        "bridge-down",
        "gateway-missing", "port-down", "mtu", "link-manager", "pod-address", "pod-route", "bridge-port", "limits",
        "wrong-mac", "host-port-taken", "foreign-firewall", "untracked", "leftovers", "cut-off", "rules-damaged",
        "empty-namespaces", "two-runtimes",
    ]

    /// - Parameter hostPorts: whether the first pod has host port 8080.
    init(
        pods count: Int = 1, _ keys: [String: JSONValue] = Node.dualStack.merging(["ipMasq": true]) { $1 },
        hostPorts: Bool = false
    ) throws {
        node = try Node()
        outside = try Outside(node)
        runtime = node.runtime()
        let plugin = node.swiftlet(keys)
        list = try node.network(plugin)
        try FileManager.default.createDirectory(
            atPath: node.directory + "/conf", withIntermediateDirectories: true)
        binaries = try node.pluginDirectory()
        try node.link(plugin: "swiftlet", from: Requirements.bin)
        pods = try node.pods(count)
        try configure("10-net.conflist", plugin)
        for (number, pod) in pods.enumerated() {
            let ports = hostPorts && number == 0 ? [hostPort(8080, .tcp)] : []
            _ = try runtime.add(list, ports.isEmpty ? pod.attachment : pod.with(ports: ports))
        }
    }

    /// Writes a file into the configuration directory.
    func configure(_ file: String, name: String = "net", _ plugins: JSONValue...) throws {
        let document: JSONValue = ["cniVersion": "1.1.0", "name": .string(name), "plugins": .array(plugins)]
        try node.write("conf/\(file)", String(decoding: document.bytes, as: UTF8.self))
    }

    func unconfigure(_ file: String) throws {
        try FileManager.default.removeItem(atPath: "\(node.directory)/conf/\(file)")
    }

    /// The node's end of the first pod's veth.
    var veth: String { get throws { try #require(try node.ports(of: "cbr0").first) } }

    /// Takes a pod's namespace away, and waits until the kernel has done with it.
    func end(_ pod: Pod) throws {
        let before = try node.ports(of: "cbr0").count
        try pod.end()
        try eventually("the veth of \(pod.id) is gone") { try node.ports(of: "cbr0").count == before - 1 }
    }

    /// What `swiftletctl doctor --json` says.
    struct Answer {
        let exit: ContainerRuntime.ExitStatus
        let findings: [JSONValue]
        let errors: String

        func names(atLeast severities: Set<String> = ["warning", "problem"]) -> Set<String> {
            Set(
                findings.filter { severities.contains($0["severity"]?.string ?? "") }
                    .compactMap { $0["name"]?.string })
        }
    }

    /// - Parameter wrapper: put before it, inside the node.
    func examine(_ words: String..., wrapper: [String] = []) throws -> Answer {
        let outcome = try ctl(words + ["--json"], wrapper: wrapper)
        let findings = try JSONValue(parsing: outcome.stdout).array
        return Answer(exit: outcome.exit, findings: try #require(findings), errors: outcome.errorText)
    }

    /// Other tests' namespaces are on the same machine.
    private func seesMachine(_ words: [String]) -> Bool { words.contains("--only") || words.contains("--list") }

    func ctl(_ words: [String], wrapper: [String] = []) throws -> ProcessOutcome {
        try Launcher(prefix: ["nsenter", "--net=\(node.path)"] + wrapper, timeout: .seconds(60)).run(
            "\(Requirements.bin)/swiftletctl",
            arguments: [
                "doctor", "--conf-dir", node.directory + "/conf", "--bin-dir", binaries, "--data-dir", node.data,
                "--older-than", "0",
            ] + (seesMachine(words) ? [] : ["--skip", "empty-namespaces"]) + words,
            environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
    }

    /// Types the commands that one check advises.
    func typeAdvice(of check: String) throws {
        let findings = try examine().findings.filter { $0["name"]?.string == check }
        try type(findings.flatMap { $0["commands"]?.array?.compactMap(\.string) ?? [] })
    }

    /// Finds nothing, but for notes.
    func expectHealthy(_ comment: String = "", sourceLocation: SourceLocation = #_sourceLocation) throws {
        let answer = try examine()
        #expect(
            answer.names() == [] && answer.exit == .code(0), "\(comment) \(answer.findings)",
            sourceLocation: sourceLocation)
    }

    /// Finds just these, by their checks' names.
    @discardableResult
    func expect(
        _ names: Set<String>, _ comment: String = "", wrapper: [String] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Answer {
        let answer = try examine(wrapper: wrapper)
        #expect(
            answer.names() == names && answer.exit == .code(1), "\(comment) \(answer.findings)",
            sourceLocation: sourceLocation)
        for finding in answer.findings {
            let name = try #require(finding["name"]?.string)
            #expect(finding["page"]?.string == "docs/doctor.md#\(name)", sourceLocation: sourceLocation)
            for key in ["subject", "text", "advice"] {
                #expect(finding[key]?.string?.isEmpty == false, "\(finding)", sourceLocation: sourceLocation)
            }
        }
        return answer
    }
}
