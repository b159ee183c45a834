import CBench
import Foundation
import Synchronization

/// An Ethernet frame that can be told from all others wherever it turns up.
struct Frame: Sendable {
    let name: String
    let octets: [UInt8]
    /// Somewhere in it, and in no other frame.
    let marker: [UInt8]

    private static let counter = Atomic<UInt32>(0)

    static func newMarker() -> [UInt8] {
        [0x6d, 0x6b] + big(counter.add(1, ordering: .relaxed).newValue)
    }
}

/// A raw socket on one interface: sends whatever it is given, sees all that passes.
final class FrameTap: Sendable {
    private let socket: Socket

    init(_ namespace: some Namespace, _ link: String = "eth0") throws {
        let everything: UInt16 = 0x0003  // ETH_P_ALL, linux/if_ether.h
        let descriptor = try namespace.socket(
            AF_PACKET, Int32(SOCK_RAW.rawValue) | Int32(SOCK_NONBLOCK.rawValue), Int32(everything.bigEndian))
        socket = try Socket(taking: descriptor)
        let index = UInt32(try namespace.link(link)?["ifindex"]?.integer ?? 0)
        // struct sockaddr_ll, linux/if_packet.h.
        var address = [UInt8](repeating: 0, count: 20)
        withUnsafeBytes(of: UInt16(AF_PACKET)) { address.replaceSubrange(0..<2, with: $0) }
        withUnsafeBytes(of: everything.bigEndian) { address.replaceSubrange(2..<4, with: $0) }
        withUnsafeBytes(of: index) { address.replaceSubrange(4..<8, with: $0) }
        let result = address.withUnsafeBytes { raw in
            bind(descriptor, raw.baseAddress?.assumingMemoryBound(to: sockaddr.self), 20)
        }
        guard result == 0 else { throw CommandError.system("bind to \(link)") }
    }

    func send(_ frame: Frame) throws {
        guard Glibc.send(socket.descriptor, frame.octets, frame.octets.count, 0) == frame.octets.count else {
            throw CommandError.system("send \(frame.name)")
        }
    }

    /// What has come since the last time.
    private func take() -> [[UInt8]] {
        var taken: [[UInt8]] = []
        var buffer = [UInt8](repeating: 0, count: 2048)
        while true {
            let count = recv(socket.descriptor, &buffer, buffer.count, 0)
            guard count >= 0 else { return taken }
            taken.append(Array(buffer[..<count]))
        }
    }

    /// Which of the frames come by here until the last one of all does, which must.
    fileprivate func seen(_ frames: [Frame], until last: Frame) throws -> Set<String> {
        var taken: [[UInt8]] = []
        try eventually("\(last.name) arrives") {
            taken += take()
            return taken.contains { $0.contains(last.marker) }
        }
        return Set(frames.filter { frame in taken.contains { $0.contains(frame.marker) } }.map(\.name))
    }
}

/// Sends the frames, and after them one that arrives for certain.
///
/// - Parameter last: sent by another, where the sender of the frames is cut off.
/// - Returns: for each of the taps the names of the frames that came by.
func arrivals(
    _ frames: [Frame], from sender: FrameTap, then last: Frame, from other: FrameTap? = nil, at taps: [FrameTap]
) throws -> [Set<String>] {
    // Frames that are sent from two processors may overtake each other.
    try inThread {
        guard cbench_stay_on_processor() == 0 else { throw CommandError.system("stay on a processor") }
        for frame in frames { try sender.send(frame) }
        try (other ?? sender).send(last)
    }
    return try taps.map { try $0.seen(frames, until: last) }
}

extension [UInt8] {
    fileprivate func contains(_ part: [UInt8]) -> Bool {
        count >= part.count && (0...(count - part.count)).contains { self[$0..<$0 + part.count].elementsEqual(part) }
    }
}

/// A pod as its neighbours see it, and the frames that it could send, under its own name or another's.
struct Sender: Sendable {
    var mac: [UInt8]
    var v4: [UInt8]
    var v6: [UInt8]
    var target: [UInt8] = broadcast

    static let broadcast = [UInt8](repeating: 0xff, count: 6)

    init(mac: String, v4: String, v6: String) {
        self.mac = mac.split(separator: ":").compactMap { UInt8($0, radix: 16) }
        self.v4 = Sender.octets(v4)
        self.v6 = Sender.octets(v6)
    }

    static func octets(_ address: String) -> [UInt8] {
        let family = Family(of: address)
        var octets = [UInt8](repeating: 0, count: family == .v4 ? 4 : 16)
        inet_pton(family.number, address, &octets)
        return octets
    }

    /// What the kernel makes of the MAC (RFC 4291, appendix A).
    var linkLocal: [UInt8] {
        [0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]]
    }

    func with(_ change: (inout Sender) -> Void) -> Sender {
        var copy = self
        change(&copy)
        return copy
    }

    private func frame(_ name: String, _ type: UInt16, _ marker: [UInt8], _ payload: [UInt8], tag: [UInt8] = [])
        -> Frame
    {
        let octets = target + mac + tag + big(type) + payload
        return Frame(
            name: name, octets: octets + [UInt8](repeating: 0, count: max(0, 60 - octets.count)), marker: marker)
    }

    /// A frame of any type.
    func ethernet(_ name: String, type: UInt16, tag: [UInt8] = []) -> Frame {
        let marker = Frame.newMarker()
        return frame(name, type, marker, marker, tag: tag)
    }

    /// A packet of the experimental protocol 253 to everybody.
    func ipv4(_ name: String, tag: [UInt8] = []) -> Frame {
        let marker = Frame.newMarker()
        var header: [UInt8] = [0x45, 0] + big(UInt16(46)) + [0, 0, 0, 0, 64, 253, 0, 0] + v4 + [10, 44, 0, 255]
        header.replaceSubrange(10..<12, with: checksum(header))
        return frame(name, 0x0800, marker, header + marker + [UInt8](repeating: 0, count: 20), tag: tag)
    }

    /// - Parameters:
    ///   - operation: 1 asks, 2 answers.
    ///   - claimed: the MAC in the message, if it is not the frame's.
    func arp(_ name: String, _ operation: UInt16, claimed: [UInt8]? = nil, tag: [UInt8] = []) -> Frame {
        let marker = Frame.newMarker()
        let body =
            big(UInt16(1)) + big(UInt16(0x0800)) + [6, 4] + big(operation) + (claimed ?? mac) + v4
            + [UInt8](repeating: 0, count: 6) + [10, 44, 0, 99]
        return frame(name, 0x0806, marker, body + marker, tag: tag)
    }

    func ipv6(_ name: String, tag: [UInt8] = []) -> Frame {
        let marker = Frame.newMarker()
        return frame(name, 0x86dd, marker, ipv6Header(253, marker.count) + marker, tag: tag)
    }

    /// A message of neighbour discovery (RFC 4861) that is about an address.
    ///
    /// - Parameter extended: whether there is a header of hop-by-hop options between IPv6 and ICMPv6.
    func nd(_ name: String, _ type: UInt8, about subject: [UInt8], extended: Bool = false) -> Frame {
        let marker = Frame.newMarker()
        // The marker is the nonce of RFC 3971.
        var message: [UInt8] = [type, 0, 0, 0, 0, 0, 0, 0]
        if type == 134 {
            message += [UInt8](repeating: 0, count: 8)
        } else if type != 133 {
            message += subject
        }
        if type == 137 { message += Sender.octets("fd00:99::1") }
        message += [14, 1] + marker
        let pseudo = v6 + Sender.allNodes + big(UInt32(message.count)) + [0, 0, 0, 58]
        message.replaceSubrange(2..<4, with: checksum(pseudo + message))
        let options: [UInt8] = extended ? [58, 0, 1, 4, 0, 0, 0, 0] : []
        return frame(
            name, 0x86dd, marker, ipv6Header(extended ? 0 : 58, options.count + message.count) + options + message)
    }

    private static let allNodes = octets("ff02::1")

    private func ipv6Header(_ next: UInt8, _ length: Int) -> [UInt8] {
        [0x60, 0, 0, 0] + big(UInt16(length)) + [next, 255] + v6 + Sender.allNodes
    }
}

/// In network order.
private func big<Integer: FixedWidthInteger>(_ number: Integer) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian) { Array($0) }
}

/// Of the Internet protocols (RFC 1071).
private func checksum(_ octets: [UInt8]) -> [UInt8] {
    var sum: UInt32 = 0
    for (position, octet) in octets.enumerated() { sum += UInt32(octet) << (position % 2 == 0 ? 8 : 0) }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    return big(~UInt16(sum))
}
