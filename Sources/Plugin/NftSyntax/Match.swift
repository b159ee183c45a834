internal import NetlinkCodec

/// How a subject is compared.
enum Comparator {
    /// No operator was written: equality, or for states, any one of them.
    case implicit
    case equal
    case notEqual
    case ordered(NftExpression.Comparison)

    var isNegated: Bool { if case .notEqual = self { true } else { false } }
    var isImplicit: Bool { if case .implicit = self { true } else { false } }
}

/// One match: a subject, possibly masked, and the value or set of values to compare it with.
struct Match {
    let subject: Subject
    let mask: UInt128?
    let comparator: Comparator
    let values: [Value]
    /// Whether the values were in braces.
    let isSet: Bool

    /// The expressions of the match, and the set that it needs under this number.
    func expressions(setNumber: UInt32) -> ([NftExpression], NftAnonymousSet?) {
        // As in nft: braces around a single value have no effect.
        guard values.count > 1, let (key, isHostOrder) = subject.setKey else { return (comparison(values[0]), nil) }
        let isInterval = values.contains { if case .single = $0 { false } else { true } }
        let elements: [NftAnonymousSet.Element] =
            if isInterval {
                intervals()
            } else {
                values.map { NftAnonymousSet.Element(octets($0.bounds(width: width).0, inHostOrder: true)) }
            }
        let set = NftAnonymousSet(
            number: setNumber, key: key, isHostOrder: isHostOrder, isInterval: isInterval, elements: elements)
        return (load(inNetworkOrder: isInterval) + [.anonymousLookup(setNumber, inverted: comparator.isNegated)], set)
    }

    private var width: Int { Int(subject.length) * 8 }

    /// Loads the whole subject.
    private func load(inNetworkOrder: Bool) -> [NftExpression] {
        var expressions = [subject.load(subject.length)]
        if let mask { expressions.append(.mask(octets(mask, inHostOrder: true))) }
        if inNetworkOrder, subject.isHostNumber { expressions.append(.networkOrder()) }
        return expressions
    }

    private func comparison(_ value: Value) -> [NftExpression] {
        let operation: NftExpression.Comparison = comparator.isNegated ? .notEqual : .equal
        switch (value, comparator) {
        case (.single(let number), .ordered(let order)):
            return load(inNetworkOrder: true) + [.compare(order, octets(number))]
        case (.single(let number), .implicit) where subject.isBitmask:
            let none = octets(0)
            return load(inNetworkOrder: false) + [.mask(octets(number, inHostOrder: true)), .compare(.notEqual, none)]
        case (.single(let number), _):
            return load(inNetworkOrder: false) + [.compare(operation, octets(number, inHostOrder: true))]
        case (.prefix(let number, let bits), _):
            let octets = octets(number)
            // Whole octets are compared directly. A name is always loaded completely.
            if bits > 0, bits % 8 == 0 {
                let length = subject.kind == .interfaceName ? subject.length : UInt32(bits / 8)
                return [subject.load(length), .compare(operation, Array(octets.prefix(bits / 8)))]
            }
            let (_, end) = Value.prefix(0, bits: bits).bounds(width: width)
            return [
                subject.load(subject.length), .mask(self.octets(subject.maximum ^ end)), .compare(operation, octets),
            ]
        case (.range(let first, let last), .notEqual):
            return load(inNetworkOrder: true) + [.outside(first: octets(first), last: octets(last))]
        case (.range(let first, let last), _):
            return load(inNetworkOrder: true)
                + [.compare(.greaterOrEqual, octets(first)), .compare(.lessOrEqual, octets(last))]
        }
    }

    /// The bounds of the values' ranges, with adjacent ranges merged, as the kernel's interval sets require.
    private func intervals() -> [NftAnonymousSet.Element] {
        var ranges: [(first: UInt128, last: UInt128)] = []
        for (first, last) in values.map({ $0.bounds(width: width) }).sorted(by: { $0.0 < $1.0 }) {
            if let previous = ranges.last, previous.last == subject.maximum || first <= previous.last + 1 {
                ranges[ranges.count - 1].last = max(previous.last, last)
            } else {
                ranges.append((first, last))
            }
        }
        // What lies below the first range is outside, and so is what lies above the last one.
        var elements: [NftAnonymousSet.Element] =
            ranges.first?.first == 0 ? [] : [NftAnonymousSet.Element(octets(0), isEnd: true)]
        for range in ranges {
            elements.append(NftAnonymousSet.Element(octets(range.first)))
            guard range.last < subject.maximum else { break }
            elements.append(NftAnonymousSet.Element(octets(range.last + 1), isEnd: true))
        }
        return elements
    }

    /// A number of the subject's length, in network byte order, or in the subject's own order.
    private func octets(_ number: UInt128, inHostOrder: Bool = false) -> [UInt8] {
        if inHostOrder, subject.isHostNumber {
            var builder = MessageBuilder()
            builder.append(UInt32(number))
            return builder.bytes
        }
        return (1...Int(subject.length)).map {
            UInt8(truncatingIfNeeded: number >> UInt128((Int(subject.length) - $0) * 8))
        }
    }
}
