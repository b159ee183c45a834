import Addresses
import Foundation
import Kernel
import NetlinkCodec
import TestSupport

/// Makes the namespace of this process track connections, and sets its loopback interface up.
func trackConnections() throws {
    var route = try NetlinkSocket()
    var up = LinkChange()
    up.isUp = true
    try route.execute("lo up") { $0.changeLink(.index(1), up) }
    var netfilter = try NetlinkSocket(.netfilter)
    let table = NftTable(.inet, "tracking")
    var batch = Changes.batch()
    batch.append("table") { $0.addTable(table) }
    batch.append("chain") {
        $0.addChain(NftChain("out", NftChain.Hook("filter", .output, priority: 0)), to: table)
    }
    // Any rule that asks about connections has them tracked.
    batch.append("rule") { $0.addRule(NftRule([.connection(.state)]), to: "out", of: table) }
    try netfilter.execute(batch)
}

/// A socket of the loopback interface.
final class LoopbackSocket {
    private let descriptor: Int32
    let port: UInt16

    /// - Parameter port: 0 for one that is free.
    init(_ type: __socket_type, at address: IPAddress, port: UInt16 = 0) throws {
        let descriptor = socket(address.family == .v4 ? AF_INET : AF_INET6, Int32(type.rawValue), 0)
        self.descriptor = descriptor
        let isBound = Self.with(address, port) { bind(descriptor, $0, $1) == 0 }
        try require(descriptor >= 0 && isBound, "a socket at \(address) port \(port): \(errno)")
        var bound = sockaddr_in6()
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let isNamed = withUnsafeMutablePointer(to: &bound) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) == 0 }
        }
        try require(isNamed, "a socket without a name")
        // In both families the port stands behind the family.
        self.port = UInt16(bigEndian: bound.sin6_port)
    }

    deinit { close(descriptor) }

    func send(to address: IPAddress, _ port: UInt16) throws {
        let sent = Self.with(address, port) { sendto(descriptor, "x", 1, 0, $0, $1) }
        try require(sent == 1, "nothing was sent to \(address) port \(port): \(errno)")
    }

    func listens() throws { try require(listen(descriptor, 8) == 0, "no listener: \(errno)") }

    func connects(to address: IPAddress, _ port: UInt16) throws {
        let isConnected = Self.with(address, port) { connect(descriptor, $0, $1) == 0 }
        try require(isConnected, "no connection to \(address) port \(port): \(errno)")
    }

    private static func with<Value>(
        _ address: IPAddress, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value
    ) -> Value {
        var storage = sockaddr_storage()
        return withUnsafeMutableBytes(of: &storage) { bytes in
            bytes.storeBytes(of: sa_family_t(address.family == .v4 ? AF_INET : AF_INET6), as: sa_family_t.self)
            bytes.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
            // Behind the port, in IPv6 behind the flow label as well.
            for (offset, octet) in address.bytes.enumerated() {
                bytes[(address.family == .v4 ? 4 : 8) + offset] = octet
            }
            let size = address.family == .v4 ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
            return bytes.withMemoryRebound(to: sockaddr.self) { body(UnsafePointer($0.baseAddress!), socklen_t(size)) }
        }
    }
}
