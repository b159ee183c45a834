/// A named counter. Rules refer to it; it stays when they are deleted.
public struct NftNamedCounter: Sendable, Hashable {
    public var name: String
    /// Its counts; a new counter starts with them.
    public var values: NftCounter
    /// At most ``NftElement/maximumCommentLength`` octets.
    public var comment: String

    public init(_ name: String, _ values: NftCounter = NftCounter(), comment: String = "") {
        self.name = name
        self.values = values
        self.comment = comment
    }

    /// Reads an NFT_MSG_NEWOBJ message; nil for an object of another type.
    public init?(_ message: Message) {
        guard let (_, attributes) = netfilterPayload(message), let name = attributes[NFTA.namedObjectName]?.text,
            attributes[NFTA.namedObjectType]?.bigEndian32 == NftConstant.namedObjectCounterType,
            let values = NftCounter(attributes.nested(NFTA.namedObjectData))
        else { return nil }
        self.name = name
        self.values = values
        comment = attributes[NFTA.namedObjectUserData].flatMap { NftUserData.comment(in: $0.bytes) } ?? ""
    }
}

/// Counts the packet on a named counter (nft's `counter name`).
public struct NftCounterReference: NftEncodable {
    public static let name = "objref"

    public let counter: String

    public init(_ counter: String) { self.counter = counter }

    public init?(_ attributes: Attributes) {
        guard attributes[NFTA.objectType]?.bigEndian32 == NftConstant.namedObjectCounterType,
            let counter = attributes[NFTA.objectName]?.text
        else { return nil }
        self.counter = counter
    }

    public func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTA.objectType, bigEndian: NftConstant.namedObjectCounterType)
        builder.attribute(NFTA.objectName, text: counter)
    }
}

extension MessageBuilder {
    /// Makes a counter; an existing one keeps counting.
    public mutating func addCounter(_ counter: NftNamedCounter, to table: NftTable) {
        object(NftObjectMessageType.new, flags: MessageFlag.create, counter.name, table) { builder in
            builder.nested(NFTA.namedObjectData) { counter.values.encode(&$0) }
            if !counter.comment.isEmpty {
                builder.attribute(NFTA.namedObjectUserData, NftUserData.comment(counter.comment))
            }
        }
    }

    /// `EBUSY` while a rule refers to it.
    public mutating func deleteCounter(_ name: String, of table: NftTable) {
        object(NftObjectMessageType.delete, flags: 0, name, table) { _ in }
    }

    /// Asks for one counter; `ENOENT` if it does not exist.
    ///
    /// - Parameter resets: whether to set it to zero.
    public mutating func getCounter(_ name: String, of table: NftTable, resets: Bool = false) {
        object(resets ? NftObjectMessageType.getAndReset : NftObjectMessageType.get, flags: 0, name, table) { _ in }
    }

    /// Asks for all counters of a table.
    public mutating func dumpCounters(of table: NftTable) {
        object(NftObjectMessageType.get, flags: MessageFlag.dump, nil, table) { _ in }
    }

    private mutating func object(
        _ type: UInt16, flags: UInt16, _ name: String?, _ table: NftTable, _ body: (inout MessageBuilder) -> Void
    ) {
        nft(type, flags: flags, table.family) { builder in
            builder.attribute(NFTA.namedObjectTable, text: table.name)
            if let name { builder.attribute(NFTA.namedObjectName, text: name) }
            builder.attribute(NFTA.namedObjectType, bigEndian: NftConstant.namedObjectCounterType)
            body(&builder)
        }
    }
}

/// enum nf_tables_msg_types, linux/netfilter/nf_tables.h.
private enum NftObjectMessageType {
    static let new: UInt16 = 18
    static let get: UInt16 = 19
    static let delete: UInt16 = 20
    static let getAndReset: UInt16 = 21
}
