internal import Net
internal import Posix

/// The sockets of a namespace that wait, as /proc/net lists them (proc_pid_net(5)).
struct SocketTable {
    private let lines: [[Substring]]

    /// More than this is an error, not a reason to take the memory.
    private static let maximumSize = 64 << 20

    /// - Parameter file: `tcp`, `tcp6`, `udp` or `udp6`; of the caller's namespace.
    /// - Returns: nil where the kernel has no such file.
    init?(_ file: String) {
        guard let open = try? FileDescriptor.open("/proc/thread-self/net/\(file)", .readOnly),
            let content = try? open.readAll(limit: SocketTable.maximumSize)
        else { return nil }
        lines = String(decoding: content, as: UTF8.self).split(separator: "\n").dropFirst()
            .map { $0.split(separator: " ") }
    }

    func isHeard(_ packet: Packet) -> Bool {
        // TCP_LISTEN, and TCP_CLOSE for a UDP socket that is not connected (net/tcp_states.h).
        let state = packet.transport == .tcp ? "0A" : "07"
        return lines.contains { fields in
            guard fields.count > 3, fields[3] == state else { return false }
            let ends = fields[1].split(separator: ":")
            guard ends.count == 2, UInt16(ends[1], radix: 16) == packet.destinationPort else { return false }
            return ends[0].allSatisfy { $0 == "0" } || ends[0].hasSuffix(SocketTable.text(packet.destination))
        }
    }

    /// As the kernel writes it: words of four octets in the machine's order, each as a number.
    private static func text(_ address: IPAddress) -> String {
        let octets = address.bytes
        return stride(from: 0, to: octets.count, by: 4).map { start in
            let word = octets[start..<start + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let digits = String(word, radix: 16, uppercase: true)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }.joined()
    }
}
