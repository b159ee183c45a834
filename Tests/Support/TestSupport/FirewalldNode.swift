import Foundation

/// A bus or a firewalld that did not start; `firewalld.sh` prints the reason on standard error.
public struct FirewalldNodeError: Error, CustomStringConvertible {
    public let description: String
}

/// A firewalld with its own system bus, in a mount namespace with its own /run: Tests/Support/firewalld.sh.
///
/// It ends with the last reference to it, and with this process. It takes about a second to start.
public final class FirewalldNode: Sendable {
    public enum Service: String, Sendable { case firewalld, bus }

    private let script: LeashedProcess

    /// The process whose namespaces are the node's.
    public var process: pid_t { script.process }

    /// - Parameter netns: the path of the network namespace whose packets it filters; nil for a new one.
    /// - Parameter service: `bus` starts a bus, but no firewalld.
    public init(netns: String? = nil, service: Service = .firewalld) throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "firewalld.sh").path
        let entering = netns.map { ["nsenter", "--net=\($0)"] } ?? ["unshare", "--net"]
        self.script = try LeashedProcess(entering + [script, service.rawValue])
        try expect("ready")
    }

    /// The address of its bus for programs outside its mount namespace. Inside, the usual address works.
    public var busAddress: String { "unix:path=/proc/\(process)/root/run/dbus/system_bus_socket" }

    /// Command prefix that runs a program in the node's network and mount namespaces.
    public var prefix: [String] { ["nsenter", "--net=/proc/\(process)/ns/net", "--mount=/proc/\(process)/ns/mnt"] }

    /// Stops firewalld and waits until it has ended. The bus keeps running.
    public func stopFirewalld() throws {
        try script.writeLine("stop")
        try expect("stopped")
    }

    /// Reads a line: the script either answers or ends.
    private func expect(_ word: String) throws {
        let line = script.readLine()
        guard line == word else { throw FirewalldNodeError(description: "firewalld.sh says \(line)") }
    }
}
