internal import CKernel

/// One packet sent to test a path: the SYN of a TCP connection, an empty UDP datagram, or an ICMP echo request.
public struct Probe: ~Copyable {
    private let file: FileDescriptor
    private let isV6: Int32
    private let protocolNumber: Int32
    /// The source port; for ICMP, the echo's identifier.
    public let port: UInt16

    /// Opens the socket in the caller's network namespace.
    ///
    /// - Parameters:
    ///   - protocolNumber: IPPROTO_TCP, _UDP, _ICMP or _ICMPV6.
    ///   - source: 4 or 16 octets; zeros let the kernel choose.
    public init(protocolNumber: UInt8, source: [UInt8]) throws(Errno) {
        guard source.count == 4 || source.count == 16 else { throw .invalidArgument }
        let isV6: Int32 = source.count == 16 ? 1 : 0
        var port: UInt16 = 0
        file = FileDescriptor(
            owning: try retrying { unsafe ck_probe_open(isV6, Int32(protocolNumber), source, &port) })
        self.isV6 = isV6
        self.protocolNumber = Int32(protocolNumber)
        self.port = port
    }

    /// - Parameter destination: of the same length as the source.
    public func send(to destination: [UInt8], port: UInt16) throws(Errno) {
        guard destination.count == (isV6 == 1 ? 16 : 4) else { throw .invalidArgument }
        _ = try once { unsafe ck_probe_send(file.rawValue, isV6, protocolNumber, destination, port) }
    }

    /// Waits for an answer.
    ///
    /// - Returns: whether one came within that time.
    /// - Throws: `ECONNREFUSED` for a refusal, which is an answer too.
    public func waitForAnswer(milliseconds: Int) throws(Errno) -> Bool {
        let end = MonotonicClock.milliseconds + milliseconds
        while true {
            let left = max(0, end - MonotonicClock.milliseconds)
            let readiness: FileDescriptor.Readiness = protocolNumber == IPPROTO_TCP ? .writing : .reading
            try file.wait(for: readiness, milliseconds: Int32(clamping: left))
            if try once({ ck_probe_answer(file.rawValue, isV6, protocolNumber, port) }) == 1 { return true }
            guard left > 0 else { return false }
        }
    }
}
