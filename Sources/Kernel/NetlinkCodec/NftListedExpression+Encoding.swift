extension NftListedExpression {
    /// The kernel's name of the expression.
    public var name: String {
        switch self {
        case .meta, .setMeta: "meta"
        case .payload, .setPayload: "payload"
        case .connection, .setConnection: "ct"
        case .fib: "fib"
        case .immediate: "immediate"
        case .compare: "cmp"
        case .range: "range"
        case .bitwise: "bitwise"
        case .byteOrder: "byteorder"
        case .lookup: "lookup"
        case .dynamicSet: "dynset"
        case .nat: "nat"
        case .masquerade: "masq"
        case .redirect: "redir"
        case .reject: "reject"
        case .counter: "counter"
        case .limit: "limit"
        case .connectionLimit: "connlimit"
        case .quota: "quota"
        case .object: "objref"
        case .noTrack: "notrack"
        case .xtablesMatch: "match"
        case .xtablesTarget: "target"
        case .load(let name, _, _), .record(let name, _), .other(let name, _): name
        }
    }

    /// Writes it as the kernel lists it, without padding: the opposite of reading, for tests and tools that create listings.
    public func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTA.expressionName, text: name)
        switch self {
        case .load(_, let octets, _), .record(_, let octets), .other(_, let octets):
            // NLA_F_NESTED.
            builder.attribute(NFTA.expressionData | 0x8000, octets)
        default: builder.nested(NFTA.expressionData) { encodeAttributes(&$0) }
        }
    }

    private func encodeAttributes(_ builder: inout MessageBuilder) {
        switch self {
        case .meta(let key, let destination):
            builder.attribute(NFTA.metaKey, bigEndian: key.rawValue)
            builder.attribute(NFTA.metaDestination, destination)
        case .setMeta(let key, let source):
            builder.attribute(NFTA.metaKey, bigEndian: key.rawValue)
            builder.attribute(NFTA.metaSource, source)
        case .payload(let base, let offset, let length, let destination):
            builder.attribute(NFTA.payloadDestination, destination)
            builder.attribute(NFTA.payloadBase, bigEndian: base.rawValue)
            builder.attribute(NFTA.payloadOffset, bigEndian: offset)
            builder.attribute(NFTA.payloadLength, bigEndian: length)
        case .setPayload(let base, let offset, let length, let source, let checksum):
            builder.attribute(NFTA.payloadSource, source)
            builder.attribute(NFTA.payloadBase, bigEndian: base.rawValue)
            builder.attribute(NFTA.payloadOffset, bigEndian: offset)
            builder.attribute(NFTA.payloadLength, bigEndian: length)
            builder.attribute(NFTA.payloadChecksumType, bigEndian: checksum.type)
            builder.attribute(NFTA.payloadChecksumOffset, bigEndian: checksum.offset)
            builder.attribute(NFTA.payloadChecksumFlags, bigEndian: checksum.flags)
        case .connection(let key, let direction, let destination):
            builder.attribute(NFTA.connectionDestination, destination)
            builder.attribute(NFTA.connectionKey, bigEndian: key.rawValue)
            if let direction { builder.attribute(NFTA.connectionDirection, uint8: direction) }
        case .setConnection(let key, let direction, let source):
            builder.attribute(NFTA.connectionKey, bigEndian: key.rawValue)
            if let direction { builder.attribute(NFTA.connectionDirection, uint8: direction) }
            builder.attribute(NFTA.connectionSource, source)
        case .fib(let result, let flags, let destination):
            builder.attribute(NFTA.fibDestination, destination)
            builder.attribute(NFTA.fibResult, bigEndian: result.rawValue)
            builder.attribute(NFTA.fibFlags, bigEndian: flags.rawValue)
        default: encodeCalculation(&builder)
        }
    }

    private func encodeCalculation(_ builder: inout MessageBuilder) {
        switch self {
        case .immediate(let data, let destination):
            builder.attribute(NFTA.immediateDestination, destination)
            builder.nested(NFTA.immediateData) { data.encode(&$0) }
        case .compare(let comparison, let value, let source):
            builder.attribute(NFTA.compareSource, source)
            builder.attribute(NFTA.compareOperation, bigEndian: comparison.rawValue)
            builder.value(NFTA.compareData, value)
        case .range(let isInside, let first, let last, let source):
            builder.attribute(NFTA.rangeSource, source)
            builder.attribute(
                NFTA.rangeOperation, bigEndian: isInside ? NftConstant.rangeInside : NftConstant.rangeOutside)
            builder.value(NFTA.rangeFrom, first)
            builder.value(NFTA.rangeTo, last)
        case .bitwise(let mask, let flipped, let source, let destination):
            builder.attribute(NFTA.bitwiseSource, source)
            builder.attribute(NFTA.bitwiseDestination, destination)
            builder.attribute(NFTA.bitwiseLength, bigEndian: UInt32(mask.count))
            builder.attribute(NFTA.bitwiseOperation, bigEndian: NftConstant.bitwiseMaskXor)
            builder.value(NFTA.bitwiseMask, mask)
            builder.value(NFTA.bitwiseXor, flipped)
        case .byteOrder(let isToNetwork, let length, let size, let source, let destination):
            builder.attribute(NFTA.byteOrderSource, source)
            builder.attribute(NFTA.byteOrderDestination, destination)
            builder.attribute(NFTA.byteOrderOperation, bigEndian: isToNetwork ? NftConstant.hostToNetwork : 0)
            builder.attribute(NFTA.byteOrderLength, bigEndian: length)
            builder.attribute(NFTA.byteOrderSize, bigEndian: size)
        case .lookup(let set, let isInverted, let source, let destination):
            builder.attribute(NFTA.lookupSet, text: set)
            builder.attribute(NFTA.lookupSource, source)
            if let destination { builder.attribute(NFTA.lookupDestination, destination) }
            builder.flags(NFTA.lookupFlags, inverted: isInverted)
        case .dynamicSet(let set, let operation, let key, let data, let timeout, let isInverted, let expressions):
            builder.attribute(NFTA.dynsetKey, key)
            if let data { builder.attribute(NFTA.dynsetData, data) }
            builder.attribute(NFTA.dynsetOperation, bigEndian: operation)
            builder.attribute(NFTA.dynsetSet, text: set)
            if let timeout { builder.attribute(NFTA.dynsetTimeout, bigEndian: timeout) }
            if expressions.count == 1 {
                builder.nested(NFTA.dynsetExpression) { expressions[0].encode(&$0) }
            } else if !expressions.isEmpty {
                builder.nested(NFTA.dynsetExpressions) { list in
                    for expression in expressions { list.nested(NFTA.listElement) { expression.encode(&$0) } }
                }
            }
            builder.flags(NFTA.dynsetFlags, inverted: isInverted)
        default: encodeStatement(&builder)
        }
    }

    private func encodeStatement(_ builder: inout MessageBuilder) {
        switch self {
        case .nat(let translation):
            builder.attribute(
                NFTA.natType,
                bigEndian: translation.isDestination ? NftConstant.natDestination : NftConstant.natSource)
            builder.attribute(NFTA.natFamily, bigEndian: translation.family)
            for (type, register) in [
                (NFTA.natAddress, translation.address), (NFTA.natLastAddress, translation.lastAddress),
                (NFTA.natPort, translation.port), (NFTA.natLastPort, translation.lastPort),
            ] {
                if let register { builder.attribute(type, register) }
            }
            if let flags = translation.flags { builder.attribute(NFTA.natFlags, bigEndian: flags) }
        case .masquerade(let flags, let port, let lastPort):
            if flags != 0 { builder.attribute(NFTA.masqueradeFlags, bigEndian: flags) }
            if let port { builder.attribute(NFTA.masqueradePort, port) }
            if let lastPort { builder.attribute(NFTA.masqueradeLastPort, lastPort) }
        case .redirect(let flags, let port, let lastPort):
            if let port { builder.attribute(NFTA.redirectPort, port) }
            if let lastPort { builder.attribute(NFTA.redirectLastPort, lastPort) }
            if flags != 0 { builder.attribute(NFTA.redirectFlags, bigEndian: flags) }
        case .reject(let type, let code):
            builder.attribute(NFTA.rejectType, bigEndian: type)
            if let code { builder.attribute(NFTA.rejectCode, uint8: code) }
        case .counter(let packets, let octets):
            builder.attribute(NFTA.counterOctets, bigEndian: octets)
            builder.attribute(NFTA.counterPackets, bigEndian: packets)
        case .limit(let rate, let unit, let burst, let type, let isInverted):
            builder.attribute(NFTA.limitRate, bigEndian: rate)
            builder.attribute(NFTA.limitUnit, bigEndian: unit)
            builder.attribute(NFTA.limitBurst, bigEndian: burst)
            builder.attribute(NFTA.limitType, bigEndian: type)
            builder.flags(NFTA.limitFlags, inverted: isInverted)
        case .connectionLimit(let count, let isInverted):
            builder.attribute(NFTA.connectionLimitCount, bigEndian: count)
            builder.flags(NFTA.connectionLimitFlags, inverted: isInverted)
        case .quota(let octets, let consumed, let flags):
            builder.attribute(NFTA.quotaOctets, bigEndian: octets)
            builder.attribute(NFTA.quotaConsumed, bigEndian: consumed)
            builder.attribute(NFTA.quotaFlags, bigEndian: flags)
        case .object(let type, let name):
            builder.attribute(NFTA.objectType, bigEndian: type.rawValue)
            builder.attribute(NFTA.objectName, text: name)
        case .xtablesMatch(let name, let revision, let info), .xtablesTarget(let name, let revision, let info):
            builder.attribute(NFTA.xtablesName, text: name)
            builder.attribute(NFTA.xtablesRevision, bigEndian: revision)
            builder.attribute(NFTA.xtablesInfo, info)
        default: break
        }
    }
}

extension MessageBuilder {
    fileprivate mutating func value(_ type: UInt16, _ octets: [UInt8]) {
        nested(type) { $0.attribute(NFTA.dataValue, octets) }
    }
    fileprivate mutating func flags(_ type: UInt16, inverted: Bool) {
        attribute(type, bigEndian: inverted ? NftConstant.inverted : 0)
    }
}
