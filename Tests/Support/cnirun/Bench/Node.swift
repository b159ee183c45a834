import ContainerRuntime
import Foundation

/// A node for one system: a network namespace, with an uplink to an outside host that its pods can talk to.
struct Node {
    static let address = "192.0.2.1"
    static let outsideAddress = "192.0.2.2"
    private static let uplink = "uplink0"

    let netns: String
    /// The namespace of the outside host. It has no route to the pods.
    let outside: String
    /// The namespace of the additional pods.
    let otherPods: String
    private let machine: Machine

    init(_ machine: Machine) throws {
        self.machine = machine
        let name = UUID().uuidString.lowercased()
        netns = try machine.create("node-\(name)")
        outside = try machine.create("outside-\(name)")
        otherPods = try machine.create("others-\(name)")
        try machine.configure(
            netns,
            [
                "link set lo up",
                "link add \(Node.uplink) type veth peer name \(Node.uplink) netns \(outside)",
                "address add \(Node.address)/24 dev \(Node.uplink)",
                "link set \(Node.uplink) up",
            ])
        try machine.configure(
            outside,
            [
                "link set lo up", "address add \(Node.outsideAddress)/24 dev \(Node.uplink)",
                "link set \(Node.uplink) up",
            ])
    }

    func dispose() {
        machine.remove(otherPods)
        machine.remove(outside)
        machine.remove(netns)
        // Records are stored per node by the inode of its namespace, and another node may get the same number.
        if let records = try? recordDirectory() { try? FileManager.default.removeItem(atPath: records) }
    }

    /// Where swiftlet records the attachments' rules on this node.
    func recordDirectory() throws -> String {
        var status = stat()
        try require(stat(netns, &status) == 0, "look at \(netns)")
        return "\(Machine.records)/\(status.st_ino)"
    }
}

extension Machine {
    /// Runs lines of `ip -batch` in a namespace.
    func configure(_ netns: String, _ lines: [String]) throws {
        try run("ip", "-batch", reading: lines.joined(separator: "\n") + "\n", in: netns)
    }

    /// Runs a system program, which is not measured, in a namespace, with a file as its last argument.
    func run(_ program: String, _ options: String..., reading content: String, in netns: String) throws {
        let file = directory + "/input"
        try content.write(toFile: file, atomically: false, encoding: .utf8)
        _ = try output(of: program, options + [file], in: netns)
    }

    func output(of program: String, _ arguments: [String], in netns: String) throws -> String {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin"
        let outcome = try inside(netns) {
            try Launcher().run(program, arguments: arguments, environment: ["PATH": path])
        }
        guard outcome.exit.isSuccess else {
            let reason = String(decoding: outcome.stderr.prefix(500), as: UTF8.self)
            throw VerificationError("\(program) \(arguments.joined(separator: " ")): \(outcome.exit): \(reason)")
        }
        return String(decoding: outcome.stdout, as: UTF8.self)
    }
}
