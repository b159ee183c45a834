internal import Posix

/// Network namespaces that can be reached through a mounted file or a process.
struct NamespaceList: Sendable {
    /// Each namespace once, by its shortest path; the caller's own is not included.
    var namespaces: [(path: String, inode: UInt64)] = []
    /// Those of them that some process is in, by inode.
    var inhabited: Set<UInt64> = []
    /// Whether all of this machine's namespaces are included, except those kept alive only by an open file descriptor.
    var isComplete = false

    /// More than this is an error: reading them all would take too long.
    private static let maximumNamespaces = 1 << 16

    init() {}

    /// Lists all namespaces except the caller's own.
    static func ofOthers() throws(Failure) -> NamespaceList {
        var found: [UInt64: String] = [:]
        let mounts = String(
            decoding: try NodeFiles.content("/proc/self/mountinfo", limit: 64 << 20), as: UTF8.self)
        for mount in mounts.split(separator: "\n").compactMap({ MountedNamespace($0) }) {
            if let known = found[mount.inode], (known.utf8.count, known) <= (mount.path.utf8.count, mount.path) {
                continue
            }
            found[mount.inode] = mount.path
        }
        var list = NamespaceList()
        // Anybody can inspect their own processes; only root can inspect others'.
        list.isComplete = ProcessEnvironment.effectiveUser == 0
        for process in try NodeFiles.names("/proc") where process.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            let directory = "/proc/\(process)/ns"
            let target: String
            do throws(Errno) {
                target = try FileDescriptor.open(directory, [.readOnly, .directory]).readSymbolicLink("net")
            } catch {
                // A process that has just ended gives the same error as one that must not be inspected. Even root may not be
                // allowed to inspect init, which is in no pod.
                let isRefused = (error == .accessDenied || error == .notPermitted) && process != "1"
                if isRefused, (try? FileStatus.of(directory)) != nil { list.isComplete = false }
                continue
            }
            guard let inode = inode(named: target) else { continue }
            list.inhabited.insert(inode)
            guard found[inode] == nil else { continue }
            found[inode] = "\(directory)/net"
        }
        let own = try storing("look at /proc/thread-self/ns/net") { () throws(Errno) in
            try FileStatus.of("/proc/thread-self/ns/net").inode
        }
        found[own] = nil
        guard found.count <= maximumNamespaces else {
            throw Failure(.storage, "list network namespaces: more than \(maximumNamespaces)")
        }
        list.namespaces = found.map { (path: $0.value, inode: $0.key) }.sorted { $0.path < $1.path }
        return list
    }

    /// The inode in a name such as `net:[4026531833]`.
    static func inode(named name: some StringProtocol) -> UInt64? {
        guard name.hasPrefix("net:["), name.hasSuffix("]") else { return nil }
        return UInt64(name.dropFirst(5).dropLast())
    }
}

/// A line of /proc/self/mountinfo (proc_pid_mountinfo(5)) for a network namespace mounted on a file.
struct MountedNamespace: Sendable, Hashable {
    let path: String
    let inode: UInt64

    init?(_ line: Substring) {
        let fields = line.split(separator: " ")
        guard fields.count > 4, let inode = NamespaceList.inode(named: fields[3]) else { return nil }
        self.inode = inode
        path = MountedNamespace.unescaped(fields[4])
    }

    /// Blanks and backslashes are written as three octal digits.
    private static func unescaped(_ text: Substring) -> String {
        guard text.contains("\\") else { return String(text) }
        var octets: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let first = rest.popFirst() {
            let digits = rest.prefix(3)
            if first == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                octets.append(value)
                rest = rest.dropFirst(3)
            } else {
                octets.append(first)
            }
        }
        return String(decoding: octets, as: UTF8.self)
    }
}
