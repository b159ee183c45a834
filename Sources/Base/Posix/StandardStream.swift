internal import CKernel

/// The descriptors that a process starts with; they are never closed here.
public enum StandardStream: Int32, Sendable {
    case input = 0
    case output = 1
    case error = 2

    /// Whether it is a terminal: isatty(3).
    public var isTerminal: Bool { isatty(rawValue) == 1 }

    public func readAll(limit: Int) throws(Errno) -> [UInt8] {
        try borrowing { (file: borrowing FileDescriptor) throws(Errno) in try file.readAll(limit: limit) }
    }

    /// - Throws: `EPIPE` when no reader is left.
    public func writeAll(_ content: some Sequence<UInt8>) throws(Errno) {
        try holdingBackWriteSignals { () throws(Errno) in
            try borrowing { (file: borrowing FileDescriptor) throws(Errno) in try file.writeAll(content) }
        }
    }

    /// write(2) once, if there is room within `milliseconds`.
    ///
    /// - Throws: `EAGAIN` if the reader does not read, `EPIPE` if it is gone.
    public func writeOnce(_ content: [UInt8], milliseconds: Int) throws(Errno) {
        try borrowing { (file: borrowing FileDescriptor) throws(Errno) in
            guard try Polling.wait(for: [.init(rawValue, .writing)], milliseconds: milliseconds)[0] else {
                throw .tryAgain
            }
            try file.writeOnce(content)
        }
    }

    private func borrowing<Value>(
        _ use: (borrowing FileDescriptor) throws(Errno) -> Value
    ) throws(Errno) -> Value {
        let file = FileDescriptor(owning: rawValue)
        do throws(Errno) {
            let value = try use(file)
            _ = file.release()
            return value
        } catch {
            _ = file.release()
            throw error
        }
    }
}
