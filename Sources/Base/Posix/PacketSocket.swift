internal import CKernel

/// One instruction of a classic BPF program (linux/filter.h).
public struct FilterInstruction: Sendable {
    fileprivate let packed: UInt64

    /// - Parameter code: BPF_* of linux/bpf_common.h.
    /// - Parameter whenTrue: how many instructions a jump skips; likewise `whenFalse`.
    public init(_ code: UInt16, _ operand: UInt32, whenTrue: UInt8 = 0, whenFalse: UInt8 = 0) {
        packed = UInt64(code) << 48 | UInt64(whenTrue) << 40 | UInt64(whenFalse) << 32 | UInt64(operand)
    }
}

extension FileDescriptor {
    /// packet(7): a socket for packets of one EtherType on one interface, without their link-layer headers.
    ///
    /// - Parameter filter: at most 32 instructions, over the packet from its network header on.
    public static func packetSocket(
        interface: UInt32, etherType: UInt16, filter: [FilterInstruction]
    ) throws(Errno) -> FileDescriptor {
        let program = filter.map { $0.packed }
        return FileDescriptor(
            owning: try once { unsafe ck_packet_socket(interface, etherType, program, program.count) })
    }

    /// Sends a packet on a ``packetSocket(interface:etherType:filter:)``, to a hardware address of six octets.
    public func sendPacket(
        _ packet: [UInt8], to hardware: [UInt8], interface: UInt32, etherType: UInt16
    ) throws(Errno) {
        guard hardware.count == 6 else { throw .invalidArgument }
        try retrying { unsafe ck_send_packet(rawValue, interface, etherType, hardware, packet, packet.count) }
    }

    /// Receives a packet on a ``packetSocket(interface:etherType:filter:)``, without waiting.
    ///
    /// - Returns: at most `count` octets of it, and the sender's hardware address, six octets.
    /// - Throws: `EAGAIN` when no packet is there, `ENETDOWN` once after the interface went down.
    public func receivePacket(atMost count: Int) throws(Errno) -> (packet: [UInt8], source: [UInt8]) {
        var packet = [UInt8](repeating: 0, count: count)
        var source = [UInt8](repeating: 0, count: 6)
        let received = try retrying { unsafe ck_receive_packet(rawValue, &packet, count, &source) }
        return (Array(packet.prefix(received)), source)
    }
}
