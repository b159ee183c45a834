import Foundation

/// Hears datagrams, and answers none of them.
final class Listener: Sendable {
    private let socket: Socket

    /// Of whatever address, in one family.
    init(_ port: UInt16, _ family: Family, in namespace: some Namespace) throws {
        socket = try Socket(in: namespace, family, .udp)
        socket.wait(atMost: .seconds(5))
        try socket.bind(family.any, port)
    }

    /// What is sent to a group.
    init(group: String, _ port: UInt16, in namespace: some Namespace, on link: String = "eth0") throws {
        let family = Family(of: group)
        socket = try Socket(in: namespace, family, .udp)
        socket.wait(atMost: .seconds(5))
        try socket.bind(group, port)
        let index = UInt32(try namespace.link(link)?["ifindex"]?.integer ?? 0)
        // struct group_req: the link, and the group's socket address.
        let MCAST_JOIN_GROUP: Int32 = 42
        var request = group_req()
        request.gr_interface = index
        let result = try withSocketAddress(group, 0) { address, size in
            memcpy(&request.gr_group, address, Int(size))
            let level = Int32(family == .v4 ? 0 : IPPROTO_IPV6)
            return setsockopt(
                socket.descriptor, level, MCAST_JOIN_GROUP, &request, socklen_t(MemoryLayout<group_req>.size))
        }
        guard result == 0 else { throw CommandError.system("join \(group)") }
    }

    /// The next one.
    func hear() throws -> (text: String, sender: String) {
        var peer = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = withUnsafeMutablePointer(to: &peer) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(socket.descriptor, &buffer, buffer.count, 0, $0, &size)
            }
        }
        guard count >= 0 else { throw NoAnswer(description: "nothing was heard") }
        return (String(decoding: buffer[..<count], as: UTF8.self), try numericHost(&peer, size))
    }
}
