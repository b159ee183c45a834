import Glibc
import Synchronization
import TestSupport

/// A program that runs until it is told to end, and not longer than this process, however that ends.
final class LeashedDaemon: Sendable {
    let process: pid_t
    private let shell: Mutex<LeashedProcess?>

    /// - Parameters:
    ///   - words: the program's path and its arguments.
    ///   - log: gets its output, after what is there.
    init(_ words: [String], log: String) throws {
        // The shell kills the program when its input ends.
        let script = """
            log=$1; shift; export HOME=/nonexistent
            "$@" >>"$log" 2>&1 </dev/null & echo $!; cat >/dev/null; kill -KILL $! 2>/dev/null; wait
            """
        let shell = try LeashedProcess(["/bin/sh", "-c", script, "leash", log] + words)
        process = pid_t(shell.readLine()) ?? 0
        self.shell = Mutex(shell)
    }

    /// Sends it a signal, such as SIGSTOP.
    func signal(_ number: Int32) { kill(process, number) }

    /// Kills it and waits until it is gone.
    func end() { shell.withLock { $0 = nil } }
}
