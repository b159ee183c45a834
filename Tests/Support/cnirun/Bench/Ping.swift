import ContainerRuntime
import Foundation

/// Single ICMP echo requests from this thread's namespace.
enum Ping {
    /// Throws unless an answer comes within five seconds. Asks several times: a port may take a moment to start forwarding, and
    /// an IPv6 gateway answers only after duplicate address detection, unless that is off.
    static func reach(_ address: String) throws {
        let isIPv6 = address.contains(":")
        let number = isIPv6 ? Int32(IPPROTO_ICMPV6) : Int32(IPPROTO_ICMP)
        let socket = socket(isIPv6 ? AF_INET6 : AF_INET, Int32(SOCK_RAW.rawValue), number)
        try require(socket >= 0, "open an ICMP socket")
        defer { close(socket) }
        for attempt in 1...50 {
            let request = echoRequest(isIPv6 ? 128 : 8, sequence: UInt8(attempt))
            if isIPv6 {
                var to = sockaddr_in6()
                to.sin6_family = sa_family_t(AF_INET6)
                try require(inet_pton(AF_INET6, address, &to.sin6_addr) == 1, "ping \(address)")
                send(request, by: socket, to: to)
            } else {
                var to = sockaddr_in()
                to.sin_family = sa_family_t(AF_INET)
                try require(inet_pton(AF_INET, address, &to.sin_addr) == 1, "ping \(address)")
                send(request, by: socket, to: to)
            }
            if answered(socket, isIPv6, within: 100) { return }
        }
        throw VerificationError("no answer to a ping of \(address)")
    }

    private static func send<Address>(_ packet: [UInt8], by socket: Int32, to address: Address) {
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(socket, packet, packet.count, 0, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }

    private static let identifier: [UInt8] = [
        UInt8(truncatingIfNeeded: getpid() >> 8), UInt8(truncatingIfNeeded: getpid()),
    ]

    /// The kernel computes the checksum of ICMPv6.
    private static func echoRequest(_ type: UInt8, sequence: UInt8) -> [UInt8] {
        var packet: [UInt8] = [type, 0, 0, 0] + identifier + [0, sequence]
        var sum = stride(from: 0, to: packet.count, by: 2).reduce(UInt32(0)) {
            $0 + UInt32(packet[$1]) << 8 + UInt32(packet[$1 + 1])
        }
        sum = (sum >> 16) + (sum & 0xffff)
        let checksum = ~UInt16(truncatingIfNeeded: sum + sum >> 16)
        packet[2] = UInt8(checksum >> 8)
        packet[3] = UInt8(checksum & 0xff)
        return packet
    }

    private static func answered(_ socket: Int32, _ isIPv6: Bool, within milliseconds: Int32) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1500)
        var polled = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        while poll(&polled, 1, milliseconds) > 0 {
            let count = recv(socket, &buffer, buffer.count, 0)
            guard count > 0 else { return false }
            // A raw IPv4 socket also delivers the IP header; the low half of the first byte is its length in words.
            let start = isIPv6 ? 0 : Int(buffer[0] & 15) * 4
            let answer: UInt8 = isIPv6 ? 129 : 0
            if count >= start + 8, buffer[start] == answer, Array(buffer[start + 4..<start + 6]) == identifier {
                return true
            }
        }
        return false
    }
}
