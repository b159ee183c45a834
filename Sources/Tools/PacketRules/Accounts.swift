internal import Addresses
internal import NetlinkCodec

/// Expressions that depend on connection tracking, or on the kernel's counters.
extension NftMachine {
    mutating func account(
        _ expression: NftListedExpression, _ registers: inout Registers, _ table: NftTable, _ chain: String
    ) -> Step {
        func isWithin(_ isSo: Bool, _ isInverted: Bool) -> Step { isSo != isInverted ? .matched : .noMatch }
        switch expression {
        case .limit(_, _, _, _, let isInverted):
            supposition = "its rate limit is assumed not to be reached"
            return isWithin(true, isInverted)
        case .connectionLimit(let count, let isInverted):
            supposition = "assumed that it counts no other connection"
            return isWithin(count >= 1, isInverted)
        case .quota(let limit, let used, let flags):
            // NFT_QUOTA_F_INV.
            return isWithin(used < limit, flags & 1 != 0)
        // Adds an element with its own limits.
        case .dynamicSet(let set, _, _, _, _, let isInverted, let expressions):
            for expression in expressions {
                let result = step(expression, &registers, table, chain)
                guard case .matched = result else { return result }
            }
            context.connection.updated.insert(Ruleset.Place(table: table, name: set))
            return isWithin(true, isInverted)
        // Other objects count, or help connection tracking.
        case .object(let type, _):
            return [.quota, .limit, .connectionLimit].contains(type)
                ? .unknown("it uses a named object") : .matched
        default: return .anything("it uses `\(expression.name)`")
        }
    }

    mutating func setConnection(_ key: NftExpression.Connection, _ octets: [UInt8]?) -> Step {
        guard key == .mark, context.connection.tracking.isTracked else { return .matched }
        context.connection.isMarkKnown = octets != nil
        guard let octets else { return .unknown("it sets an unknown mark") }
        context.connection.mark = octets[...].load(UInt32.self, at: 0)
        return .matched
    }

    mutating func leaveUntracked() {
        if !context.connection.tracking.isTracked { context.connection.tracking = .untracked }
    }

    private func port(_ number: UInt16?) -> [UInt8]? { number.map { [UInt8($0 >> 8), UInt8($0 & 0xff)] } }

    func connection(_ key: NftExpression.Connection, _ direction: UInt8) -> [UInt8]? {
        let connection = context.connection
        let isAnswer = connection.tracking == .established
        // The other direction's ends are final once the question has left.
        let other = isAnswer && connection.isRewritingKnown ? connection.final.reversed : nil
        let ends = direction == 0 ? connection.original : other
        switch key {
        case .state: return octets(connection.tracking.stateBit)
        case .direction: return [isAnswer ? 1 : 0]
        case .status:
            guard connection.isRewritingKnown else { return nil }
            return octets(connection.rewritten | (isAnswer ? TrackedConnection.answered : 0))
        case .mark: return connection.isMarkKnown ? octets(connection.mark) : nil
        case .source, .sourceIPv4, .sourceIPv6: return ends?.source.bytes
        case .destination, .destinationIPv4, .destinationIPv6: return ends?.destination.bytes
        case .transportProtocol: return [packet.transport.number(packet.family)]
        case .sourcePort where packet.transport != .icmp: return port(ends?.sourcePort)
        case .destinationPort where packet.transport != .icmp: return port(ends?.destinationPort)
        default: return nil
        }
    }
}
