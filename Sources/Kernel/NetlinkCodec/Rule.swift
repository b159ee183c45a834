public import Addresses

/// A policy rule that selects the routing table for packets (fib_rule_hdr and its attributes, linux/fib_rules.h).
public struct RoutingRule: Sendable, Hashable {
    public let family: IPFamily
    /// The source of the packets it applies to; nil for any.
    public let source: CIDR?
    /// The table to look up; 0 for a rule without one.
    public let table: UInt32
    /// Lower ones come first; nil lets the kernel put it before the existing rules.
    public var priority: UInt32?
    /// RTPROT_*: the program that added it (FRA_PROTOCOL). 2 is the kernel; 0 is unknown: before 4.17, or not reported.
    public var origin: UInt8 = 0
    /// Whether it has conditions besides the source, or is inverted.
    public let hasOtherConditions: Bool

    /// Routes packets from one address by that table.
    public init(from source: IPAddress, table: UInt32) {
        family = source.family
        self.source = CIDR(source, source.family.bitWidth)
        self.table = table
        hasOtherConditions = false
    }

    /// Whether it applies to all packets from this address and to no others.
    public func isOnly(from address: IPAddress) -> Bool {
        !hasOtherConditions && table != 0 && source == CIDR(address, address.family.bitWidth)
    }

    /// Reads an RTM_NEWRULE message; nil for unknown families.
    public init?(_ message: Message) {
        guard message.type == RouteMessageType.newRule, message.payload.count >= 12,
            let family = IPFamily(code: message.payload.load(UInt8.self, at: 0))
        else { return nil }
        let octet = { (offset: Int) in message.payload.load(UInt8.self, at: offset) }
        let attributes = Attributes(message.payload.dropFirst(12))
        let length = Int(octet(2))
        guard length <= family.bitWidth else { return nil }
        let address = attributes[FRA.source].flatMap { IPAddress(bytes: $0.bytes) }
        guard address == nil || address?.family == family else { return nil }
        self.family = family
        source = length == 0 ? nil : address.map { CIDR($0, length) }
        let looksUp = octet(7) == FRA.actionTable
        table = looksUp ? attributes[FRA.table]?.uint32 ?? UInt32(octet(4)) : 0
        priority = attributes[FRA.priority]?.uint32
        origin = attributes[FRA.origin]?.uint8 ?? 0
        let isInverted = message.payload.load(UInt32.self, at: 8) & FRA.inverted != 0
        hasOtherConditions =
            octet(1) != 0 || octet(3) != 0 || isInverted || attributes.types.contains(where: FRA.conditions.contains)
    }
}

/// Rule attributes, actions and flags, linux/fib_rules.h.
enum FRA {
    static let source: UInt16 = 2
    static let priority: UInt16 = 6
    static let table: UInt16 = 15
    static let origin: UInt16 = 21

    /// FRA_DST, _IIFNAME, _FWMARK, _OIFNAME, _L3MDEV, _UID_RANGE, _IP_PROTO, _SPORT_RANGE, _DPORT_RANGE. FRA_FLOW, FRA_TUN_ID and
    /// the suppress attributes are not conditions.
    static let conditions: Set<UInt16> = [1, 3, 10, 17, 19, 20, 22, 23, 24]

    /// FR_ACT_TO_TBL.
    static let actionTable: UInt8 = 1
    /// FIB_RULE_INVERT.
    static let inverted: UInt32 = 2
}

extension MessageBuilder {
    private mutating func rule(_ rule: RoutingRule) {
        append(rule.family.code)
        append(UInt8(0))  // destination prefix
        append(UInt8(rule.source?.prefixLength ?? 0))
        append(UInt8(0))  // type of service
        append(UInt8(rule.table < 256 ? rule.table : 0))
        append(UInt16(0))
        append(FRA.actionTable)
        append(UInt32(0))
        if let source = rule.source { attribute(FRA.source, source.first) }
        if let priority = rule.priority { attribute(FRA.priority, uint32: priority) }
        if rule.table >= 256 { attribute(FRA.table, uint32: rule.table) }
        if rule.origin != 0 { attribute(FRA.origin, uint8: rule.origin) }
    }

    public mutating func addRule(_ rule: RoutingRule) {
        message(
            RouteMessageType.newRule, flags: MessageFlag.request | MessageFlag.create | MessageFlag.exclusive
        ) { $0.rule(rule) }
    }

    public mutating func deleteRule(_ rule: RoutingRule) {
        message(RouteMessageType.deleteRule, flags: MessageFlag.request) { $0.rule(rule) }
    }

    /// Asks for all rules of a family.
    public mutating func dumpRules(_ family: IPFamily) {
        dumpOfFamily(RouteMessageType.getRule, family)
    }
}
