import ContainerRuntime
import Foundation
import Synchronization

/// A machine that pods live on: a network namespace, and a directory for what its plugins and runtime keep.
///
/// Both are gone with the last reference to it, and so with the end of the test, however it ends.
final class Node: Namespace {
    let netns: String
    let directory: String

    /// Where reservations are kept.
    var data: String { directory + "/networks" }

    init() throws {
        try Machine.ready.get()
        netns = Machine.newName()
        directory = NSTemporaryDirectory() + netns
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try run("ip", "netns", "add", netns)
        try set("link", "set", "lo", "up")
        try forgetInheritedSysctls()
        // The kernel numbers a new namespace like one that has gone.
        try forgetRecords()
    }

    deinit {
        try? forgetRecords()
        _ = try? run("ip", "netns", "del", netns)
        try? FileManager.default.removeItem(atPath: directory)
    }

    func pod(_ id: String? = nil, ifname: String = "eth0") throws -> Pod { try Pod(on: self, id, ifname) }

    func pods(_ count: Int) throws -> [Pod] { try (0..<count).map { _ in try pod() } }

    /// A runtime on this node.
    ///
    /// - Parameter wrapper: put before the plugin, inside the node.
    func runtime(path: [String] = [Requirements.bin], wrapper: [String] = []) -> CNIRuntime {
        var runtime = CNIRuntime(
            path: path, cacheDirectory: directory + "/results",
            launcher: Launcher(prefix: ["nsenter", "--net=\(self.path)"] + wrapper, timeout: .seconds(60)))
        runtime.relaysStandardError = false
        return runtime
    }

    /// A runtime whose plugins see the machine in that boot of it; what is on the disk stays.
    func runtime(path: [String] = [Requirements.bin], boot: Int) throws -> CNIRuntime {
        try write("boot_id.\(boot)", "\(boot)1111111-1111-1111-1111-111111111111\n")
        let script = #"mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@""#
        return runtime(path: path, wrapper: ["unshare", "--mount", "sh", "-c", script, directory + "/boot_id.\(boot)"])
    }

    /// Runs a command in the shell on this node.
    @discardableResult
    func shell(_ script: String, _ arguments: String...) throws -> String {
        try run(["nsenter", "--net=\(path)", "sh", "-c", script, "sh"] + arguments)
    }

    /// Runs a plugin with just this environment and input, as no decent runtime would.
    func call(
        _ environment: [String: String], stdin: String, plugin: String = "swiftlet", wrapper: [String] = []
    ) throws -> ProcessOutcome {
        try Launcher(prefix: ["nsenter", "--net=\(path)"] + wrapper, timeout: .seconds(60)).run(
            "\(Requirements.bin)/\(plugin)",
            environment: environment.merging(["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]) { own, _ in own },
            stdin: Array(stdin.utf8))
    }

    /// Writes a plugin that is a shell script, into the node's own plugin directory.
    ///
    /// - Returns: the directory.
    @discardableResult
    func script(_ name: String, _ body: String) throws -> String {
        let plugins = try pluginDirectory()
        // Written by another process: a child that this one is just starting would hold it open, and nobody could run it.
        try run(["sh", "-c", #"cat >"$0" && chmod 0755 "$0""#, "\(plugins)/\(name)"], stdin: "#!/bin/sh\n\(body)\n")
        return plugins
    }

    /// Puts another program's plugin into the node's own plugin directory.
    @discardableResult
    func link(plugin name: String, from directory: String) throws -> String {
        let plugins = try pluginDirectory()
        try FileManager.default.createSymbolicLink(
            atPath: "\(plugins)/\(name)", withDestinationPath: "\(directory)/\(name)")
        return plugins
    }

    /// Writes a file into the node's directory.
    func write(_ name: String, _ text: String) throws {
        try text.write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8)
    }

    /// Replaces every plugin that the directory has, one after the other and each at once, as a package manager does.
    func install(pluginsOf directory: String) throws {
        let plugins = try pluginDirectory()
        for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
            let new = "\(plugins)/.\(name).new"
            try FileManager.default.createSymbolicLink(atPath: new, withDestinationPath: "\(directory)/\(name)")
            guard rename(new, "\(plugins)/\(name)") == 0 else { throw CommandError.system("rename \(new)") }
        }
    }

    /// The node's own plugin directory.
    func pluginDirectory() throws -> String {
        let plugins = directory + "/plugins"
        try FileManager.default.createDirectory(atPath: plugins, withIntermediateDirectories: true)
        return plugins
    }

    /// The addresses that a network has reserved, as their files' names say.
    func reservations(_ network: String = "net") throws -> [String] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: "\(data)/\(network)") else { return [] }
        return names.filter { $0 != "lock" && !$0.hasPrefix("last_reserved_ip") && !$0.hasPrefix(".") }.sorted()
    }

    /// What stands in a reservation's file: whose it is.
    func reservation(_ address: String, network: String = "net") throws -> String {
        try String(contentsOfFile: "\(data)/\(network)/\(address)", encoding: .utf8)
    }

    /// Writes a reservation's file as another program might.
    func reserve(_ address: String, _ content: String, network: String = "net") throws {
        let file = open("\(data)/\(network)/\(address)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(file) }
        guard file >= 0, Glibc.write(file, content, content.utf8.count) == content.utf8.count else {
            throw CommandError(description: "write \(address): \(String(cString: strerror(errno)))")
        }
    }

    /// The host's ends of swiftlet's pods.
    func veths() throws -> [String] {
        try links().filter { $0["linkinfo"]?["info_kind"] == "veth" }.compactMap { $0["ifname"]?.string }
    }
}

/// A pod: a network namespace, and the attachment that runtimes call it by.
final class Pod: Namespace {
    let node: Node
    let netns: String
    let id: String
    let ifname: String

    fileprivate init(on node: Node, _ id: String?, _ ifname: String) throws {
        self.node = node
        self.ifname = ifname
        netns = Machine.newName()
        self.id = id ?? netns
        try run("ip", "netns", "add", netns)
        try forgetInheritedSysctls()
    }

    deinit { _ = try? run("ip", "netns", "del", netns) }

    var attachment: Attachment { Attachment(containerID: id, netns: path, ifname: ifname) }
    var valid: ValidAttachment { ValidAttachment(containerID: id, ifname: ifname) }

    /// The attachment with arguments, as a runtime passes them on.
    func with(
        args: [(String, String)] = [], capabilities: [String: JSONValue] = [:], netns: String?? = nil
    ) -> Attachment {
        Attachment(
            containerID: id, netns: netns ?? path, ifname: ifname, args: args, capabilityArgs: capabilities)
    }

    /// The environment of a call, for those that are made by hand.
    func environment(_ command: String) -> [String: String] {
        [
            "CNI_COMMAND": command, "CNI_CONTAINERID": id, "CNI_NETNS": path, "CNI_IFNAME": ifname,
            "CNI_PATH": Requirements.bin,
        ]
    }

    /// Takes the namespace away, as a container that has ended does.
    func end() throws { try run("ip", "netns", "del", netns) }
}

/// The machine that all tests share.
enum Machine {
    private static let counter = Atomic(0)
    private static let prefix = "swt-"

    /// Unique on the machine: the process that they belong to is in them.
    static func newName() -> String { "\(prefix)\(getpid())-\(counter.add(1, ordering: .relaxed).newValue)" }

    /// Once per process: takes away what a killed run has left, and lets iproute2 set up /run/netns, which two at a time
    /// cannot do.
    static let ready: Result<Void, any Error> = Result {
        let first = newName()
        try run("ip", "netns", "add", first)
        try run("ip", "netns", "del", first)
        let temporary = NSTemporaryDirectory()
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? [] where isStale(name) {
            _ = try? run("ip", "netns", "del", name)
        }
        for name in (try? FileManager.default.contentsOfDirectory(atPath: temporary)) ?? [] where isStale(name) {
            try? FileManager.default.removeItem(atPath: temporary + name)
        }
    }

    private static func isStale(_ name: String) -> Bool {
        let parts = name.split(separator: "-")
        guard name.hasPrefix(prefix), parts.count == 3, let process = pid_t(parts[1]) else { return false }
        return kill(process, 0) != 0
    }
}
