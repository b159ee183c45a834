internal import Addresses
internal import Files
internal import Kernel
internal import NetlinkCodec
internal import PacketRules
internal import Posix

/// A namespace's sockets that accept TCP connections, or UDP datagrams.
struct SocketTable {
    struct Listener {
        /// In the socket's family.
        let address: IPAddress
        let port: UInt16
        /// Index of the interface that the socket is bound to; 0 for all.
        var device: UInt32 = 0
        /// Whether the socket does not accept IPv4; nil if unknown.
        var isIPv6Only: Bool?
    }

    let listeners: [Listener]

    /// Whether one of the sockets accepts a packet; nil if unknown.
    ///
    /// - Parameter devices: the interface on which it arrives, and that interface's master.
    func isHeard(_ packet: Packet, by devices: [UInt32]) -> Bool? {
        let answers = listeners.filter {
            $0.port == packet.destinationPort && ($0.device == 0 || devices.contains($0.device))
        }.map { $0.hears(packet.destination) }
        return answers.contains(true) ? true : answers.contains(nil) ? nil : false
    }
}

extension SocketTable.Listener {
    fileprivate func hears(_ destination: IPAddress) -> Bool? {
        guard address.family != destination.family else {
            return address.isUnspecified || address == destination
        }
        guard destination.family == .v4 else { return false }
        // ::ffff:192.0.2.1 (RFC 4291, section 2.5.5.2), or all addresses of both families.
        guard address.isUnspecified else { return address.value == 0xffff << 32 | destination.value }
        return isIPv6Only.map { !$0 }
    }
}

extension SocketTable {
    /// TCP_LISTEN, and TCP_CLOSE for a UDP socket that is not connected (net/tcp_states.h).
    private static func state(_ transport: Packet.Transport) -> UInt32 { transport == .tcp ? 10 : 7 }

    /// AF_INET and AF_INET6.
    private static func code(_ family: IPFamily) -> UInt8 { family == .v4 ? 2 : 10 }

    /// Asks the kernel's socket diagnosis (linux/inet_diag.h), the only complete source.
    ///
    /// - Throws: also if the kernel lacks it.
    init(_ transport: Packet.Transport, _ socket: inout NetlinkSocket) throws(Failure) {
        var found: [Listener] = []
        for family in IPFamily.allCases {
            found += try socket.dump("list sockets of \(transport.rawValue)", SocketTable.listener) {
                // SOCK_DIAG_BY_FAMILY with struct inet_diag_req_v2, whose last part selects a socket; here it is empty.
                $0.message(20, flags: MessageFlag.request | MessageFlag.dump) {
                    for octet in [SocketTable.code(family), transport.number(family), 0, 0] { $0.append(octet) }
                    $0.append(UInt32(1) << SocketTable.state(transport))
                    for _ in 0..<48 { $0.append(UInt8(0)) }
                }
            }
        }
        listeners = found
    }

    /// Reads a struct inet_diag_msg.
    private static func listener(_ message: Message) -> Listener? {
        let payload = message.payload
        guard payload.count >= 72,
            let family = IPFamily.allCases.first(where: { SocketTable.code($0) == payload.first }),
            let address = IPAddress(bytes: payload.dropFirst(8).prefix(family.byteWidth))
        else { return nil }
        return Listener(
            address: address, port: UInt16(bigEndian: payload.load(UInt16.self, at: 4)),
            device: payload.load(UInt32.self, at: 40),
            // INET_DIAG_SKV6ONLY.
            isIPv6Only: Attributes(payload.dropFirst(72))[11]?.uint8.map { $0 != 0 })
    }

    /// A larger file is an error: it would take too much memory.
    private static let maximumSize = 64 << 20

    /// Reads /proc/net of the caller's namespace (proc_pid_net(5)), which has less information.
    init(listed transport: Packet.Transport) {
        listeners = [(IPFamily.v4, transport.rawValue), (.v6, "\(transport.rawValue)6")].flatMap { family, file in
            guard let content = try? File.content("/proc/thread-self/net/\(file)", limit: SocketTable.maximumSize)
            else { return [Listener]() }
            return String(decoding: content, as: UTF8.self).split(separator: "\n").dropFirst()
                .compactMap { SocketTable.listener($0.split(separator: " "), family, transport) }
        }
    }

    private static func listener(
        _ fields: [Substring], _ family: IPFamily, _ transport: Packet.Transport
    ) -> Listener? {
        guard fields.count > 3, UInt32(fields[3], radix: 16) == state(transport) else { return nil }
        let ends = fields[1].split(separator: ":")
        guard ends.count == 2, let port = UInt16(ends[1], radix: 16), ends[0].count == family.byteWidth * 2 else {
            return nil
        }
        // The kernel writes words of four octets in the machine's byte order, each as a number.
        let octets = stride(from: 0, to: ends[0].count, by: 8).flatMap { start -> [UInt8] in
            let word = UInt32(ends[0].dropFirst(start).prefix(8), radix: 16) ?? 0
            return (0..<4).map { UInt8(truncatingIfNeeded: word.littleEndian >> ($0 * 8)) }
        }
        return IPAddress(bytes: octets).map { Listener(address: $0, port: port) }
    }
}
