internal import Addresses
internal import NetlinkCodec

/// The effect of each expression (linux/netfilter/nf_tables.h).
extension NftMachine {
    mutating func step(
        _ expression: NftListedExpression, _ registers: inout Registers, _ table: NftTable, _ chain: String
    ) -> Step {
        switch expression {
        case .counter, .record: return .matched
        case .meta(let key, let destination):
            registers.store(meta(key), destination)
        case .setMeta(let key, let source):
            guard key == .mark else { break }
            let mark = registers.load(source, 4)
            context.isMarkKnown = mark != nil
            guard let mark else { return .unknown("it sets an unknown mark") }
            packet.mark = mark[...].load(UInt32.self, at: 0)
        case .payload(let base, let offset, let length, let destination):
            guard let octets = payload(base, Int(offset), Int(length)) else { return .noMatch }
            registers.store(
                isKnown(base, Int(offset), Int(length)) ? octets : nil, destination, length: Int(length))
        case .setPayload(let base, let offset, _, _, _):
            if isAddress(base, Int(offset)) { return .anything("it writes into the packet's header") }
        case .connection(let key, let direction, let destination):
            // Without a connection, only the state is known.
            guard key == .state || context.connection.tracking.isTracked else { return .noMatch }
            registers.store(connection(key, direction ?? 0), destination)
        case .setConnection(let key, _, let source): return setConnection(key, registers.load(source, 4))
        case .fib(let result, let flags, let destination):
            registers.store(fib(result, flags), destination, length: 4)
        case .immediate(.verdict(let verdict), _): return .verdict(verdict)
        case .immediate(.value(let value), let destination): registers.store(value, destination)
        case .compare(let comparison, let value, let source):
            return compare(registers.load(source, value.count), comparison, value)
        case .range(let isInside, let first, let last, let source):
            guard let octets = registers.load(source, first.count) else { return .unknown("what it compares") }
            let isSo = !octets.lexicographicallyPrecedes(first) && !last.lexicographicallyPrecedes(octets)
            return isSo == isInside ? .matched : .noMatch
        case .bitwise(let mask, let flipped, let source, let destination):
            let result = registers.load(source, mask.count).map { octets in
                octets.indices.map { octets[$0] & mask[$0] ^ flipped[$0] }
            }
            registers.store(result, destination, length: mask.count)
        case .byteOrder(_, let length, let size, let source, let destination):
            let (length, size) = (Int(length), max(Int(size), 1))
            let result = registers.load(source, length).map { octets in
                stride(from: 0, to: length, by: size).flatMap { octets[$0..<min($0 + size, length)].reversed() }
            }
            registers.store(result, destination, length: length)
        case .lookup(let set, let isInverted, let source, let destination):
            return lookUp(set, isInverted, source, destination, &registers, table)
        case .load(let name, let octets, let destination):
            registers.store(chance(name, octets, following, table), destination, length: 4)
        default: return statement(expression, &registers, table, chain)
        }
        return .matched
    }

    private mutating func statement(
        _ expression: NftListedExpression, _ registers: inout Registers, _ table: NftTable, _ chain: String
    ) -> Step {
        switch expression {
        case .reject: return .rejected
        case .nat(let translation): return translate(translation, registers, table, chain)
        case .masquerade: return masquerade(table, chain)
        case .redirect(_, let port, _): return redirect(to: port, registers, table, chain)
        case .xtablesMatch(let name, _, let info): return match(name, info[...])
        case .xtablesTarget(let name, let revision, let info): return target(name, revision, info[...], table, chain)
        case .noTrack:
            leaveUntracked()
            return .matched
        default: return account(expression, &registers, table, chain)
        }
    }

    private func meta(_ key: NftExpression.Meta) -> [UInt8]? {
        let isForwarded = context.point == .forward
        func name(_ name: String?) -> [UInt8] {
            let octets = Array((name ?? "").utf8.prefix(15))
            return octets + [UInt8](repeating: 0, count: 16 - octets.count)
        }
        switch key {
        case .linkProtocol: return Array(headers.link.suffix(2))
        case .mark: return context.isMarkKnown ? octets(packet.mark) : nil
        // A forwarded packet has both interfaces.
        case .inputInterface, .inputInterfaceName:
            guard context.input != nil || !isForwarded else { return nil }
            return key == .inputInterface ? octets(context.input?.index ?? 0) : name(context.input?.name)
        case .outputInterface, .outputInterfaceName:
            guard context.output != nil || !isForwarded else { return nil }
            return key == .outputInterface ? octets(context.output?.index ?? 0) : name(context.output?.name)
        case .networkProtocol:
            // NFPROTO_IPV4 and NFPROTO_IPV6, linux/netfilter.h.
            let family: NftFamily = context.family == .bridge ? .bridge : packet.family == .v4 ? .ip : .ip6
            return [family.rawValue]
        case .transportProtocol: return [packet.transport.number(packet.family)]
        case .inputBridgeName, .outputBridgeName: return name(context.bridge)
        // PACKET_HOST, linux/if_packet.h.
        case .packetType: return [0]
        default: return nil
        }
    }

    /// - Returns: nil if the packet does not have these octets, so that the rule does not match.
    private func payload(_ base: NftExpression.Base, _ offset: Int, _ length: Int) -> [UInt8]? {
        let header: [UInt8]
        switch base {
        case .link: header = headers.link
        case .network: header = headers.network + headers.transport
        case .transport: header = headers.transport
        default: return nil
        }
        guard offset + length <= header.count else { return nil }
        return Array(header[offset..<offset + length])
    }

    /// Whether these octets of a header are ones that rules may compare as addresses or ports.
    private func isAddress(_ base: NftExpression.Base, _ offset: Int) -> Bool {
        base == .network ? offset >= (packet.family == .v4 ? 12 : 8) : base == .transport && offset < 4
    }

    private func isKnown(_ base: NftExpression.Base, _ offset: Int, _ length: Int) -> Bool {
        (offset..<offset + length).allSatisfy { position in
            let start = headers.network.count
            switch base {
            case .link: return headers.isKnown(link: position)
            case .network where position < start: return headers.isKnown(network: position)
            case .network: return headers.isKnown(transport: position - start)
            default: return headers.isKnown(transport: position)
            }
        }
    }

    private func fib(_ result: NftFib.Result, _ flags: NftFib.Flags) -> [UInt8]? {
        let isSource = flags.contains(.source)
        if result == .addressType {
            return context.addressTypes[isSource ? packet.source : packet.destination].map { octets(UInt32($0)) }
        }
        guard isSource, let found = context.sourceInterface, result == .outputInterface else { return nil }
        // Only if it is the interface on which the packet arrived.
        let isWanted = !flags.contains(.inputInterface) || found == context.input?.index
        let index = isWanted ? found : 0
        return flags.contains(.present) ? [index == 0 ? 0 : 1] : octets(index)
    }

    func octets(_ number: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } }

    private func compare(_ octets: [UInt8]?, _ comparison: NftExpression.Comparison, _ wanted: [UInt8]) -> Step {
        guard let octets else { return .unknown("it looks at something that is not known here") }
        let isLess = octets.lexicographicallyPrecedes(wanted)
        let isSame = octets == wanted
        let isSo =
            switch comparison {
            case .equal: isSame
            case .notEqual: !isSame
            case .less: isLess
            case .lessOrEqual: isLess || isSame
            case .greater: !isLess && !isSame
            case .greaterOrEqual: !isLess
            }
        return isSo ? .matched : .noMatch
    }

    private func lookUp(
        _ name: String, _ isInverted: Bool, _ source: NftRegister, _ destination: NftRegister?,
        _ registers: inout Registers, _ table: NftTable
    ) -> Step {
        let place = Ruleset.Place(table: table, name: name)
        guard let set = ruleset.sets[place] else { return .unknown("it looks into \(name), which is not listed") }
        // The key does not matter if the set is empty, or has the same value for all keys.
        let key = set.keyLength.map { registers.load(source, $0) } ?? []
        guard let key else { return .unknown("it looks up something in \(name) that is not known here") }
        guard let found = set.element(for: key) else {
            guard !context.connection.updated.contains(place) else {
                return .unknown("it looks into \(name), to which an earlier rule has added something")
            }
            return isInverted ? .matched : .noMatch
        }
        guard !isInverted else { return .noMatch }
        switch found.data {
        case .verdict(let verdict): return .verdict(verdict)
        case .value(let value):
            if let destination { registers.store(value, destination) }
            return .matched
        case nil: return destination == .verdict ? .anything("its verdict is not understood") : .matched
        }
    }
}
