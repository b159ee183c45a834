import Addresses
import JSON

@testable import DBus
@testable import DHCP

extension FuzzTarget {
    /// What a bus says, from its first line on; and the address that it is found by.
    static let dbus = FuzzTarget(name: "dbus") { octets in
        var rest = octets
        while let line = try? Handshake.takeLine(&rest) { try? Handshake.check(answer: line) }
        if let size = try? IncomingMessage.size(of: octets), size <= octets.count {
            try require(size > 0 && size <= IncomingMessage.sizeLimit, "a message of \(size) octets")
            if let message = try? IncomingMessage(Array(octets[..<size])) {
                _ = (try? message.answer(), try? message.errorText())
            }
        }
        let text = String(decoding: octets, as: UTF8.self)
        if let sockets = try? BusAddress.parse(text) { try require(!sockets.isEmpty, "no address is an address") }
    }

    /// What a DHCP server, or somebody who says that he is one, sends.
    static let dhcp = FuzzTarget(name: "dhcp") { octets in
        guard let message = DHCP.Message(octets), let lease = try? Lease(message, since: 0) else { return }
        try require(!lease.address.address.isUnspecified && !lease.server.isUnspecified, "\(lease)")
        try require(
            0 < lease.renewal && lease.renewal <= lease.rebinding && lease.rebinding <= lease.expiry, "\(lease)")
        for text in [lease.domain].compactMap({ $0 }) {
            try require(!text.utf8.contains { $0 < 0x20 }, text.debugDescription)
        }
    }

    /// What comes in at the daemon's socket.
    static let rpc = FuzzTarget(name: "rpc") { octets in
        var rest = octets
        _ = try? RPC.takeGreeting(&rest)
        rest = octets
        var decoder = GobDecoder()
        while let value = try? decoder.next(&rest, limit: 1 << 16) { _ = CallArguments(value) }
    }
}
