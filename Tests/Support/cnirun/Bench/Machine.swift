import CBench
import ContainerRuntime
import Foundation

/// The network namespaces of a run: nodes and pods.
///
/// They are bind mounts in this process's mount namespace, so they cannot outlive the process, not even after SIGKILL. The
/// plugins see paths as with any other runtime.
final class Machine: Sendable {
    /// Where swiftlet records the nf_tables rules of attachments.
    static let records = "/run/swiftlet"

    let directory: String
    private let namespaces: String
    private let home: Int32

    init(directory: String) throws {
        self.directory = directory
        namespaces = directory + "/netns"
        home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        try require(home >= 0, "open our own network namespace")
        try require(cbench_unshare_mounts() == 0, "get a mount namespace of our own")
        try FileManager.default.createDirectory(atPath: namespaces, withIntermediateDirectories: true)
        try require(mount("tmpfs", namespaces, "tmpfs", 0, nil) == 0, "mount \(namespaces)")
        // In memory, as systemd has it, and gone with this process. It covers all of /run, because a mount on /run/swiftlet
        // would vanish if somebody outside this mount namespace removed that directory.
        try require(mount("tmpfs", "/run", "tmpfs", 0, nil) == 0, "mount /run")
    }

    /// Call this last; afterwards the directory can be removed.
    func dispose() {
        _ = umount2(namespaces, Int32(MNT_DETACH))
        _ = umount2("/run", Int32(MNT_DETACH))
    }

    /// Creates an empty network namespace and returns its path.
    func create(_ name: String) throws -> String {
        let path = namespaces + "/" + name
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        try require(file >= 0, "create \(path)")
        close(file)
        try require(cbench_unshare_net() == 0, "unshare a network namespace")
        let mounted = mount("/proc/thread-self/ns/net", path, nil, UInt(MS_BIND), nil)
        try enter(home)
        try require(mounted == 0, "mount a network namespace on \(path)")
        return path
    }

    func remove(_ path: String) {
        _ = umount2(path, Int32(MNT_DETACH))
        unlink(path)
    }

    /// Runs `body` with this thread, and any process that it starts, in a namespace.
    /// So entering the node is not part of the measured time.
    func inside<T>(_ path: String, _ body: () throws -> T) throws -> T {
        let namespace = open(path, O_RDONLY | O_CLOEXEC)
        try require(namespace >= 0, "open \(path)")
        defer { close(namespace) }
        let before = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        try require(before >= 0, "open our own network namespace")
        defer { close(before) }
        try enter(namespace)
        let result = Result { try body() }
        try enter(before)
        return try result.get()
    }

    private func enter(_ namespace: Int32) throws {
        try require(cbench_setns_net(namespace) == 0, "enter a network namespace")
    }
}

func require(_ condition: Bool, _ operation: String) throws {
    if !condition { throw RuntimeError.system(operation, errno) }
}
