internal import CKernel
internal import Posix
internal import Synchronization

/// The system calls of a netlink socket. ``NetlinkSocket`` decides what to send and when to close it.
@safe
struct NetlinkTransport {
    /// Nil if a stand-in answers for the kernel.
    private let socket: OpaquePointer?
    private let closing: NetlinkSocket.Closing
    /// Nil except in a test.
    private let standIn: KernelStandIn?
    /// The stand-in's number for the socket.
    private let number: Int

    /// Kernels send at most 32 KiB at a time in a dump.
    private static let receiveSize = 32768

    /// Opens and binds a socket in the caller's current network namespace.
    ///
    /// - Parameter groups: of notifications, one bit each.
    init(_ subsystem: NetlinkSocket.Subsystem, groups: UInt32, _ closing: NetlinkSocket.Closing) throws(Errno) {
        let standIn: KernelStandIn? = .current
        var opened: OpaquePointer?
        var number = 0
        if let standIn {
            number = try standIn.openSocket(subsystem, groups: groups) { () throws(Errno) in
                unsafe opened = try NetlinkTransport.open(subsystem, groups)
            }
        } else {
            unsafe opened = try NetlinkTransport.open(subsystem, groups)
        }
        unsafe socket = opened
        self.closing = closing
        self.standIn = standIn
        self.number = number
    }

    private static func open(_ subsystem: NetlinkSocket.Subsystem, _ groups: UInt32) throws(Errno) -> OpaquePointer {
        let flags = Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        guard let socket = unsafe mnl_socket_open2(subsystem.rawValue, flags) else { throw .last }
        var on: Int32 = 1
        // These only improve answers (error texts, less to read), and old kernels lack them.
        for option in [NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK] {
            _ = unsafe mnl_socket_setsockopt(socket, option, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        // Without bind(2), the first message binds the socket.
        guard unsafe groups == 0 || mnl_socket_bind(socket, groups, 0) == 0 else {
            let error = Errno.last
            _ = unsafe mnl_socket_close(socket)
            throw error
        }
        return unsafe socket
    }

    func close() {
        guard let socket = unsafe socket else { return }
        if closing == .leftToChild { NetlinkTransport.leaveToChild(unsafe mnl_socket_get_fd(socket)) }
        _ = unsafe mnl_socket_close(socket)
    }

    /// -1 if a stand-in answers for the kernel.
    var descriptor: Int32 {
        guard let socket = unsafe socket else { return -1 }
        return unsafe mnl_socket_get_fd(socket)
    }

    /// Whether a test stands between this socket and the kernel.
    var hasStandIn: Bool { standIn != nil }

    func send(_ bytes: [UInt8]) throws(Errno) {
        guard let standIn else { return try sendToKernel(bytes) }
        try standIn.send(bytes, on: number) { () throws(Errno) in try sendToKernel(bytes) }
    }

    /// Receives one datagram; `EAGAIN` if there is none.
    func receive() throws(Errno) -> [UInt8] {
        guard let standIn else { return try receiveFromKernel() }
        return try standIn.receive(on: number) { () throws(Errno) in try receiveFromKernel() }
    }

    private func sendToKernel(_ bytes: [UInt8]) throws(Errno) {
        while true {
            let sent = unsafe bytes.withUnsafeBytes { buffer in
                unsafe mnl_socket_sendto(socket!, buffer.baseAddress, buffer.count)
            }
            if sent == bytes.count { return }
            guard sent < 0, Errno.last == .interrupted else { throw sent < 0 ? .last : .messageTooLarge }
        }
    }

    private func receiveFromKernel() throws(Errno) -> [UInt8] {
        var failure: Errno?
        let datagram = unsafe [UInt8](unsafeUninitializedCapacity: NetlinkTransport.receiveSize) { buffer, count in
            while true {
                let received = unsafe mnl_socket_recvfrom(socket!, buffer.baseAddress, buffer.count)
                if received >= 0 {
                    count = received
                    return
                }
                guard Errno.last == .interrupted else {
                    failure = .last
                    return
                }
            }
        }
        if let failure { throw failure }
        return datagram
    }

    /// Lets the socket send a message of that size, which may exceed the system-wide limit (wmem_max).
    func makeRoom(for size: Int) throws(Errno) {
        guard size > NetlinkTransport.usualSendSize, unsafe socket != nil else { return }
        // The kernel includes its own overhead.
        var room = Int32(clamping: size + size / 4)
        // SO_SNDBUFFORCE, asm-generic/socket.h.
        guard unsafe setsockopt(descriptor, SOL_SOCKET, 32, &room, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
            throw .last
        }
    }

    /// Sets how much may be queued for the socket, regardless of the system-wide limit (rmem_max).
    func setReceiveRoom(_ octets: Int) throws(Errno) {
        guard unsafe socket != nil else { return }
        var room = Int32(clamping: octets)
        // SO_RCVBUFFORCE, asm-generic/socket.h.
        guard unsafe setsockopt(descriptor, SOL_SOCKET, 33, &room, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
            throw .last
        }
    }

    /// Fits into the smallest default of wmem_default.
    private static let usualSendSize = 100 << 10
}

// How sockets of netfilter are closed.

extension NetlinkSocket {
    /// Who waits when a netfilter socket is closed. Closing waits until the kernel has cleaned up after earlier rule changes by
    /// any process. That takes until all processors have passed a quiescent state, 5 to 15 ms, under the lock that all changes
    /// need (nft_rcv_nl_event, net/netfilter/nf_tables_api.c).
    public enum Closing: Sendable, Hashable {
        /// The caller that closes it. A long-running process keeps its socket open.
        case waiting
        /// A child, which is left behind (clone(2) with CLONE_VM, 30 us): it holds the socket open as long as the kernel needs
        /// and is not reaped. Use it only in a process that has one thread and ends soon.
        case leftToChild
    }
}

extension NetlinkTransport {
    /// The kernel's cleanup time, and the interval of the common closing moments, in nanoseconds. If the kernel needs longer,
    /// closing waits for the rest, and all rule changes wait with it. So if many close at the same moment, one waits and the
    /// others find the cleanup done.
    static let (cleaningTime, closingInterval) = (20_000_000, 125_000_000)

    /// The first common moment after the kernel's cleanup time, in nanoseconds of CLOCK_MONOTONIC.
    static func closingMoment(after now: Int) -> Int {
        (now + cleaningTime + closingInterval - 1) / closingInterval * closingInterval
    }

    /// The limit of children of one process: each has a stack that is never freed.
    private static let maximumChildren = 16
    private static let childStackSize = 16384
    private static let childCount = Atomic<Int>(0)

    private static func leaveToChild(_ descriptor: Int32) {
        guard childCount.wrappingAdd(1, ordering: .relaxed).oldValue < maximumChildren else { return }
        let moment = closingMoment(after: MonotonicClock.microseconds * 1000)
        var until = timespec(tv_sec: moment / 1_000_000_000, tv_nsec: moment % 1_000_000_000)
        let stack = UnsafeMutableRawPointer.allocate(byteCount: childStackSize, alignment: 16)
        // If no child can be started, closing waits.
        _ = unsafe ck_hold_open(descriptor, &until, stack, childStackSize)
    }
}
