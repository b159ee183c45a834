import Foundation
import Posix

/// A directory that goes away with its last user.
final class ScratchDirectory {
    let path: String

    init() {
        path = NSTemporaryDirectory() + "swiftlet-files-\(UUID().uuidString)"
        precondition(mkdir(path, 0o700) == 0)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func content(_ name: String) -> [UInt8]? { FileManager.default.contents(atPath: "\(path)/\(name)").map(Array.init) }

    func write(_ content: [UInt8], _ name: String) {
        precondition(FileManager.default.createFile(atPath: "\(path)/\(name)", contents: Data(content)))
    }

    var names: Set<String> { Set((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []) }

    func open() throws(Errno) -> FileDescriptor { try FileDescriptor.open(path, .directory) }
}

/// What a body throws; nil for nothing.
func failure<Value: ~Copyable>(_ body: () throws(Errno) -> Value) -> Errno? {
    do throws(Errno) {
        _ = try body()
        return nil
    } catch { return error }
}
