public import NetlinkCodec
public import Posix

/// A socket that receives notifications of changes in the network namespace in which it was opened, and sends no requests.
///
/// Open it first and read the current state afterwards, so that changes in between are noticed. Never blocks; an event loop waits
/// for its ``descriptor``.
public struct NetlinkMonitor: ~Copyable {
    /// Multicast groups of rtnetlink: RTNLGRP_ in linux/rtnetlink.h.
    public struct RouteGroups: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        private init(group: UInt32) { rawValue = 1 << (group - 1) }

        public static let links = RouteGroups(group: 1)
        /// Of both families, and the entries of bridges' forwarding tables (as ``KernelEvent/other(_:)``).
        public static let neighbours = RouteGroups(group: 3)
        public static let addressesIPv4 = RouteGroups(group: 5)
        public static let routesIPv4 = RouteGroups(group: 7)
        public static let rulesIPv4 = RouteGroups(group: 8)
        public static let addressesIPv6 = RouteGroups(group: 9)
        public static let routesIPv6 = RouteGroups(group: 11)
        public static let rulesIPv6 = RouteGroups(group: 19)
        /// Kernels from 5.3 on.
        public static let nexthops = RouteGroups(group: 32)
    }

    private let socket: NetlinkSocket

    /// - Throws: `EPERM` and such if the kernel does not allow listening.
    public init(_ groups: RouteGroups) throws(Failure) {
        socket = try NetlinkSocket(.route, groups: groups.rawValue)
    }

    private init(_ socket: consuming NetlinkSocket) { self.socket = socket }

    /// A monitor of all changes of nf_tables (NFNLGRP_NFTABLES, linux/netfilter/nfnetlink.h).
    public static func ofNftables() throws(Failure) -> NetlinkMonitor {
        NetlinkMonitor(try NetlinkSocket(.netfilter, groups: 1 << 6))
    }

    /// Readable when events are pending; belongs to this value.
    public var descriptor: Int32 { socket.descriptor }

    /// Enlarges the socket's receive buffer for bursts, beyond the system-wide limit (SO_RCVBUFFORCE, socket(7)).
    ///
    /// - Parameter octets: as the kernel counts them, including its own overhead: up to 2 KiB per event.
    public func setReceiveRoom(octets: Int) throws(Failure) {
        try attempting("make room for \(octets) octets of notifications") { () throws(Errno) in
            try socket.transport.setReceiveRoom(octets)
        }
    }

    /// The events since the last call, in order; empty if there are none. Returns at most some thousand, so that the caller can
    /// do other work in between: call again until it returns none.
    public func events() throws(Failure) -> [KernelEvent] {
        var events: [KernelEvent] = []
        while events.count < NetlinkMonitor.usualCount {
            do throws(Errno) {
                let isNetfilter = socket.subsystem == .netfilter
                events += try socket.receive().map { KernelEvent($0, isNetfilter: isNetfilter) }
            } catch {
                switch error {
                case .tryAgain: return events
                // Reported before the events still queued at that time, so that no event older than the loss follows unnoticed.
                case .noBufferSpace: events.append(.lost)
                default: throw Failure("listen for changes", error)
                }
            }
        }
        return events
    }

    /// Throws away the events since the last call, unread: those of changes that the caller has made itself.
    public func discard() {
        while true {
            do throws(Errno) { _ = try socket.transport.receive() } catch {
                // What did not fit is thrown away as well.
                guard error == .noBufferSpace else { return }
            }
        }
    }

    private static let usualCount = 4096
}
