internal import CKernel

/// What is left in a file system.
public struct DiskSpace: Sendable, Hashable {
    public let octets: UInt64
    /// `UInt64.max` where the file system makes them as needed.
    public let inodes: UInt64

    public init(octets: UInt64, inodes: UInt64) {
        self.octets = octets
        self.inodes = inodes
    }

    /// statfs(2) of the file system that holds the path.
    public static func of(_ path: String) throws(Errno) -> DiskSpace {
        var (octets, inodes): (UInt64, UInt64) = (0, 0)
        try retrying { unsafe ck_space(path, &octets, &inodes) }
        return DiskSpace(octets: octets, inodes: inodes)
    }
}
