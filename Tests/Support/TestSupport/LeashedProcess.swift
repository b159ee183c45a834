import CBench
import Foundation

public struct LeashedProcessError: Error, CustomStringConvertible {
    public let description: String
}

/// A program that ends when its standard input does: with the last reference to it, and with this process.
public final class LeashedProcess: Sendable {
    public let process: pid_t
    private let name: String
    private let input: Int32
    /// Kept open here too, so that writing to a program that has ended raises no SIGPIPE.
    private let inputReader: Int32
    private let output: Int32

    /// - Parameter words: a program, which is looked up in PATH, and its arguments.
    public init(_ words: [String]) throws {
        name = words[0]
        var ends: [Int32] = [-1, -1, -1, -1]
        guard ends.withUnsafeMutableBufferPointer({ cbench_pipe($0.baseAddress) }) == 0,
            ends.withUnsafeMutableBufferPointer({ cbench_pipe($0.baseAddress! + 2) }) == 0
        else { throw LeashedProcessError(description: "no pipe: \(String(cString: strerror(errno)))") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, ends[3], STDOUT_FILENO)
        // Test threads have signals blocked, and the program would inherit that and not react to its end.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let arguments = words.map { strdup($0) } + [nil]
        let programs = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        let variables = ["PATH=\(programs)", "LC_ALL=C"].map { (text: String) in strdup(text) } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var child: pid_t = 0
        let failure = posix_spawnp(&child, words[0], &actions, &attributes, arguments, variables)
        close(ends[3])
        process = child
        inputReader = ends[0]
        input = ends[1]
        output = ends[2]
        guard failure == 0 else {
            throw LeashedProcessError(description: "start \(name): \(String(cString: strerror(failure)))")
        }
    }

    deinit {
        for end in [input, inputReader, output] { close(end) }
        var status: Int32 = 0
        if process > 0 { waitpid(process, &status, 0) }
    }

    public func writeLine(_ line: String) throws {
        let octets = Array((line + "\n").utf8)
        guard write(input, octets, octets.count) == octets.count else {
            throw LeashedProcessError(description: "\(name) has ended")
        }
    }

    /// The next line of its output, or the rest if the output ends.
    public func readLine() -> String {
        var line: [UInt8] = []
        var octet: UInt8 = 0
        while read(output, &octet, 1) == 1, octet != 10 { line.append(octet) }
        return String(decoding: line, as: UTF8.self)
    }
}
