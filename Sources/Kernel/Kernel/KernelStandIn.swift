public import Posix

#if !hasFeature(Embedded)
    /// Stands between this module and the kernel in a test. It sees each request to the kernel, and can record the kernel's
    /// answer or give its own.
    ///
    /// Each method receives the real call and decides whether to make it.
    open class KernelStandIn: @unchecked Sendable {
        /// The stand-in of the current task.
        @TaskLocal public static var current: KernelStandIn?

        public init() {}

        /// - Returns: a number that identifies the socket in later calls.
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

        /// One datagram of answers; `EAGAIN` if there is none.
        open func receive(on socket: Int, _ real: () throws(Errno) -> [UInt8]) throws(Errno) -> [UInt8] {
            try real()
        }

        /// Opens the file of a network namespace.
        open func openNamespace(
            _ path: String, _ real: () throws(Errno) -> FileDescriptor
        ) throws(Errno) -> FileDescriptor {
            try real()
        }

        /// Moves the calling thread into a namespace.
        open func enterNamespace(_ path: String, _ real: () throws(Errno) -> Void) throws(Errno) { try real() }

        /// A parameter below /proc/sys/net; `ENOENT` if the kernel has none of that name.
        open func readSysctl(_ name: String, _ real: () throws(Errno) -> String) throws(Errno) -> String { try real() }

        open func writeSysctl(_ value: String, _ name: String, _ real: () throws(Errno) -> Void) throws(Errno) {
            try real()
        }
    }
#else
    /// The plugin has no stand-in: this type has no values, and code that would use one is left out.
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
