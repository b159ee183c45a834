/// Adds an element to a set or map, or deletes it, as packets pass (nft's `add @set`, `update @set`, `delete @set`).
///
/// The set is one that rules may change (``NftSetOptions/isDynamic``). Key and data are what the packet, its connection or
/// a constant have put into registers: nft 1.0.6 ends itself when it lists a rule that takes the data from another map.
public struct NftSetUpdate: NftEncodable {
    public static let name = "dynset"

    public let operation: Operation
    public let set: String
    public let key: NftRegister
    /// What a map gives for the key; nil for a set.
    public let data: NftRegister?
    /// Milliseconds; nil takes the set's, which the kernel then lists here.
    public let timeout: UInt64?

    /// enum nft_dynset_ops.
    public enum Operation: UInt32, Sendable, Hashable {
        /// One that is there stays as it is.
        case add = 0
        /// The timeout of one that is there begins anew.
        case update = 1
        case delete = 2
    }

    public init(
        _ operation: Operation, _ set: String, key: NftRegister = .first, data: NftRegister? = nil,
        timeout: UInt64? = nil
    ) {
        self.operation = operation
        self.set = set
        self.key = key
        self.data = data
        self.timeout = timeout
    }

    public init?(_ attributes: Attributes) {
        guard let operation = attributes[NFTADynamicSet.operation]?.bigEndian32.flatMap(Operation.init),
            let set = attributes[NFTADynamicSet.set]?.text, let key = NftRegister(attributes[NFTADynamicSet.key])
        else { return nil }
        self.init(
            operation, set, key: key, data: NftRegister(attributes[NFTADynamicSet.data]),
            timeout: attributes[NFTADynamicSet.timeout]?.bigEndian64.flatMap { $0 == 0 ? nil : $0 })
    }

    public func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTADynamicSet.key, key)
        if let data { builder.attribute(NFTADynamicSet.data, data) }
        builder.attribute(NFTADynamicSet.operation, bigEndian: operation.rawValue)
        if let timeout { builder.attribute(NFTADynamicSet.timeout, bigEndian: timeout) }
        builder.attribute(NFTADynamicSet.set, text: set)
    }
}

/// enum nft_dynset_attributes, linux/netfilter/nf_tables.h.
private enum NFTADynamicSet {
    static let set: UInt16 = 1
    static let operation: UInt16 = 3
    static let key: UInt16 = 4
    static let data: UInt16 = 5
    static let timeout: UInt16 = 6
}
