import CBench
import Foundation

/// A program that runs until nobody refers to it, or this process ends.
final class Service: Sendable {
    /// Its own process.
    let process: pid_t
    /// The file that it writes standard output and standard error to.
    let logFile: String
    /// The shell that ends it when this process does.
    private let shell: pid_t
    private let leash: Int32

    /// - Parameter words: a program that stays in the foreground, and its arguments.
    init(_ words: [String], log: String) throws {
        logFile = log
        let script =
            #"log=$0; exec 3>&1; "$@" >>"$log" 2>&1 3>&- & echo $! >&3; exec 3>&- >&-; read -r _; kill $!; wait"#
        var ends: [Int32] = [-1, -1, -1, -1]
        guard ends.withUnsafeMutableBufferPointer({ cbench_pipe($0.baseAddress) }) == 0,
            ends.withUnsafeMutableBufferPointer({ cbench_pipe($0.baseAddress! + 2) }) == 0
        else { throw CommandError.system("pipe") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, ends[3], STDOUT_FILENO)
        // Threads of tests have signals blocked, and the program would be deaf to its end.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let arguments = (["sh", "-c", script, log] + words).map { strdup($0) } + [nil]
        let variables =
            ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"].map { (text: String) in strdup(text) } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var child: pid_t = 0
        let failure = posix_spawnp(&child, "sh", &actions, &attributes, arguments, variables)
        for end in [ends[0], ends[3]] { close(end) }
        leash = ends[1]
        shell = child
        defer { close(ends[2]) }
        var digits: [UInt8] = []
        var octet: UInt8 = 0
        while failure == 0, read(ends[2], &octet, 1) == 1, octet != 10 { digits.append(octet) }
        process = pid_t(String(decoding: digits, as: UTF8.self)) ?? -1
        guard process > 0 else { throw CommandError(description: "\(words[0]) did not start") }
    }

    deinit {
        close(leash)
        var status: Int32 = 0
        if shell > 0 { waitpid(shell, &status, 0) }
    }

    /// Everything that it has said.
    var log: String { (try? String(contentsOfFile: logFile, encoding: .utf8)) ?? "" }

    var isRunning: Bool { kill(process, 0) == 0 }

    /// Sends it a signal and returns when it has ended.
    func end(_ signal: Int32 = SIGTERM) throws {
        kill(process, signal)
        try eventually("process \(process) has ended") { !isRunning || isZombie }
    }

    /// Ended, but not waited for by its shell yet.
    private var isZombie: Bool {
        let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        return status?.split(separator: ")").last?.hasPrefix(" Z") ?? true
    }
}
