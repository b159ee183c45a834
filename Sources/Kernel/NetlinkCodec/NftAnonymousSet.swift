/// A constant set without a name, as nft makes for `{ 80, 443 }`. It belongs to the one rule that refers to it
/// (``NftExpression/anonymousLookup(_:inverted:_:)``). It is made in the same batch before that rule, and deleted with it.
public struct NftAnonymousSet: Sendable, Hashable {
    /// The pattern from which the kernel makes a name.
    static let name = "__set%d"

    /// The rule's reference to it: unique among the sets of the batch, not 0.
    public let number: UInt32
    public let key: NftType.Field
    /// Whether the source of the keys has host byte order; tells programs that list the set how to print it.
    public let isHostOrder: Bool
    /// Whether elements are the bounds of ranges, in ascending order and network byte order.
    public let isInterval: Bool
    public let elements: [Element]

    public struct Element: Sendable, Hashable {
        public let key: [UInt8]
        /// True if a range ends before this key; false if a range begins with it, or it is a single value.
        public let isEnd: Bool

        public init(_ key: [UInt8], isEnd: Bool = false) {
            self.key = key
            self.isEnd = isEnd
        }
    }

    public init(number: UInt32, key: NftType.Field, isHostOrder: Bool, isInterval: Bool, elements: [Element]) {
        self.number = number
        self.key = key
        self.isHostOrder = isHostOrder
        self.isInterval = isInterval
        self.elements = elements
    }

    /// NFT_SET_ANONYMOUS, NFT_SET_CONSTANT, NFT_SET_INTERVAL.
    private var flags: UInt32 { 0x1 | 0x2 | (isInterval ? 0x4 : 0) }

    /// User data of libnftables: the byte order (1 host, 2 network), and that ranges were merged.
    private var userData: [UInt8] {
        [UInt8(0), 4] + hostOctets(isHostOrder ? 1 : 2) + (isInterval ? [UInt8(2), 4] + hostOctets(1) : [])
    }

    private func hostOctets(_ value: UInt32) -> [UInt8] {
        var builder = MessageBuilder()
        builder.append(value)
        return builder.bytes
    }

    fileprivate func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTA.setName, text: NftAnonymousSet.name)
        builder.attribute(NFTA.setFlags, bigEndian: flags)
        builder.attribute(NFTA.setKeyType, bigEndian: key.rawValue)
        builder.attribute(NFTA.setKeyLength, bigEndian: key.length)
        builder.attribute(NFTA.setID, bigEndian: number)
        builder.nested(NFTA.setDescription) {
            $0.attribute(NFTA.setDescriptionSize, bigEndian: UInt32(elements.count))
        }
        builder.attribute(NFTA.setUserData, userData)
    }
}

extension MessageBuilder {
    public mutating func addSet(_ set: NftAnonymousSet, to table: NftTable) {
        nft(NftMessageType.newSet, flags: MessageFlag.create, table.family) { builder in
            builder.attribute(NFTA.setTable, text: table.name)
            set.encode(&builder)
        }
    }

    public mutating func addElements(of set: NftAnonymousSet, in table: NftTable) {
        nft(NftMessageType.newElement, flags: MessageFlag.create, table.family) { builder in
            builder.attribute(NFTA.elementsTable, text: table.name)
            builder.attribute(NFTA.elementsSet, text: NftAnonymousSet.name)
            builder.attribute(NFTA.elementsSetID, bigEndian: set.number)
            builder.nested(NFTA.elementsList) { list in
                for element in set.elements {
                    list.nested(NFTA.listElement) { nested in
                        // NFT_SET_ELEM_INTERVAL_END.
                        if element.isEnd { nested.attribute(NFTA.elementFlags, bigEndian: UInt32(1)) }
                        nested.nested(NFTA.elementKey) { $0.attribute(NFTA.dataValue, element.key) }
                    }
                }
            }
        }
    }
}
