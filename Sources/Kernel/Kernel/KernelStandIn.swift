public import Posix

#if !hasFeature(Embedded)
    /// Stands between this module and the kernel in a test, which gets to see what is about to be asked of the kernel:
    /// to write down what the kernel answers, or to answer in its place.
    ///
    /// Each method is given the real call, which it makes or leaves.
    open class KernelStandIn: @unchecked Sendable {
        /// The one that is in place in the current task.
        @TaskLocal public static var current: KernelStandIn?

        public init() {}

        /// - Returns: a number by which later calls know the socket.
        open func openSocket(
            _ subsystem: NetlinkSocket.Subsystem, groups: UInt32, _ real: () throws(Errno) -> Void
        ) throws(Errno) -> Int {
            try real()
            return 0
        }

        /// One datagram of requests.
        open func send(_ request: [UInt8], on socket: Int, _ real: () throws(Errno) -> Void) throws(Errno) {
            try real()
        }

        /// One datagram of answers; `EAGAIN` when there is none.
        open func receive(on socket: Int, _ real: () throws(Errno) -> [UInt8]) throws(Errno) -> [UInt8] {
            try real()
        }

        /// Opens a file that is a network namespace.
        open func openNamespace(
            _ path: String, _ real: () throws(Errno) -> FileDescriptor
        ) throws(Errno) -> FileDescriptor {
            try real()
        }

        /// Moves the calling thread into a namespace.
        open func enterNamespace(_ path: String, _ real: () throws(Errno) -> Void) throws(Errno) { try real() }

        /// A parameter below /proc/sys/net; `ENOENT` when the kernel has none of that name.
        open func readSysctl(_ name: String, _ real: () throws(Errno) -> String) throws(Errno) -> String { try real() }

        open func writeSysctl(_ value: String, _ name: String, _ real: () throws(Errno) -> Void) throws(Errno) {
            try real()
        }
    }
#else
    /// Nobody stands in for the kernel in the plugin: there is no value of this type, and what would use one is left out.
    enum KernelStandIn {
        static var current: KernelStandIn? { nil }

        func openSocket(
            _ subsystem: NetlinkSocket.Subsystem, groups: UInt32, _ real: () throws(Errno) -> Void
        ) throws(Errno) -> Int { switch self {} }
        func send(_ request: [UInt8], on socket: Int, _ real: () throws(Errno) -> Void) throws(Errno) { switch self {} }
        func receive(on socket: Int, _ real: () throws(Errno) -> [UInt8]) throws(Errno) -> [UInt8] { switch self {} }
        func openNamespace(
            _ path: String, _ real: () throws(Errno) -> FileDescriptor
        ) throws(Errno) -> FileDescriptor { switch self {} }
        func enterNamespace(_ path: String, _ real: () throws(Errno) -> Void) throws(Errno) { switch self {} }
        func readSysctl(_ name: String, _ real: () throws(Errno) -> String) throws(Errno) -> String { switch self {} }
        func writeSysctl(_ value: String, _ name: String, _ real: () throws(Errno) -> Void) throws(Errno) {
            switch self {}
        }
    }
#endif
