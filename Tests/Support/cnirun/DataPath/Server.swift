import ContainerRuntime
import Foundation

/// A program that waits for connections in a namespace until it is no longer needed, or this process has ended.
final class Server {
    private var process: pid_t = 0

    /// Returns once it listens on `port`.
    init(_ words: [String], port: Int, in netns: String, _ machine: Machine) throws {
        let command = ["setpriv", "--pdeathsig", "KILL"] + words
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in 0...2 {
            posix_spawn_file_actions_addopen(&actions, Int32(descriptor), "/dev/null", O_RDWR, 0)
        }
        let arguments = command.map { strdup($0) } + [nil]
        defer { for text in arguments { free(text) } }
        let failure = try machine.inside(netns) {
            posix_spawnp(&process, command[0], &actions, nil, arguments, environ)
        }
        let name = words.joined(separator: " ")
        guard failure == 0 else { throw VerificationError("start \(name): \(String(cString: strerror(failure)))") }
        for _ in 0..<500 {
            if try isListening(port) { return }
            usleep(10000)
        }
        throw VerificationError("\(name) does not listen on port \(port)")
    }

    deinit {
        guard process > 0 else { return }
        kill(process, SIGKILL)
        waitpid(process, nil, 0)
    }

    /// Asks the kernel, because the program would take a test connection for its first client.
    private func isListening(_ port: Int) throws -> Bool {
        let sockets = try String(contentsOfFile: "/proc/\(process)/net/tcp6", encoding: .utf8)
        let wanted = String(format: ":%04X", port)
        return sockets.split(separator: "\n").contains { line in
            let column = line.split(separator: " ")
            // Local address and port, the peer's, state: TCP_LISTEN, include/net/tcp_states.h.
            return column.count > 3 && column[1].hasSuffix(wanted) && column[3] == "0A"
        }
    }
}
