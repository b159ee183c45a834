internal import JSON
internal import Posix

/// A pod's network namespace as it was when the pod was attached.
public struct NamespaceIdentity: Sendable, Hashable {
    public let path: String
    let device: UInt64
    let inode: UInt64

    /// - Throws: when there is no such file.
    init(_ path: String) throws(Failure) {
        let status = try storing("look at network namespace \(path)") { () throws(Errno) in
            try FileStatus.of(path)
        }
        self.init(path, status)
    }

    private init(_ path: String, _ status: FileStatus) {
        self.path = path
        device = status.device
        inode = status.inode
    }

    /// Whether the path still leads to this namespace.
    var isAlive: Bool {
        do throws(Errno) { return NamespaceIdentity(path, try FileStatus.of(path)) == self } catch {
            // Other errors do not prove that it is gone.
            return error != .noSuchFile
        }
    }

    var json: JSON.Object {
        var object = JSON.Object()
        object["path"] = .string(path)
        object["device"] = .integer(Int64(bitPattern: device))
        object["inode"] = .integer(Int64(bitPattern: inode))
        return object
    }

    init(_ reader: JSONReader) throws(Failure) {
        path = try reader.required("path").string()
        device = UInt64(bitPattern: try reader.required("device").integer())
        inode = UInt64(bitPattern: try reader.required("inode").integer())
    }
}
