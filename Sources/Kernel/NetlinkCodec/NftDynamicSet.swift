/// Adds an element to a set or map, or deletes it, as packets pass (nft's `add @set`, `update @set`, `delete @set`).
///
/// The set must be one that rules may change (``NftSetOptions/isDynamic``). Key and data must come from the packet, its
/// connection or a constant: nft 1.0.6 crashes when it lists a rule that takes the data from another map.
public struct NftSetUpdate: NftEncodable {
    public static let name = "dynset"

    public let operation: Operation
    public let set: String
    public let key: NftRegister
    /// The map's value for the key; nil for a set.
    public let data: NftRegister?
    /// Milliseconds; nil for the set's timeout, which the kernel then lists here.
    public let timeout: UInt64?

    /// enum nft_dynset_ops.
    public enum Operation: UInt32, Sendable, Hashable {
        /// An existing element stays as it is.
        case add = 0
        /// The timeout of an existing element starts again.
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
        guard let operation = attributes[NFTA.dynsetOperation]?.bigEndian32.flatMap(Operation.init),
            let set = attributes[NFTA.dynsetSet]?.text, let key = NftRegister(attributes[NFTA.dynsetKey])
        else { return nil }
        self.init(
            operation, set, key: key, data: NftRegister(attributes[NFTA.dynsetData]),
            timeout: attributes[NFTA.dynsetTimeout]?.bigEndian64.flatMap { $0 == 0 ? nil : $0 })
    }

    public func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTA.dynsetKey, key)
        if let data { builder.attribute(NFTA.dynsetData, data) }
        builder.attribute(NFTA.dynsetOperation, bigEndian: operation.rawValue)
        if let timeout { builder.attribute(NFTA.dynsetTimeout, bigEndian: timeout) }
        builder.attribute(NFTA.dynsetSet, text: set)
    }
}
