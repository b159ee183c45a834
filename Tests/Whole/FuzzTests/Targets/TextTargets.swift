import Addresses

@testable import NftSyntax
@testable import NetlinkCodec

extension FuzzTarget {
    /// Conditions on packets, in both families and in tables of both kinds.
    static let conditions = FuzzTarget(name: "conditions", maximumLength: 512) { octets in
        let text = String(decoding: octets, as: UTF8.self)
        for family in IPFamily.allCases {
            for table in [NftFamily.inet, family == .v4 ? .ip : .ip6] {
                do throws(NftSyntaxError) {
                    let conditions = try NftConditions(parsing: text, family: family, table: table)
                    var builder = MessageBuilder()
                    for expression in conditions.expressions { expression.encode(&builder) }
                } catch { try require(!"\(error)".isEmpty, "an error without words") }
            }
        }
    }

    /// Addresses as people write them: what is understood is written in one way only.
    static let addresses = FuzzTarget(name: "addresses", maximumLength: 128) { octets in
        let text = String(decoding: octets, as: UTF8.self)
        if let address = IPAddress(text) { try require(IPAddress("\(address)") == address, "\(text) is \(address)") }
        if let cidr = CIDR(text) {
            try require(CIDR("\(cidr)") == cidr, "\(text) is \(cidr)")
            try require(cidr.contains(cidr.first) && cidr.contains(cidr.last), "\(cidr) does not hold its ends")
        }
        if let mac = MACAddress(text) { try require(MACAddress("\(mac)") == mac, "\(text) is \(mac)") }
    }
}
