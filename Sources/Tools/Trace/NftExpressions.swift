internal import Addresses
internal import NetlinkCodec

/// What each expression does (linux/netfilter/nf_tables.h). Numbers of attributes and keys are those of that header.
extension NftMachine {
    mutating func step(
        _ name: String, _ attributes: Attributes, _ registers: inout Registers, _ table: NftTable, _ chain: String
    ) -> RuleResult {
        func number(_ type: UInt16) -> UInt32 { attributes[type]?.bigEndian32 ?? 0 }
        func value(_ type: UInt16) -> [UInt8] { attributes.nested(type)[1].map { Array($0.bytes) } ?? [] }
        switch name {
        case "counter", "log", "last", "dup": return .matched
        case "notrack", "limit", "connlimit", "quota", "dynset", "objref":
            return state(name, attributes, &registers, table, chain)
        case "meta":
            guard attributes[3] != nil else {
                registers.store(meta(number(2)), number(1))
                return .matched
            }
            guard number(2) == 3 else { return .matched }
            guard let mark = registers.load(number(3), 4) else { return .unknown("it sets a mark that is not known") }
            packet.mark = mark[...].load(UInt32.self, at: 0)
            return .matched
        case "payload":
            let (base, offset, length) = (number(2), Int(number(3)), Int(number(4)))
            guard attributes[5] == nil else {
                return isAddress(base, offset) ? .unknown("it writes into the packet's header") : .matched
            }
            guard let octets = payload(base, offset, length) else { return .noMatch }
            registers.store(isKnown(base, offset, length) ? octets : nil, number(1), length: length)
            return .matched
        case "ct": return connection(attributes, &registers)
        case "fib":
            registers.store(fib(number(2), number(3)), number(1), length: 4)
            return .matched
        case "immediate":
            switch NftData(attributes.nested(2)) {
            case .verdict(let verdict): return .verdict(verdict)
            case .value(let value): registers.store(value, number(1))
            case nil: return .unknown("its verdict is not known here")
            }
            return .matched
        case "cmp": return compare(value(3), number(2), registers.load(number(1), value(3).count))
        case "range":
            let (first, last) = (value(3), value(4))
            guard let octets = registers.load(number(1), first.count) else { return .unknown("what it compares") }
            let isInside = !octets.lexicographicallyPrecedes(first) && !last.lexicographicallyPrecedes(octets)
            return isInside == (number(2) == 0) ? .matched : .noMatch
        case "bitwise":
            let length = Int(number(3))
            let (mask, flipped) = (value(4), value(5))
            let octets = registers.load(number(1), length)
            let isPlain = number(6) == 0 && mask.count == length && flipped.count == length
            let result = octets.flatMap { octets in
                isPlain ? octets.indices.map { octets[$0] & mask[$0] ^ flipped[$0] } : nil
            }
            registers.store(result, number(2), length: length)
            return .matched
        case "byteorder":
            let (length, size) = (Int(number(4)), Int(number(5)))
            let octets = registers.load(number(1), length)
            let result = octets.map { octets in
                stride(from: 0, to: length, by: max(size, 1)).flatMap { octets[$0..<min($0 + size, length)].reversed() }
            }
            registers.store(result, number(2), length: length)
            return .matched
        case "lookup": return lookUp(attributes, &registers, table)
        case "reject": return .rejected
        case "nat": return translate(attributes, registers, table, chain)
        case "masq":
            guard let source = context.masqueradeSource else { return .unknown("no address to masquerade with") }
            return rewrite(source: source, table, chain)
        case "redir":
            let port = registers.load(number(1), 2).map { UInt16($0[0]) << 8 | UInt16($0[1]) }
            let own =
                context.point == .output
                ? IPAddress(packet.family, packet.family == .v4 ? 0x7f00_0001 : 1)
                : context.input?.addresses.first { $0.family == packet.family }?.address
            guard let own else { return .unknown("no address to redirect to") }
            return rewrite(destination: own, port: port, table, chain)
        case "match": return match(attributes)
        case "target": return target(attributes, table, chain)
        case "numgen", "hash", "socket", "osf", "rt", "exthdr":
            registers.store(nil, number(name == "socket" ? 3 : 1))
            return .matched
        default: return .unknown("it uses `\(name)`")
        }
    }

    private func meta(_ key: UInt32) -> [UInt8]? {
        func name(_ interface: String?) -> [UInt8] {
            let octets = Array((interface ?? "").utf8.prefix(15))
            return octets + [UInt8](repeating: 0, count: 16 - octets.count)
        }
        switch key {
        case 1: return Array(headers.link.suffix(2))
        case 3: return octets(packet.mark)
        case 4: return octets(context.input?.index ?? 0)
        case 5: return octets(context.output?.index ?? 0)
        case 6: return name(context.input?.name)
        case 7: return name(context.output?.name)
        case 15: return [context.family == .bridge ? NftFamily.bridge.rawValue : packet.family == .v4 ? 2 : 10]
        case 16: return [packet.transport.number(packet.family)]
        case 17, 18: return name(context.bridge)
        // PACKET_HOST.
        case 19: return [0]
        default: return nil
        }
    }

    /// - Returns: nil for what the packet has not got, so that the rule does not match.
    private func payload(_ base: UInt32, _ offset: Int, _ length: Int) -> [UInt8]? {
        let header: [UInt8]
        switch base {
        case 0: header = headers.link
        case 1: header = headers.network + headers.transport
        case 2: header = headers.transport
        default: return nil
        }
        guard offset + length <= header.count else { return nil }
        return Array(header[offset..<offset + length])
    }

    /// Whether octets of a header are those that rules may take for addresses or ports.
    private func isAddress(_ base: UInt32, _ offset: Int) -> Bool {
        base == 1 ? offset >= (packet.family == .v4 ? 12 : 8) : base == 2 && offset < 4
    }

    private func isKnown(_ base: UInt32, _ offset: Int, _ length: Int) -> Bool {
        switch base {
        case 1:
            let start = headers.network.count
            return (offset..<offset + length).allSatisfy {
                $0 < start ? headers.isKnown(network: $0) : headers.isKnown(transport: $0 - start)
            }
        case 2: return (offset..<offset + length).allSatisfy { headers.isKnown(transport: $0) }
        default: return true
        }
    }

    private func fib(_ result: UInt32, _ flags: UInt32) -> [UInt8]? {
        let isSource = flags & 1 != 0
        let address = isSource ? packet.source : packet.destination
        if result == 3 { return context.addressTypes[address].map { octets(UInt32($0)) } }
        guard isSource, let found = context.sourceInterface, result == 1 else { return nil }
        // NFTA_FIB_F_IIF: only if it is the one that the packet came in by.
        let isWanted = flags & 8 == 0 || found == context.input?.index
        let index = isWanted ? found : 0
        return flags & 32 != 0 ? [index == 0 ? 0 : 1] : octets(index)
    }

    func octets(_ number: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } }

    private func compare(_ wanted: [UInt8], _ operation: UInt32, _ octets: [UInt8]?) -> RuleResult {
        guard let octets else { return .unknown("it looks at something that is not known from here") }
        let isLess = octets.lexicographicallyPrecedes(wanted)
        let isSame = octets == wanted
        let isSo =
            switch operation {
            case 0: isSame
            case 1: !isSame
            case 2: isLess
            case 3: isLess || isSame
            case 4: !isLess && !isSame
            default: !isLess
            }
        return isSo ? .matched : .noMatch
    }

    private func lookUp(_ attributes: Attributes, _ registers: inout Registers, _ table: NftTable) -> RuleResult {
        let name = attributes[1]?.text ?? ""
        let place = Ruleset.Place(table: table, name: name)
        let set = ruleset.sets[place]
        let isInverted = (attributes[5]?.bigEndian32 ?? 0) & 1 != 0
        guard let set else { return isInverted ? .matched : .noMatch }
        // Nothing has to be known for a set that has nothing, or the same for all.
        let key = set.keyLength.map { registers.load(attributes[2]?.bigEndian32 ?? 0, $0) } ?? []
        guard let key else { return .unknown("it looks something up in \(name) that is not known from here") }
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
            registers.store(value, attributes[3]?.bigEndian32 ?? 0)
            return .matched
        case nil: return .matched
        }
    }

    private mutating func translate(
        _ attributes: Attributes, _ registers: Registers, _ table: NftTable, _ chain: String
    ) -> RuleResult {
        let address = attributes[3]?.bigEndian32.flatMap { registers.load($0, packet.family.byteWidth) }
        guard let octets = address ?? (attributes[3] == nil ? [] : nil) else {
            return .unknown("it rewrites to something that is not known from here")
        }
        let port = attributes[5]?.bigEndian32.flatMap { registers.load($0, 2) }
            .map { UInt16($0[0]) << 8 | UInt16($0[1]) }
        let isDestination = attributes[1]?.bigEndian32 == 1
        let own = isDestination ? packet.destination : packet.source
        let new = IPAddress(bytes: octets) ?? own
        return isDestination
            ? rewrite(destination: new, port: port, table, chain) : rewrite(source: new, port: port, table, chain)
    }
}
