internal import Addresses
internal import ClusterState
internal import NetlinkCodec
internal import ServicePlan

/// Keys and data of elements: fields in network byte order, each padded to words of four octets.
extension Frontend {
    var key: [UInt8] {
        address.bytes + [transport.rawValue, 0, 0, 0, UInt8(port >> 8), UInt8(truncatingIfNeeded: port), 0, 0]
    }

    static func keyLength(_ family: IPFamily) -> Int { family.byteWidth + 8 }

    /// Nil for a key that is none of ours.
    init?(_ key: ArraySlice<UInt8>, _ family: IPFamily) {
        guard key.count == Frontend.keyLength(family), let address = IPAddress(bytes: key.prefix(family.byteWidth))
        else {
            return nil
        }
        let rest = key.startIndex + family.byteWidth
        guard let transport = TransportProtocol(rawValue: key[rest]) else { return nil }
        self.init(address, transport, UInt16(key[rest + 4]) << 8 | UInt16(key[rest + 5]))
    }
}

extension Target {
    var data: [UInt8] { address.bytes + [UInt8(port >> 8), UInt8(truncatingIfNeeded: port), 0, 0] }

    init?(_ data: [UInt8], _ family: IPFamily) {
        // The kernel lists data without the padding, or with it.
        let width = family.byteWidth
        guard data.count >= width + 2, let address = IPAddress(bytes: data.prefix(width)) else { return nil }
        self.init(address, UInt16(data[width]) << 8 | UInt16(data[width + 1]))
    }
}

extension NftSetElement {
    init(_ key: [UInt8], _ data: NftData? = nil, comment: String) {
        self.init(NftElement(key: key, data: data, comment: comment))
    }

    /// A range of addresses, in a set of one field.
    static func range(_ range: CIDR) -> [NftSetElement] {
        NftSetElement.range(NftElement(key: range.first.bytes), through: range.last.bytes)
    }
}
