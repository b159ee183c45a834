/// The names of nfnetlink's messages and attributes: linux/netfilter/nfnetlink.h, nf_tables.h and nfnetlink_conntrack.h.
enum NetfilterText {
    private typealias Kind = MessageText.Kind

    static func kind(_ type: UInt16) -> MessageText.Kind? {
        switch type {
        case NfnlMessageType.batchBegin:
            Kind(name: "NFNL_MSG_BATCH_BEGIN", verb: .new, header: header, attributes: batch)
        case NfnlMessageType.batchEnd: Kind(name: "NFNL_MSG_BATCH_END", verb: .new, header: header, attributes: [])
        case NfnlSubsystem.nftables << 8...NfnlSubsystem.nftables << 8 | 0xff: tables(type & 0xff)
        case NfnlSubsystem.conntrack << 8...NfnlSubsystem.conntrack << 8 | 0xff: connections(type & 0xff)
        default: nil
        }
    }

    /// struct nfgenmsg.
    private static let header: [(name: String, size: Int)] = [("family", 1), ("version", 1), ("", 2)]

    private static let batch = [AttributeName(NfnlAttribute.batchGeneration, "generation", .bigEndian)]

    private static func tables(_ type: UInt16) -> MessageText.Kind? {
        let (name, verb, attributes): (String, MessageText.Verb, [AttributeName])
        switch type {
        case NftMessageType.newTable: (name, verb, attributes) = ("NEWTABLE", .new, table)
        case NftMessageType.getTable: (name, verb, attributes) = ("GETTABLE", .get, table)
        case 2: (name, verb, attributes) = ("DELTABLE", .delete, table)
        case NftMessageType.newChain: (name, verb, attributes) = ("NEWCHAIN", .new, chain)
        case NftMessageType.getChain: (name, verb, attributes) = ("GETCHAIN", .get, chain)
        case NftMessageType.deleteChain: (name, verb, attributes) = ("DELCHAIN", .delete, chain)
        case NftMessageType.newRule: (name, verb, attributes) = ("NEWRULE", .new, rule)
        case NftMessageType.getRule: (name, verb, attributes) = ("GETRULE", .get, rule)
        case NftMessageType.deleteRule: (name, verb, attributes) = ("DELRULE", .delete, rule)
        case NftMessageType.newSet: (name, verb, attributes) = ("NEWSET", .new, set)
        case NftMessageType.getSet: (name, verb, attributes) = ("GETSET", .get, set)
        case NftMessageType.deleteSet: (name, verb, attributes) = ("DELSET", .delete, set)
        case NftMessageType.newElement: (name, verb, attributes) = ("NEWSETELEM", .new, elements)
        case NftMessageType.getElement: (name, verb, attributes) = ("GETSETELEM", .get, elements)
        case NftMessageType.deleteElement: (name, verb, attributes) = ("DELSETELEM", .delete, elements)
        case 15: (name, verb, attributes) = ("NEWGEN", .new, generation)
        case NftMessageType.getGeneration: (name, verb, attributes) = ("GETGEN", .get, generation)
        default: return nil
        }
        return Kind(name: "NFT_MSG_\(name)", verb: verb, header: header, attributes: attributes)
    }

    private static func connections(_ type: UInt16) -> MessageText.Kind? {
        let (name, verb): (String, MessageText.Verb)
        switch type {
        case 0: (name, verb) = ("NEW", .new)
        case 1: (name, verb) = ("GET", .get)
        case 2: (name, verb) = ("DELETE", .delete)
        default: return nil
        }
        return Kind(name: "IPCTNL_MSG_CT_\(name)", verb: verb, header: header, attributes: [])
    }

    private static let table = [
        AttributeName(NFTA.tableName, "name", .text), AttributeName(NFTA.tableFlags, "flags", .bigEndian),
        AttributeName(NFTA.tableUserData, "comment", .comment),
    ]

    private static let chain = [
        AttributeName(NFTA.chainTable, "table", .text), AttributeName(2, "handle", .bigEndian),
        AttributeName(NFTA.chainName, "name", .text),
        AttributeName(
            NFTA.chainHook, "hook",
            .group([
                AttributeName(NFTA.hookNumber, "hooknum", .bigEndian),
                AttributeName(NFTA.hookPriority, "priority", .signed),
            ])),
        AttributeName(NFTA.chainPolicy, "policy", .bigEndian), AttributeName(NFTA.chainType, "type", .text),
    ]

    private static let rule = [
        AttributeName(NFTA.ruleTable, "table", .text), AttributeName(NFTA.ruleChain, "chain", .text),
        AttributeName(NFTA.ruleHandle, "handle", .bigEndian),
        AttributeName(NFTA.ruleExpressions, "expressions", .list(.group(expression))),
        AttributeName(NFTA.ruleUserData, "comment", .comment),
    ]

    private static let expression = [
        AttributeName(NFTA.expressionName, "name", .text), AttributeName(NFTA.expressionData, "data", .octets),
    ]

    private static let set = [
        AttributeName(NFTA.setTable, "table", .text), AttributeName(NFTA.setName, "name", .text),
        AttributeName(NFTA.setFlags, "flags", .bigEndian), AttributeName(NFTA.setKeyType, "key_type", .bigEndian),
        AttributeName(NFTA.setKeyLength, "key_len", .bigEndian),
        AttributeName(NFTA.setDataType, "data_type", .bigEndian),
        AttributeName(NFTA.setDataLength, "data_len", .bigEndian), AttributeName(NFTA.setID, "id", .bigEndian),
    ]

    private static let elements = [
        AttributeName(NFTA.elementsTable, "table", .text), AttributeName(NFTA.elementsSet, "set", .text),
        AttributeName(NFTA.elementsList, "elements", .list(.group(element))),
        AttributeName(NFTA.elementsSetID, "set_id", .bigEndian),
    ]

    private static let element = [
        AttributeName(NFTA.elementKey, "key", .list(.octets)),
        AttributeName(NFTA.elementKeyEnd, "key_end", .list(.octets)),
        AttributeName(
            NFTA.elementData, "data",
            .group([
                AttributeName(NFTA.dataValue, "value", .octets),
                AttributeName(
                    NFTA.dataVerdict, "verdict",
                    .group([
                        AttributeName(NFTA.verdictCode, "code", .signed),
                        AttributeName(NFTA.verdictChain, "chain", .text),
                    ])),
            ])),
        AttributeName(NFTA.elementFlags, "flags", .bigEndian), AttributeName(NFTA.elementUserData, "comment", .comment),
    ]

    private static let generation = [AttributeName(NFTA.generationID, "id", .bigEndian)]
}
