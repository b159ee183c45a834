internal import CKernel

/// Waiting for several descriptors at once.
public enum Polling {
    /// One descriptor and the readiness to wait for.
    public struct Interest: Sendable {
        public let descriptor: Int32
        public let readiness: FileDescriptor.Readiness

        public init(_ descriptor: Int32, _ readiness: FileDescriptor.Readiness) {
            self.descriptor = descriptor
            self.readiness = readiness
        }
    }

    /// poll(2) once; a signal ends it early.
    ///
    /// - Parameter milliseconds: the longest wait; negative waits for ever.
    /// - Returns: for each descriptor whether it is ready, has failed, or its other end is closed.
    public static func wait(for interests: [Interest], milliseconds: Int) throws(Errno) -> [Bool] {
        var entries = interests.map { pollfd(fd: $0.descriptor, events: $0.readiness.events, revents: 0) }
        let count = unsafe poll(&entries, nfds_t(entries.count), Int32(clamping: milliseconds))
        guard count >= 0 || errno == EINTR else { throw .last }
        return entries.map { count > 0 && $0.revents != 0 }
    }
}
