import CBench
import Foundation

/// A bus, or a firewalld, that did not start; what `firewalld.sh` says is on standard error.
public struct FirewalldNodeError: Error, CustomStringConvertible {
    public let description: String
}

/// A firewalld with a system bus of its own, in a mount namespace with a /run of its own: Tests/Support/firewalld.sh.
///
/// It is gone with the last reference to it, and with this process. It takes about a second to start.
public final class FirewalldNode: Sendable {
    public enum Service: String, Sendable { case firewalld, bus }

    /// The process whose namespaces are the node's.
    public let process: pid_t
    private let input: Int32
    /// Open here too, so that a script that has ended makes no SIGPIPE of what is written to it.
    private let inputReader: Int32
    private let output: Int32

    /// - Parameter netns: the path of the network namespace whose packets it filters; nil: one of its own.
    /// - Parameter service: with `bus` there is a bus, but no firewalld.
    public init(netns: String? = nil, service: Service = .firewalld) throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "firewalld.sh").path
        let entering = netns.map { ["nsenter", "--net=\($0)"] } ?? ["unshare", "--net"]
        var ends: [Int32] = [-1, -1, -1, -1]
        guard ends.withUnsafeMutableBufferPointer({ cbench_pipe($0.baseAddress) }) == 0,
            ends.withUnsafeMutableBufferPointer({ cbench_pipe($0.baseAddress! + 2) }) == 0
        else { throw FirewalldNodeError(description: "no pipe: \(String(cString: strerror(errno)))") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, ends[3], STDOUT_FILENO)
        // Threads of tests have signals blocked, and firewalld would be deaf to its end.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let arguments = (entering + [script, service.rawValue]).map { strdup($0) } + [nil]
        let programs = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        let variables = ["PATH=\(programs)", "LC_ALL=C"].map { (text: String) in strdup(text) } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var child: pid_t = 0
        let failure = posix_spawnp(&child, arguments[0]!, &actions, &attributes, arguments, variables)
        close(ends[3])
        process = child
        inputReader = ends[0]
        input = ends[1]
        output = ends[2]
        guard failure == 0 else {
            throw FirewalldNodeError(description: "start \(script): \(String(cString: strerror(failure)))")
        }
        try expect("ready")
    }

    deinit {
        close(input)
        close(inputReader)
        close(output)
        var status: Int32 = 0
        if process > 0 { waitpid(process, &status, 0) }
    }

    /// The address of its bus, for programs outside its mount namespace. Inside, it is the usual one.
    public var busAddress: String { "unix:path=/proc/\(process)/root/run/dbus/system_bus_socket" }

    /// Put before a command line, it makes a program run in the node's network and mount namespaces.
    public var prefix: [String] { ["nsenter", "--net=/proc/\(process)/ns/net", "--mount=/proc/\(process)/ns/mnt"] }

    /// Ends firewalld, and returns when it has ended. The bus stays.
    public func stopFirewalld() throws {
        guard write(input, "stop\n", 5) == 5 else { throw FirewalldNodeError(description: "it has ended") }
        try expect("stopped")
    }

    /// Reads a line; the script answers, or ends.
    private func expect(_ word: String) throws {
        var line: [UInt8] = []
        var octet: UInt8 = 0
        while read(output, &octet, 1) == 1, octet != 10 { line.append(octet) }
        guard line == Array(word.utf8) else {
            throw FirewalldNodeError(description: "firewalld.sh says \(String(decoding: line, as: UTF8.self))")
        }
    }
}
