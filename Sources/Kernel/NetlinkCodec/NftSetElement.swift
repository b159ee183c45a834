/// The options of a set besides names and types.
public struct NftSetOptions: Sendable, Hashable {
    /// Whether elements may expire (NFT_SET_TIMEOUT).
    public var hasTimeouts: Bool
    /// The default timeout of elements, milliseconds; nil if they stay. Needs ``hasTimeouts``.
    public var timeout: UInt64?
    /// How often the kernel removes expired elements, milliseconds; nil for the kernel's default.
    public var collectionInterval: UInt32?
    /// Whether rules may add and delete elements (NFT_SET_EVAL); the set is then a hash table and needs a size.
    public var isDynamic: Bool
    /// The maximum number of elements; nil for no limit. For a dynamic set nil means 65535.
    public var size: UInt32?

    public init(
        hasTimeouts: Bool = false, timeout: UInt64? = nil, collectionInterval: UInt32? = nil, isDynamic: Bool = false,
        size: UInt32? = nil
    ) {
        self.hasTimeouts = hasTimeouts
        self.timeout = timeout
        self.collectionInterval = collectionInterval
        self.isDynamic = isDynamic
        self.size = size
    }

    /// Reads an NFT_MSG_NEWSET message.
    public init?(_ message: Message) {
        guard let (_, attributes) = netfilterPayload(message), attributes[NFTA.setName] != nil else { return nil }
        let flags = attributes[NFTA.setFlags]?.bigEndian32 ?? 0
        self.init(
            hasTimeouts: flags & NftSetOptions.timeoutFlag != 0, timeout: attributes[NFTA.setTimeout]?.bigEndian64,
            collectionInterval: attributes[NFTA.setCollectionInterval]?.bigEndian32,
            isDynamic: flags & NftSetOptions.evaluationFlag != 0,
            size: attributes.nested(NFTA.setDescription)[NFTA.setDescriptionSize]?.bigEndian32)
    }

    /// NFT_SET_TIMEOUT.
    private static let timeoutFlag: UInt32 = 0x10
    /// NFT_SET_EVAL.
    private static let evaluationFlag: UInt32 = 0x20

    fileprivate var flags: UInt32 {
        (hasTimeouts ? NftSetOptions.timeoutFlag : 0) | (isDynamic ? NftSetOptions.evaluationFlag : 0)
    }
}

extension NftSet {
    /// User data with which libnftables prints the set's keys and data: NFTNL_UDATA_SET_KEYBYTEORDER (0) and _DATABYTEORDER (1).
    /// Without it nft 1.0.6 assumes network byte order for the numbers in a map of ranges.
    fileprivate var byteOrders: [UInt8] {
        var builder = MessageBuilder()
        if key.userData.isEmpty { builder.byteOrder(0, of: key) } else { builder.append(key.userData) }
        if case .value(let type) = data { builder.byteOrder(1, of: type) }
        return builder.bytes
    }
}

extension MessageBuilder {
    /// A number in host byte order: 1 for host order, 2 for network order, nothing for several fields.
    fileprivate mutating func byteOrder(_ number: UInt8, of type: NftType) {
        guard type.fields.count == 1 else { return }
        let isHost = [.mark, .connectionState, .interfaceName].contains(type.fields[0])
        append(number)
        append(UInt8(4))
        append(UInt32(isHost ? 1 : 2))
    }
}

/// An element with everything that the kernel stores, for writing and for reading listings.
public struct NftSetElement: Sendable, Hashable {
    public var element: NftElement
    /// Its timeout, milliseconds; nil for the set's default. The kernel counts in ticks of up to 10 ms.
    public var timeout: UInt64?
    /// The remaining time, milliseconds; nil for the full timeout.
    public var expiration: UInt64?
    /// Whether it is the first key after a range of one field (NFT_SET_ELEM_INTERVAL_END).
    public var isRangeEnd: Bool
    /// The counts of rules on it, if the set's elements count.
    public let counter: NftCounter?

    public init(
        _ element: NftElement, timeout: UInt64? = nil, expiration: UInt64? = nil, isRangeEnd: Bool = false
    ) {
        self.element = element
        self.timeout = timeout
        self.expiration = expiration
        self.isRangeEnd = isRangeEnd
        counter = nil
    }

    /// A range of one field, as the two elements that the kernel requires: its first key, and the first key after it. A range up
    /// to the greatest key has only the first element.
    ///
    /// - Parameters:
    ///   - first: the first element, with the data and the comment.
    ///   - last: the last key, in network byte order and as long as the first one.
    public static func range(_ first: NftElement, through last: [UInt8]) -> [NftSetElement] {
        var behind = last
        for position in behind.indices.reversed() {
            behind[position] &+= 1
            if behind[position] != 0 {
                return [NftSetElement(first), NftSetElement(NftElement(key: behind), isRangeEnd: true)]
            }
        }
        return [NftSetElement(first)]
    }

    init?(_ attributes: Attributes) {
        guard let element = NftElement(attributes) else { return nil }
        self.element = element
        timeout = attributes[NFTA.elementTimeout]?.bigEndian64
        expiration = attributes[NFTA.elementExpiration]?.bigEndian64
        isRangeEnd = (attributes[NFTA.elementFlags]?.bigEndian32 ?? 0) & NftConstant.elementRangeEnd != 0
        let expression = attributes.nested(NFTA.elementExpression)
        counter =
            expression[NFTA.expressionName]?.text == NftCounter.name
            ? NftCounter(expression.nested(NFTA.expressionData)) : nil
    }

    /// The elements of a kernel message, except catch-all elements.
    public static func list(_ message: Message) -> [NftSetElement] {
        guard message.payload.count >= 4 else { return [] }
        return Attributes(message.payload.dropFirst(4)).nested(NFTA.elementsList).all
            .compactMap { NftSetElement(Attributes($0.bytes)) }
    }

    func encode(_ builder: inout MessageBuilder, keyOnly: Bool) {
        if isRangeEnd { builder.attribute(NFTA.elementFlags, bigEndian: NftConstant.elementRangeEnd) }
        element.encode(&builder, keyOnly: keyOnly)
        guard !keyOnly else { return }
        if let timeout { builder.attribute(NFTA.elementTimeout, bigEndian: timeout) }
        if let expiration { builder.attribute(NFTA.elementExpiration, bigEndian: expiration) }
    }
}

extension MessageBuilder {
    /// Makes a set or map unless it exists.
    ///
    /// - Parameter number: by which rules of the same batch may refer to it; not 0.
    public mutating func addSet(_ set: NftSet, _ options: NftSetOptions, to table: NftTable, number: UInt32) {
        nft(NftMessageType.newSet, flags: MessageFlag.create, table.family) { builder in
            builder.attribute(NFTA.setTable, text: table.name)
            builder.set(
                set, number: number, otherFlags: options.flags, size: options.size, userData: set.byteOrders)
            if let timeout = options.timeout { builder.attribute(NFTA.setTimeout, bigEndian: timeout) }
            if let interval = options.collectionInterval {
                builder.attribute(NFTA.setCollectionInterval, bigEndian: interval)
            }
        }
    }

    /// Adds as many elements as fit into one message, and at least one.
    ///
    /// - Parameter exclusive: fails with `EEXIST` if an element has the same key.
    /// - Returns: the remaining elements, for the next message.
    public mutating func addElements(
        _ elements: ArraySlice<NftSetElement>, to set: String, of table: NftTable, exclusive: Bool = false
    ) -> ArraySlice<NftSetElement> {
        let flags = MessageFlag.create | (exclusive ? MessageFlag.exclusive : 0)
        return fill(NftMessageType.newElement, flags: flags, elements, set, table, keysOnly: false)
    }

    /// Deletes as many elements as fit into one message, and at least one. Fails with `ENOENT` if one is missing.
    ///
    /// - Returns: the remaining elements, for the next message.
    public mutating func deleteElements(
        _ elements: ArraySlice<NftSetElement>, of set: String, in table: NftTable
    ) -> ArraySlice<NftSetElement> {
        fill(NftMessageType.deleteElement, flags: 0, elements, set, table, keysOnly: true)
    }

    private mutating func fill(
        _ type: UInt16, flags: UInt16, _ elements: ArraySlice<NftSetElement>, _ set: String, _ table: NftTable,
        keysOnly: Bool
    ) -> ArraySlice<NftSetElement> {
        var rest = elements
        nft(type, flags: flags, table.family) { builder in
            builder.attribute(NFTA.elementsTable, text: table.name)
            builder.attribute(NFTA.elementsSet, text: set)
            builder.nested(NFTA.elementsList) { list in
                let start = list.bytes.count
                while list.bytes.count - start < MessageBuilder.fullListSize, let element = rest.popFirst() {
                    list.nested(NFTA.listElement) { element.encode(&$0, keyOnly: keysOnly) }
                }
            }
        }
        return rest
    }

    /// A list of this size in octets takes no more elements: an attribute has at most 65535, an element at most 600.
    private static let fullListSize = 60_000
}
