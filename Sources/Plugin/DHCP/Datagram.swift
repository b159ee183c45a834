public import Addresses

/// A DHCP message with its IPv4 and UDP headers, as a packet socket sends and receives it.
public enum Datagram {
    static let clientPort: UInt16 = 68
    static let serverPort: UInt16 = 67

    public static let everybody = IPAddress(.v4, IPFamily.v4.maximum)

    /// From a client to a server, or broadcast.
    ///
    /// - Parameter source: unspecified for a client that has no address yet.
    public static func packet(
        _ content: [UInt8], from source: IPAddress = Message.unspecified, to target: IPAddress = everybody
    ) -> [UInt8] {
        let addresses = source.bytes + target.bytes
        var udp = clientPort.octets + serverPort.octets + UInt16(8 + content.count).octets + [0, 0] + content
        let sum = checksum(addresses + [0, 17] + UInt16(udp.count).octets + udp)
        // 0 would mean no checksum (RFC 768).
        udp.replaceSubrange(6..<8, with: (sum == 0 ? 0xffff : sum).octets)
        // Version and length, precedence, size, no fragment, time to live, UDP.
        var header: [UInt8] = [0x45, 0x10] + UInt16(20 + udp.count).octets + [0, 0, 0, 0, 64, 17, 0, 0] + addresses
        header.replaceSubrange(10..<12, with: checksum(header).octets)
        return header + udp
    }

    /// The content of a packet from a DHCP server; nil for other packets and for damaged ones.
    ///
    /// The UDP checksum is not verified: on a virtual link the kernel leaves it incomplete.
    public static func content(of packet: [UInt8]) -> [UInt8]? {
        guard packet.count >= 28, packet[0] >> 4 == 4 else { return nil }
        let headerSize = Int(packet[0] & 15) * 4
        let size = number(packet[2..<4])
        guard headerSize >= 20, size >= headerSize + 8, size <= packet.count, packet[9] == 17,
            number(packet[6..<8]) & 0x3fff == 0, checksum(Array(packet[..<headerSize])) == 0
        else { return nil }
        let udp = Array(packet[headerSize..<size])
        let length = number(udp[4..<6])
        guard number(udp[0..<2]) == Int(serverPort), number(udp[2..<4]) == Int(clientPort),
            (8...udp.count).contains(length)
        else { return nil }
        return Array(udp[8..<length])
    }

    private static func number(_ octets: ArraySlice<UInt8>) -> Int { octets.number() }

    /// RFC 1071.
    private static func checksum(_ octets: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for (position, octet) in octets.enumerated() { sum += UInt32(octet) << (position.isMultiple(of: 2) ? 8 : 0) }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return ~UInt16(sum)
    }
}
