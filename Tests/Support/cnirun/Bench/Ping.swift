import ContainerRuntime
import Foundation

/// One ICMP echo at a time, from this thread's namespace.
enum Ping {
    /// Throws unless an answer comes within two seconds. Asks several times: a port may be forwarding only after a moment.
    static func reach(_ address: String) throws {
        let socket = socket(AF_INET, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_ICMP))
        try require(socket >= 0, "open an ICMP socket")
        defer { close(socket) }
        var to = sockaddr_in()
        to.sin_family = sa_family_t(AF_INET)
        try require(inet_pton(AF_INET, address, &to.sin_addr) == 1, "ping \(address)")
        let target = to

        for attempt in 1...20 {
            let request = echoRequest(sequence: UInt8(attempt))
            _ = withUnsafePointer(to: target) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(socket, request, request.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if answered(socket, within: 100) { return }
        }
        throw VerificationError("no answer to a ping of \(address)")
    }

    private static let identifier: [UInt8] = [
        UInt8(truncatingIfNeeded: getpid() >> 8), UInt8(truncatingIfNeeded: getpid()),
    ]

    private static func echoRequest(sequence: UInt8) -> [UInt8] {
        var packet: [UInt8] = [8, 0, 0, 0] + identifier + [0, sequence]
        var sum = stride(from: 0, to: packet.count, by: 2).reduce(UInt32(0)) {
            $0 + UInt32(packet[$1]) << 8 + UInt32(packet[$1 + 1])
        }
        sum = (sum >> 16) + (sum & 0xffff)
        let checksum = ~UInt16(truncatingIfNeeded: sum + sum >> 16)
        packet[2] = UInt8(checksum >> 8)
        packet[3] = UInt8(checksum & 0xff)
        return packet
    }

    private static func answered(_ socket: Int32, within milliseconds: Int32) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1500)
        var polled = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        while poll(&polled, 1, milliseconds) > 0 {
            let count = recv(socket, &buffer, buffer.count, 0)
            guard count > 0 else { return false }
            // A raw socket delivers the IP header too; its length is in the low half of the first byte, in words.
            let start = Int(buffer[0] & 15) * 4
            if count >= start + 8, buffer[start] == 0, Array(buffer[start + 4..<start + 6]) == identifier {
                return true
            }
        }
        return false
    }
}
