import Foundation
import TestSupport

/// A program that runs until nobody refers to it, or this process ends.
final class Service: Sendable {
    /// Its own process.
    let process: pid_t
    /// The file that it writes standard output and standard error to.
    let logFile: String
    /// The shell that ends it when this process does.
    private let shell: LeashedProcess

    /// - Parameter words: a program that stays in the foreground, and its arguments.
    init(_ words: [String], log: String) throws {
        logFile = log
        let script =
            #"log=$0; exec 3>&1; "$@" >>"$log" 2>&1 3>&- & echo $! >&3; exec 3>&- >&-; read -r _; kill $!; wait"#
        shell = try LeashedProcess(["sh", "-c", script, log] + words)
        process = pid_t(shell.readLine()) ?? -1
        guard process > 0 else { throw CommandError(description: "\(words[0]) did not start") }
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
