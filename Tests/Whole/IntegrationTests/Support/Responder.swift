import CBench
import Foundation

/// A server that tells every client its own name, and the address and port that it sees, until nobody refers to it.
final class Responder: Sendable {
    let name: String
    /// Closing it ends the thread.
    private let leash: Socket

    /// On every address of the namespace, or on those given.
    ///
    /// - Parameter name: without spaces.
    init(
        _ name: String, in namespace: some Namespace, _ port: UInt16, _ transports: [Transport] = [.tcp, .udp],
        at addresses: [String] = ["0.0.0.0", "::"]
    ) throws {
        self.name = name
        var ends: [Int32] = [-1, -1]
        guard cbench_pipe(&ends) == 0 else { throw CommandError.system("pipe") }
        leash = try Socket(taking: ends[1])
        let end = try Socket(taking: ends[0])
        var sockets: [(Socket, Transport)] = []
        for transport in transports {
            for address in addresses {
                let socket = try Socket(in: namespace, Family(of: address), transport)
                try socket.bind(address, port)
                if transport != .udp, listen(socket.descriptor, 64) != 0 { throw CommandError.system("listen") }
                sockets.append((socket, transport))
            }
        }
        let all = sockets
        Thread.detachNewThread {
            var polled = (all.map(\.0) + [end]).map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            while polled[all.count].revents == 0 {
                guard poll(&polled, nfds_t(polled.count), -1) > 0 else { continue }
                for (entry, (socket, transport)) in zip(polled, all) where entry.revents != 0 {
                    transport == .udp ? Self.echo(socket, name) : Self.accept(socket, name)
                }
            }
        }
    }

    private static func accept(_ socket: Socket, _ name: String) {
        var peer = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let connection = withUnsafeMutablePointer(to: &peer) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.accept(socket.descriptor, $0, &size) }
        }
        guard connection >= 0 else { return }
        if let answer = answer(name, &peer, size) {
            send(connection, answer, answer.utf8.count, Int32(MSG_NOSIGNAL))
        }
        close(connection)
    }

    private static func echo(_ socket: Socket, _ name: String) {
        var peer = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var octet: UInt8 = 0
        let count = withUnsafeMutablePointer(to: &peer) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(socket.descriptor, &octet, 1, 0, $0, &size)
            }
        }
        guard count >= 0, let answer = answer(name, &peer, size) else { return }
        withUnsafePointer(to: &peer) { storage in
            _ = storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(socket.descriptor, answer, answer.utf8.count, 0, $0, size)
            }
        }
    }

    private static func answer(_ name: String, _ peer: inout sockaddr_storage, _ size: socklen_t) -> String? {
        guard let host = try? numericHost(&peer, size) else { return nil }
        return "\(name) \(host) \(port(of: &peer))"
    }
}
