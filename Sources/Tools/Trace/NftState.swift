internal import Addresses
internal import NetlinkCodec

/// Expressions that ask connection tracking, or what the kernel counts beside the packet.
extension NftMachine {
    mutating func state(
        _ name: String, _ attributes: Attributes, _ registers: inout Registers, _ table: NftTable, _ chain: String
    ) -> RuleResult {
        func number(_ type: UInt16) -> UInt32 { attributes[type]?.bigEndian32 ?? 0 }
        func isWithin(_ isSo: Bool, isInverted: Bool) -> RuleResult { isSo != isInverted ? .matched : .noMatch }
        switch name {
        case "notrack":
            if !context.connection.tracking.isTracked { context.connection.tracking = .untracked }
            return .matched
        case "limit":
            supposition = "its limit of the rate is supposed not to be reached"
            return isWithin(true, isInverted: number(5) & 1 != 0)
        case "connlimit":
            supposition = "supposed that there is no other connection that it counts"
            return isWithin(number(1) >= 1, isInverted: number(2) & 1 != 0)
        case "quota":
            let (limit, used) = (attributes[1]?.bigEndian64 ?? 0, attributes[4]?.bigEndian64 ?? 0)
            return isWithin(used < limit, isInverted: number(2) & 1 != 0)
        // An element is added, with its own limits.
        case "dynset":
            let one = attributes[7].map { [Attributes($0.bytes)] } ?? []
            for expression in one + attributes.nested(10).all.map({ Attributes($0.bytes) }) {
                let name = expression[1]?.text ?? ""
                let result = step(name, expression.nested(2), &registers, table, chain)
                guard case .matched = result else { return result }
            }
            context.connection.updated.insert(Ruleset.Place(table: table, name: attributes[1]?.text ?? ""))
            return isWithin(true, isInverted: number(9) & 1 != 0)
        default:
            // NFT_OBJECT_QUOTA, _LIMIT and _CONNLIMIT decide, and maybe what a map has; others count, or help connection
            // tracking.
            return [0, 2, 4, 5].contains(number(1)) ? .unknown("it uses an object with a name") : .matched
        }
    }

    mutating func connection(_ attributes: Attributes, _ registers: inout Registers) -> RuleResult {
        let key = attributes[2]?.bigEndian32 ?? 0
        let isTracked = context.connection.tracking.isTracked
        if let source = attributes[4]?.bigEndian32 {
            guard key == 3, isTracked else { return .matched }
            guard let mark = registers.load(source, 4) else { return .unknown("it sets a mark that is not known") }
            context.connection.mark = mark[...].load(UInt32.self, at: 0)
            return .matched
        }
        // Of what has no connection, only that can be said.
        guard key == 0 || isTracked else { return .noMatch }
        registers.store(connection(key, attributes[3]?.bytes.first ?? 0), attributes[1]?.bigEndian32 ?? 0)
        return .matched
    }

    private func port(_ number: UInt16?) -> [UInt8]? { number.map { [UInt8($0 >> 8), UInt8($0 & 0xff)] } }

    /// enum nft_ct_keys.
    private func connection(_ key: UInt32, _ direction: UInt8) -> [UInt8]? {
        let isAnswer = context.connection.tracking == .established
        // The other direction's ends are settled when the question has left.
        let ends = direction == 0 ? context.connection.original : isAnswer ? context.connection.final.reversed : nil
        switch key {
        case 0: return octets(context.connection.tracking.stateBit)
        case 1: return [isAnswer ? 1 : 0]
        // With IPS_SEEN_REPLY and IPS_CONFIRMED once it is established.
        case 2: return octets(context.connection.rewritten | (isAnswer ? 0xa : 0))
        case 3: return octets(context.connection.mark)
        case 8, 19, 21: return ends?.source.bytes
        case 9, 20, 22: return ends?.destination.bytes
        case 10: return [packet.transport.number(packet.family)]
        case 11 where packet.transport != .icmp: return port(ends?.sourcePort)
        case 12 where packet.transport != .icmp: return port(ends?.destinationPort)
        default: return nil
        }
    }
}
