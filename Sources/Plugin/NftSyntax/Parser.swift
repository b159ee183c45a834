internal import Addresses
internal import NetlinkCodec

/// Reads matches from left to right.
struct Parser {
    private let tokens: [Token]
    private var position = 0
    private let family: IPFamily

    init(_ text: String, _ family: IPFamily) throws(NftSyntaxError) {
        tokens = try Token.all(in: text)
        self.family = family
    }

    var isAtEnd: Bool { position == tokens.count }

    /// The first token of the last call of ``match()``.
    private(set) var beginning = Token(text: "", word: 1, isQuoted: false)

    private func peek(_ offset: Int = 0) -> Token? {
        position + offset < tokens.count ? tokens[position + offset] : nil
    }

    private mutating func next(_ wanted: String) throws(NftSyntaxError) -> Token {
        guard let token = peek() else {
            let place = tokens.last.map { "the condition ends at word \($0.word)" } ?? "the condition is empty"
            throw NftSyntaxError("\(place), where \(wanted) is expected")
        }
        position += 1
        return token
    }

    private mutating func skip(_ symbol: String) -> Bool {
        guard let token = peek(), token.text == symbol, !token.isQuoted else { return false }
        position += 1
        return true
    }

    /// The word that selects a member of a group.
    private mutating func key<Value>(_ words: [String: Value]) throws(NftSyntaxError) -> Value {
        let wanted = words.keys.sorted().joined(separator: ", ")
        let token = try next(wanted)
        guard let value = words[token.text], !token.isQuoted else { throw .unknown(token, wanted: wanted) }
        return value
    }

    // Matches.

    mutating func match() throws(NftSyntaxError) -> Match {
        let subject = try subject()
        var mask: UInt128?
        if subject.kind == .mark, skip("&") || skip("and") {
            mask = try subject.number(next("a mask"))
        }
        let comparator = comparator()
        let begin = peek()
        let (values, isSet) = try values(of: subject, comparator)
        if case .ordered = comparator, let begin {
            guard !isSet, values.count == 1, case .single = values[0] else {
                throw NftSyntaxError(begin, "cannot be compared by < or >: give a single value")
            }
            guard subject.isOrdered else {
                throw NftSyntaxError(begin, "cannot be compared by < or >: use == or !=")
            }
        }
        if subject.kind == .networkProtocol, let begin, values != [.single(family == .v4 ? 2 : 10)] {
            throw NftSyntaxError(begin, "is of the wrong family: the condition is of IP\(family)")
        }
        return Match(subject: subject, mask: mask, comparator: comparator, values: values, isSet: isSet)
    }

    private mutating func comparator() -> Comparator {
        for (comparator, symbols) in Parser.comparators where symbols.contains(where: { skip($0) }) {
            return comparator
        }
        return .implicit
    }

    private static let comparators: [(Comparator, [String])] = [
        (.equal, ["==", "eq"]), (.notEqual, ["!=", "ne"]), (.ordered(.less), ["<", "lt"]),
        (.ordered(.greater), [">", "gt"]), (.ordered(.lessOrEqual), ["<=", "le"]),
        (.ordered(.greaterOrEqual), [">=", "ge"]),
    ]

    // Subjects.

    private static let subjects = "a match (ip, ip6, ether, tcp, udp, sctp, th, iifname, oifname, meta, ct, fib)"

    private mutating func subject() throws(NftSyntaxError) -> Subject {
        let token = try next(Parser.subjects)
        beginning = token
        guard !token.isQuoted else { throw .unknown(token, wanted: Parser.subjects) }
        switch token.text {
        case "ip":
            try require(.v4, token)
            return try key([
                "saddr": .network(12, .address(.v4)), "daddr": .network(16, .address(.v4)),
                "protocol": .network(9, .protocolNumber(isHostOrder: false)),
            ])
        case "ip6":
            try require(.v6, token)
            return try key([
                "saddr": .network(8, .address(.v6)), "daddr": .network(24, .address(.v6)),
                "nexthdr": .network(6, .protocolNumber(isHostOrder: false)),
            ])
        case "tcp", "udp", "sctp", "th":
            let offset = try key(["sport": UInt32(0), "dport": 2])
            return .port(offset, Subject.transports[token.text])
        case "ether": return try key(["saddr": .link(6), "daddr": .link(0)])
        case "meta":
            var subjects = Parser.unqualified
            subjects["l4proto"] = .meta(.transportProtocol, .protocolNumber(isHostOrder: true))
            subjects["nfproto"] = .meta(.networkProtocol, .networkProtocol)
            subjects["pkttype"] = .meta(.packetType, .named(.packetTypes))
            return try key(subjects)
        case "ct":
            return try key([
                "state": .connection(.state, .named(.states)), "mark": .connection(.mark, .mark),
                "status": .connection(.status, .named(.statuses)),
                "direction": .connection(.direction, .named(.directions)),
            ])
        case "fib": return try addressType()
        default:
            guard let subject = Parser.unqualified[token.text] else { throw .unknown(token, wanted: Parser.subjects) }
            return subject
        }
    }

    /// What `meta` need not stand before. nft looks an interface up for `iif` and keeps its number, which another one may have the
    /// next day; here it is the name that counts.
    private static var unqualified: [String: Subject] {
        let (input, output) = (
            Subject.meta(.inputInterfaceName, .interfaceName), Subject.meta(.outputInterfaceName, .interfaceName)
        )
        return [
            "iifname": input, "iif": input, "oifname": output, "oif": output, "mark": .meta(.mark, .mark),
            "skuid": .meta(.userID, .identity(.userID)), "skgid": .meta(.groupID, .identity(.groupID)),
        ]
    }

    /// `fib daddr . iif type`
    private mutating func addressType() throws(NftSyntaxError) -> Subject {
        var flags: NftFib.Flags = []
        let wanted = "saddr, daddr, mark, iif, oif"
        repeat {
            let token = try next(wanted)
            let flag: NftFib.Flags? =
                switch token.text {
                case "saddr": .source
                case "daddr": .destination
                case "mark": .mark
                case "iif": .inputInterface
                case "oif": .outputInterface
                default: nil
                }
            guard let flag, !token.isQuoted else { throw .unknown(token, wanted: wanted) }
            flags.insert(flag)
        } while skip(".")
        let end = try next("type")
        guard end.text == "type", !end.isQuoted else { throw .unknown(end, wanted: "type") }
        guard flags.contains(.source) != flags.contains(.destination),
            !flags.isSuperset(of: [.inputInterface, .outputInterface])
        else { throw NftSyntaxError(end, "is of one address, saddr or daddr, and of one interface at most") }
        return Subject(load: { [flags] _ in .addressType(flags) }, kind: .named(.addressTypes))
    }

    private func require(_ wanted: IPFamily, _ token: Token) throws(NftSyntaxError) {
        guard family == wanted else {
            throw NftSyntaxError(token, "is of the wrong family: the condition is of IP\(family)")
        }
    }

    // Values.

    private mutating func values(
        of subject: Subject, _ comparator: Comparator
    ) throws(NftSyntaxError) -> ([Value], isSet: Bool) {
        guard let brace = peek(), skip("{") else {
            let first = try value(of: subject)
            // Each name is one bit, so a list of them is a number.
            guard subject.isBitmask, case .single(var states) = first else { return ([first], false) }
            while skip(",") {
                guard case .single(let state) = try value(of: subject) else { break }
                states |= state
            }
            return ([.single(states)], false)
        }
        guard subject.setKey != nil else { throw NftSyntaxError(brace, "begins a list, which makes no sense here") }
        var values: [Value] = []
        repeat {
            // nft also accepts a trailing comma.
            if !values.isEmpty, let token = peek(), token.text == "}" { break }
            values.append(try value(of: subject))
            guard values.count <= Parser.longestList else {
                throw NftSyntaxError(brace, "begins a list of more than \(Parser.longestList) values")
            }
        } while skip(",")
        let end = try next("} or a comma")
        guard end.text == "}", !end.isQuoted else { throw .unknown(end, wanted: "} or a comma") }
        return (values, true)
    }

    /// Ensures that a set fits into one attribute, which is limited to 64 KiB.
    private static let longestList = 500

    /// One value, or the two ends of a range.
    private mutating func value(of subject: Subject) throws(NftSyntaxError) -> Value {
        let token = try next(subject.wantedValue)
        if subject.isOrdered, !token.isQuoted, !token.isForIptables {
            if let dash = peek(), dash.text == "-", !dash.isQuoted {
                position += 1
                let last = try next("the end of a range")
                return try range(subject, token, token, last)
            }
            let ends = token.text.split(separator: "-", omittingEmptySubsequences: false)
            if ends.count == 2 {
                let parts = ends.map { Token(text: String($0), word: token.word, isQuoted: false) }
                return try range(subject, token, parts[0], parts[1])
            }
        }
        return try subject.value(token)
    }

    private func range(
        _ subject: Subject, _ token: Token, _ first: Token, _ last: Token
    ) throws(NftSyntaxError) -> Value {
        guard case .single(let low) = try subject.value(first), case .single(let high) = try subject.value(last) else {
            throw NftSyntaxError(token, "is not a range: expected \(subject.wantedValue)")
        }
        return try subject.range(low, high, token)
    }
}
