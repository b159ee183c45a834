import Addresses
import Glibc
import Inventory
import PacketRules
import Posix
import Testing

@testable import Trace

/// Who listens is what the kernel says of its sockets.
@Suite struct ListenerTests {
    /// A listener of this process on all addresses, at a port of the kernel's choice.
    private final class TCPListener {
        let descriptor: Int32
        let port: UInt16

        init(_ family: Int32, isIPv6Only: Bool = false, device: String? = nil) throws {
            descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            var only: Int32 = isIPv6Only ? 1 : 0
            if family == AF_INET6 {
                setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &only, socklen_t(MemoryLayout<Int32>.size))
            }
            if let device {
                let octets = Array(device.utf8)
                #expect(setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, octets, socklen_t(octets.count)) == 0)
            }
            // Unspecified address, port 0; both families' addresses begin with family and port.
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(family)
            var length = socklen_t(family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size)
            let (own, size) = (descriptor, length)
            let result = withUnsafeMutableBytes(of: &address) { bytes in
                let pointer = bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
                guard bind(own, pointer, size) == 0, listen(own, 1) == 0 else { return false }
                return getsockname(own, pointer, &length) == 0
            }
            try #require(result)
            port = UInt16(bigEndian: address.sin6_port)
        }

        deinit { close(descriptor) }
    }

    private func isHeard(_ listener: TCPListener, _ address: String, by index: UInt32 = 1) throws -> Bool? {
        var world = KernelWorld(Observations(), Snapshot(Observations()))
        let address = IPAddress(address)!
        let packet = Packet(.tcp, from: address, 45_000, to: address, listener.port)
        return try world.isHeard(packet, by: Interface(index: index, name: "x"), in: 0)
    }

    @Test func allAddressesOfIPv6AreThoseOfIPv4UnlessItsOwnerSaysNo() throws {
        let both = try TCPListener(AF_INET6)
        #expect(try isHeard(both, "127.0.0.1") == true)
        #expect(try isHeard(both, "::1") == true)
        let one = try TCPListener(AF_INET6, isIPv6Only: true)
        #expect(try isHeard(one, "127.0.0.1") == false)
        #expect(try isHeard(one, "::1") == true)
        let other = try TCPListener(AF_INET)
        #expect(try isHeard(other, "127.0.0.1") == true)
        #expect(try isHeard(other, "::1") == false)
    }

    @Test(.enabled(if: geteuid() == 0)) func whoHearsOneInterfaceHearsNoOther() throws {
        let listener = try TCPListener(AF_INET, device: "lo")
        #expect(try isHeard(listener, "127.0.0.1", by: 1) == true)
        #expect(try isHeard(listener, "127.0.0.1", by: 7) == false)
    }

    @Test func whatTheListOfSocketsDoesNotSayIsNotKnown() throws {
        let listeners = try [TCPListener(AF_INET6), TCPListener(AF_INET)]
        func isHeard(_ listener: TCPListener, _ address: String) -> Bool? {
            let address = IPAddress(address)!
            let packet = Packet(.tcp, from: address, 45_000, to: address, listener.port)
            return SocketTable(listed: .tcp).isHeard(packet, by: [1])
        }
        #expect(isHeard(listeners[0], "127.0.0.1") == nil)
        #expect(isHeard(listeners[0], "::1") == true)
        #expect(isHeard(listeners[1], "127.0.0.1") == true)
        #expect(isHeard(listeners[1], "::1") == false)
    }
}
