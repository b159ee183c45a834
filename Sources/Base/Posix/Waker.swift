internal import CKernel

/// Ends another thread's ``Polling/wait(for:milliseconds:)``: an eventfd(2).
public final class Waker: Sendable {
    private let file: FileDescriptor

    /// - Throws: `EMFILE` and such.
    public init() throws(Errno) {
        file = FileDescriptor(owning: try once { eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) })
    }

    /// Readable from ``wake()`` until ``clear()``.
    public var descriptor: Int32 { file.rawValue }

    public func wake() {
        let one: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0]
        _ = try? file.writeAll(one)
    }

    public func clear() { _ = try? file.read(atMost: 8) }
}
