/// Subsystems of nfnetlink, linux/netfilter/nfnetlink.h.
enum NfnlSubsystem {
    static let conntrack: UInt16 = 1
    static let nftables: UInt16 = 10
}

enum NfnlMessageType {
    static let batchBegin: UInt16 = 16
    static let batchEnd: UInt16 = 17
}

enum NfnlAttribute {
    static let batchGeneration: UInt16 = 1
}

/// enum nf_tables_msg_types, linux/netfilter/nf_tables.h.
enum NftMessageType {
    static let newTable: UInt16 = 0
    static let getTable: UInt16 = 1
    static let deleteTable: UInt16 = 2
    static let newChain: UInt16 = 3
    static let getChain: UInt16 = 4
    static let deleteChain: UInt16 = 5
    static let newRule: UInt16 = 6
    static let getRule: UInt16 = 7
    static let deleteRule: UInt16 = 8
    static let newSet: UInt16 = 9
    static let getSet: UInt16 = 10
    static let deleteSet: UInt16 = 11
    static let newElement: UInt16 = 12
    static let getElement: UInt16 = 13
    static let deleteElement: UInt16 = 14
    static let newGeneration: UInt16 = 15
    static let getGeneration: UInt16 = 16
    static let trace: UInt16 = 17
}

/// Attributes, linux/netfilter/nf_tables.h.
enum NFTA {
    static let listElement: UInt16 = 1

    static let tableName: UInt16 = 1
    static let tableFlags: UInt16 = 2
    static let tableUserData: UInt16 = 6

    static let chainTable: UInt16 = 1
    static let chainName: UInt16 = 3
    static let chainHook: UInt16 = 4
    static let chainPolicy: UInt16 = 5
    static let chainType: UInt16 = 7
    static let hookNumber: UInt16 = 1
    static let hookPriority: UInt16 = 2
    static let hookDevice: UInt16 = 3
    static let hookDevices: UInt16 = 4

    static let ruleTable: UInt16 = 1
    static let ruleChain: UInt16 = 2
    static let ruleHandle: UInt16 = 3
    static let ruleExpressions: UInt16 = 4
    static let ruleUserData: UInt16 = 7

    static let setTable: UInt16 = 1
    static let setName: UInt16 = 2
    static let setFlags: UInt16 = 3
    static let setKeyType: UInt16 = 4
    static let setKeyLength: UInt16 = 5
    static let setDataType: UInt16 = 6
    static let setDataLength: UInt16 = 7
    static let setDescription: UInt16 = 9
    static let setID: UInt16 = 10
    static let setUserData: UInt16 = 13
    static let setTimeout: UInt16 = 11
    static let setCollectionInterval: UInt16 = 12
    static let setDescriptionSize: UInt16 = 1
    static let setDescriptionConcatenation: UInt16 = 2
    static let setFieldLength: UInt16 = 1

    static let elementsTable: UInt16 = 1
    static let elementsSet: UInt16 = 2
    static let elementsList: UInt16 = 3
    static let elementsSetID: UInt16 = 4
    static let elementKey: UInt16 = 1
    static let elementData: UInt16 = 2
    static let elementFlags: UInt16 = 3
    static let elementUserData: UInt16 = 6
    static let elementKeyEnd: UInt16 = 10
    static let elementTimeout: UInt16 = 4
    static let elementExpiration: UInt16 = 5
    static let elementExpression: UInt16 = 7

    static let dataValue: UInt16 = 1
    static let dataVerdict: UInt16 = 2
    static let verdictCode: UInt16 = 1
    static let verdictChain: UInt16 = 2

    static let expressionName: UInt16 = 1
    static let expressionData: UInt16 = 2

    static let generationID: UInt16 = 1

    static let traceTable: UInt16 = 1
    static let traceChain: UInt16 = 2
    static let traceRule: UInt16 = 3
    static let traceVerdict: UInt16 = 5
    static let traceID: UInt16 = 6
    static let tracePolicy: UInt16 = 16
}

enum NftConstant {
    /// NFT_DATA_VERDICT.
    static let verdictType: UInt32 = 0xffff_ff00
}

/// Protocol families, linux/netfilter.h.
public enum NftFamily: UInt8, Sendable, Hashable, CustomStringConvertible {
    case unspecified = 0
    case inet = 1
    case ip = 2
    case bridge = 7
    case ip6 = 10

    public var description: String {
        switch self {
        case .unspecified: ""
        case .inet: "inet"
        case .ip: "ip"
        case .bridge: "bridge"
        case .ip6: "ip6"
        }
    }
}
