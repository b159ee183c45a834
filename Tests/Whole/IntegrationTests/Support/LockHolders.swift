import Foundation
import Synchronization
import TestSupport

/// Kills whoever holds a lock of the node's plugins, at random moments, as long as the body runs.
///
/// - Returns: how many were killed.
func killingLockHolders(
    of node: Node, seed: UInt64, during body: @escaping @Sendable () throws -> Void
) throws -> Int {
    let isOver = Flag()
    let killed = inParallel(2) { role in
        guard role == 1 else {
            defer { isOver.raise() }
            try body()
            return 0
        }
        var random = SplitMix64(seed: seed)
        var killed = 0
        while !isOver.isRaised {
            usleep(.random(in: 1_000...30_000, using: &random))
            for process in try LockHolders.processes(of: node) where kill(process, SIGKILL) == 0 { killed += 1 }
        }
        return killed
    }
    return try killed.reduce(0) { try $0 + $1.get() }
}

/// Something that has happened, for other threads to see.
final class Flag: Sendable {
    private let value = Atomic(false)

    var isRaised: Bool { value.load(ordering: .acquiring) }

    func raise() { value.store(true, ordering: .releasing) }
}

enum LockHolders {
    /// The plugins that hold a lock of the address store's or of the records' right now, or that wait for one.
    static func processes(of node: Node, waiting: Bool = false) throws -> [pid_t] {
        let records = try node.records()
        // Whoever changes rules has the node's directory too, shared with others.
        let locked = Set(
            try (["\(node.data)/net/lock"] + (waiting ? [records] : []) + node.recordPaths().map { "\(records)/\($0)" })
                .compactMap(inode))
        // NUMBER: FLOCK ADVISORY WRITE PROCESS MAJOR:MINOR:INODE START END; who waits has -> after the number.
        return try String(contentsOfFile: "/proc/locks", encoding: .utf8).split(separator: "\n").compactMap { line in
            var words = line.split(separator: " ")
            guard words.count > 1, (words[1] == "->") == waiting else { return nil }
            if waiting { words.remove(at: 1) }
            guard words.count == 8, words[1] == "FLOCK", let process = pid_t(words[4]), process > 0,
                let number = words[5].split(separator: ":").last.flatMap({ UInt($0) }), locked.contains(number),
                isPlugin(process)
            else { return nil }
            return process
        }
    }

    private static func inode(_ path: String) -> UInt? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_ino : nil
    }

    /// Inodes of another file system may have the same number, and processes end.
    private static func isPlugin(_ process: pid_t) -> Bool {
        let executable = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/exe")
        return executable?.hasPrefix(Requirements.bin + "/") ?? false
    }
}
