/// Attributes of expressions: enum nft_*_attributes of linux/netfilter/nf_tables.h, and nft_compat.h for those of xtables.
extension NFTA {
    static let immediateDestination: UInt16 = 1
    static let immediateData: UInt16 = 2

    static let metaDestination: UInt16 = 1
    static let metaKey: UInt16 = 2
    static let metaSource: UInt16 = 3

    static let payloadDestination: UInt16 = 1
    static let payloadBase: UInt16 = 2
    static let payloadOffset: UInt16 = 3
    static let payloadLength: UInt16 = 4
    static let payloadSource: UInt16 = 5
    static let payloadChecksumType: UInt16 = 6
    static let payloadChecksumOffset: UInt16 = 7
    static let payloadChecksumFlags: UInt16 = 8

    static let connectionDestination: UInt16 = 1
    static let connectionKey: UInt16 = 2
    static let connectionDirection: UInt16 = 3
    static let connectionSource: UInt16 = 4

    static let fibDestination: UInt16 = 1
    static let fibResult: UInt16 = 2
    static let fibFlags: UInt16 = 3

    static let bitwiseSource: UInt16 = 1
    static let bitwiseDestination: UInt16 = 2
    static let bitwiseLength: UInt16 = 3
    static let bitwiseMask: UInt16 = 4
    static let bitwiseXor: UInt16 = 5
    static let bitwiseOperation: UInt16 = 6

    static let byteOrderSource: UInt16 = 1
    static let byteOrderDestination: UInt16 = 2
    static let byteOrderOperation: UInt16 = 3
    static let byteOrderLength: UInt16 = 4
    static let byteOrderSize: UInt16 = 5

    static let compareSource: UInt16 = 1
    static let compareOperation: UInt16 = 2
    static let compareData: UInt16 = 3

    static let rangeSource: UInt16 = 1
    static let rangeOperation: UInt16 = 2
    static let rangeFrom: UInt16 = 3
    static let rangeTo: UInt16 = 4

    static let lookupSet: UInt16 = 1
    static let lookupSource: UInt16 = 2
    static let lookupDestination: UInt16 = 3
    static let lookupSetID: UInt16 = 4
    static let lookupFlags: UInt16 = 5

    static let dynsetSet: UInt16 = 1
    static let dynsetSetID: UInt16 = 2
    static let dynsetOperation: UInt16 = 3
    static let dynsetKey: UInt16 = 4
    static let dynsetData: UInt16 = 5
    static let dynsetTimeout: UInt16 = 6
    static let dynsetExpression: UInt16 = 7
    static let dynsetPadding: UInt16 = 8
    static let dynsetFlags: UInt16 = 9
    static let dynsetExpressions: UInt16 = 10

    static let natType: UInt16 = 1
    static let natFamily: UInt16 = 2
    static let natAddress: UInt16 = 3
    static let natLastAddress: UInt16 = 4
    static let natPort: UInt16 = 5
    static let natLastPort: UInt16 = 6
    static let natFlags: UInt16 = 7

    static let masqueradeFlags: UInt16 = 1
    static let masqueradePort: UInt16 = 2
    static let masqueradeLastPort: UInt16 = 3

    static let redirectPort: UInt16 = 1
    static let redirectLastPort: UInt16 = 2
    static let redirectFlags: UInt16 = 3

    static let rejectType: UInt16 = 1
    static let rejectCode: UInt16 = 2

    static let counterOctets: UInt16 = 1
    static let counterPackets: UInt16 = 2
    static let counterPadding: UInt16 = 3

    static let limitRate: UInt16 = 1
    static let limitUnit: UInt16 = 2
    static let limitBurst: UInt16 = 3
    static let limitType: UInt16 = 4
    static let limitFlags: UInt16 = 5
    static let limitPadding: UInt16 = 6

    static let connectionLimitCount: UInt16 = 1
    static let connectionLimitFlags: UInt16 = 2

    static let quotaOctets: UInt16 = 1
    static let quotaFlags: UInt16 = 2
    static let quotaPadding: UInt16 = 3
    static let quotaConsumed: UInt16 = 4

    static let objectType: UInt16 = 1
    static let objectName: UInt16 = 2

    static let namedObjectTable: UInt16 = 1
    static let namedObjectName: UInt16 = 2
    static let namedObjectType: UInt16 = 3
    static let namedObjectData: UInt16 = 4
    static let namedObjectUserData: UInt16 = 8
    static let logGroup: UInt16 = 1
    static let logPrefix: UInt16 = 2
    static let logSnapLength: UInt16 = 3
    static let logQueueThreshold: UInt16 = 4
    static let generatorDestination: UInt16 = 1
    static let generatorModulus: UInt16 = 2
    static let generatorType: UInt16 = 3
    static let generatorOffset: UInt16 = 4
    static let hashSource: UInt16 = 1
    static let hashLength: UInt16 = 3
    static let hashModulus: UInt16 = 4
    static let hashSeed: UInt16 = 5
    static let hashOffset: UInt16 = 6
    static let hashType: UInt16 = 7

    static let hashDestination: UInt16 = 2
    /// NFTA_SOCKET_DREG and NFTA_TUNNEL_DREG.
    static let socketDestination: UInt16 = 2
    /// NFTA_NG_DREG, NFTA_RT_DREG, NFTA_OSF_DREG, NFTA_EXTHDR_DREG and NFTA_XFRM_DREG.
    static let otherDestination: UInt16 = 1

    /// NFTA_MATCH_NAME and NFTA_TARGET_NAME, which have the same numbers throughout.
    static let xtablesName: UInt16 = 1
    static let xtablesRevision: UInt16 = 2
    static let xtablesInfo: UInt16 = 3
}

/// Values of these attributes, linux/netfilter/nf_tables.h.
extension NftConstant {
    /// NFT_BITWISE_MASK_XOR, the default if no operation is given.
    static let bitwiseMaskXor: UInt32 = 0
    /// NFT_BYTEORDER_HTON.
    static let hostToNetwork: UInt32 = 1
    /// NFT_RANGE_EQ and NFT_RANGE_NEQ.
    static let rangeInside: UInt32 = 0
    static let rangeOutside: UInt32 = 1
    /// NFT_NAT_SNAT and NFT_NAT_DNAT.
    static let natSource: UInt32 = 0
    static let natDestination: UInt32 = 1
    /// NFT_LOOKUP_F_INV, NFT_LIMIT_F_INV, NFT_CONNLIMIT_F_INV, NFT_QUOTA_F_INV and NFT_DYNSET_F_INV.
    static let inverted: UInt32 = 1
    /// NF_NAT_RANGE_PROTO_RANDOM_FULLY, linux/netfilter/nf_nat.h.
    static let fullyRandomPorts: UInt32 = 0x10
    /// NFT_OBJECT_COUNTER.
    static let namedObjectCounterType: UInt32 = 1
    static let rejectUnreachable: UInt32 = 0
    static let rejectTcpReset: UInt32 = 1
    static let rejectUnreachableOfEither: UInt32 = 2
    static let limitOver: UInt32 = 1
    static let elementRangeEnd: UInt32 = 1
}
