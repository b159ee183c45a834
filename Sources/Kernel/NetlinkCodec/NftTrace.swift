/// What a rule or a policy did with a traced packet (NFT_MSG_TRACE, linux/netfilter/nf_tables.h).
public struct NftTraceEvent: Sendable, Hashable {
    /// The same for all events of a packet at one hook.
    public let id: UInt32
    public let table: NftTable
    public let chain: String
    /// Nil for the chain's policy, or its end.
    public let rule: UInt64?
    public let verdict: Verdict

    public enum Verdict: Sendable, Hashable {
        case accept, drop, `return`, goesOn
        case jump(String)
        case other(Int32)
    }

    /// Reads a message of the multicast group.
    public init?(_ message: Message) {
        guard message.type == NfnlSubsystem.nftables << 8 | NftMessageType.trace,
            let (family, attributes) = netfilterPayload(message), let id = attributes[NFTA.traceID]?.bigEndian32,
            let table = attributes[NFTA.traceTable]?.text, let chain = attributes[NFTA.traceChain]?.text
        else { return nil }
        self.id = id
        self.table = NftTable(family, table)
        self.chain = chain
        rule = attributes[NFTA.traceRule]?.bigEndian64
        let given = attributes.nested(NFTA.traceVerdict)
        let code =
            given[NFTA.verdictCode]?.bigEndian32 ?? attributes[NFTA.tracePolicy]?.bigEndian32
        switch code.map(Int32.init(bitPattern:)) {
        case 0: verdict = .drop
        case 1: verdict = .accept
        case -1, -2, nil: verdict = .goesOn
        case -3, -4: verdict = .jump(given[NFTA.verdictChain]?.text ?? "")
        case -5: verdict = .return
        case .some(let code): verdict = .other(code)
        }
    }
}

extension MessageBuilder {
    /// Makes a table that is deleted with the socket that made it (NFT_TABLE_F_OWNER; kernels from 5.12 on).
    public mutating func addOwnedTable(_ table: NftTable) {
        nft(NftMessageType.newTable, flags: MessageFlag.create | MessageFlag.exclusive, table.family) { builder in
            builder.attribute(NFTA.tableName, text: table.name)
            builder.attribute(NFTA.tableFlags, bigEndian: UInt32(2))
        }
    }

    /// Deletes a table and everything in it.
    public mutating func deleteTable(_ table: NftTable) {
        nft(NftMessageType.deleteTable, flags: 0, table.family) { $0.attribute(NFTA.tableName, text: table.name) }
    }
}
