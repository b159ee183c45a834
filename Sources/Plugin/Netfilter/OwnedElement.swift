internal import Addresses
internal import Attachments
internal import NetlinkCodec

/// An element of one of our sets, with its owner's name as the comment.
struct OwnedElement: Sendable, Hashable {
    let table: OwnTable
    let set: String
    var element: NftElement
    /// Whether it belongs to a network, whose pods all want the same element.
    let isShared: Bool
    /// The set whose element of the same key says who has the port of the node that this is about; nil if it is about none.
    let claimSet: String?

    init(
        _ table: OwnTable, _ set: String, key: [UInt8], keyEnd: [UInt8]? = nil, data: NftData? = nil, owner: String,
        isShared: Bool = false, claimedIn claimSet: String? = nil
    ) {
        self.table = table
        self.set = set
        element = NftElement(key: key, keyEnd: keyEnd, data: data, comment: owner)
        self.isShared = isShared
        self.claimSet = claimSet
    }

    /// Traffic from one subnet to another.
    init(pair source: CIDR, _ destination: CIDR, in set: MainTable.SetName, network: String) {
        self.init(
            .main, set.of(source.family), key: source.first.bytes + destination.first.bytes,
            keyEnd: source.last.bytes + destination.last.bytes, owner: network, isShared: true)
    }

    /// An element as the kernel lists it. It belongs to a network if its comment names no attachment.
    init(_ table: OwnTable, _ set: String, listed: NftElement) {
        self.init(
            table, set, key: listed.key, keyEnd: listed.keyEnd, owner: listed.comment,
            isShared: AttachmentName(listed.comment) == nil)
    }

    var owner: String { element.comment }

    /// Whether the key is exclusive: a port of the node.
    var isClaim: Bool { claimSet == set }

    /// What users call it: a port of the node, or an element of a set.
    var subject: String {
        guard isClaim, element.key.count >= 8,
            let transport = PortMapping.Transport(rawValue: element.key[element.key.count - 8])
        else { return "an element of \(set) in table \(table.table)" }
        let port = Int(element.key[element.key.count - 4]) << 8 | Int(element.key[element.key.count - 3])
        let address = IPAddress(bytes: element.key.dropLast(8)).map { " of \($0)" } ?? ""
        return "host port \(port)/\(transport.name)\(address)"
    }
}

/// Padded to whole words of four octets, as fields of a key are.
func padded(_ octets: [UInt8]) -> [UInt8] {
    octets + [UInt8](repeating: 0, count: (4 - octets.count % 4) % 4)
}

extension [OwnedElement] {
    /// Splits the elements into pieces of one set each that fit into one message: an attribute's length has 16 bits.
    func forEachPiece(_ body: (OwnedElement, ArraySlice<OwnedElement>) -> Void) {
        var start = startIndex
        while start < endIndex {
            let first = self[start]
            var end = start + 1
            while end < endIndex, end - start < 150, self[end].table == first.table, self[end].set == first.set {
                end += 1
            }
            body(first, self[start..<end])
            start = end
        }
    }
}
