internal import NetlinkCodec

/// The decisions that rules leave to chance, such as kube-proxy's choice of a Service's endpoint, in the order in which a packet
/// meets them.
///
/// Walking with ``init()`` and then with each ``next`` takes every branch once.
public struct Choices: Sendable, Hashable {
    /// Which alternative to take; after them, the first of each.
    private let path: [Int]
    private var made: [Choice] = []

    private struct Choice: Hashable {
        let taken: Int
        let count: Int
    }

    /// Takes the first of all alternatives.
    public init() { path = [] }

    private init(path: [Int]) { self.path = path }

    /// Decides between a number of alternatives.
    ///
    /// - Precondition: there is at least one.
    mutating func take(of count: Int) -> Int {
        precondition(count > 0, "there is something to choose from")
        guard count > 1 else { return 0 }
        let taken = made.count < path.count ? min(path[made.count], count - 1) : 0
        made.append(Choice(taken: taken, count: count))
        return taken
    }

    /// The next branch after those that were taken; nil after the last one.
    public var next: Choices? {
        guard let last = made.lastIndex(where: { $0.taken + 1 < $0.count }) else { return nil }
        return Choices(path: made[..<last].map { $0.taken } + [made[last].taken + 1])
    }

    /// How many decisions were made.
    public var count: Int { made.count }
}

/// Numbers that the kernel draws, or computes with a seed of its own.
extension NftMachine {
    /// Loads one of the numbers that `numgen` or `hash` may give; nil for other expressions, and where chance is not followed.
    mutating func chance(
        _ name: String, _ octets: [UInt8], _ following: ArraySlice<NftListedExpression>, _ table: NftTable
    ) -> [UInt8]? {
        guard context.choices != nil, let (modulus, offset) = NftMachine.drawn(name, octets), modulus > 0,
            offset <= .max - (modulus - 1)
        else { return nil }
        let values = values(offset...offset + (modulus - 1), following, table)
        return self.octets(values[choose(of: values.count)])
    }

    /// How many numbers an expression may give, and the first of them; nil for other expressions.
    private static func drawn(_ name: String, _ octets: [UInt8]) -> (modulus: UInt32, offset: UInt32)? {
        let attributes = Attributes(octets[...])
        switch name {
        case "numgen": return NftNumberGenerator(attributes).map { ($0.modulus, $0.offset) }
        case "hash": return NftHash(attributes).map { ($0.modulus, $0.offset) }
        default: return nil
        }
    }

    /// Takes one of several alternatives.
    ///
    /// - Precondition: chance is followed.
    private mutating func choose(of count: Int) -> Int {
        guard var choices = context.choices else { preconditionFailure("chance is followed") }
        defer { context.choices = choices }
        return choices.take(of: count)
    }

    /// All numbers of a small range; of a larger one, at least one for each way in which the rest of the rule tells them apart.
    private func values(
        _ range: ClosedRange<UInt32>, _ following: ArraySlice<NftListedExpression>, _ table: NftTable
    ) -> [UInt32] {
        guard range.count > 64 else { return Array(range) }
        let constants = following.flatMap { expression -> [[UInt8]] in
            switch expression {
            case .compare(_, let value, _): [value]
            case .range(_, let first, let last, _): [first, last]
            case .lookup(let set, _, _, _): ruleset.sets[Ruleset.Place(table: table, name: set)]?.keys ?? []
            default: []
            }
        }
        var edges: Set<UInt32> = [range.lowerBound]
        for constant in constants where constant.count == 4 {
            let number = constant[...].load(UInt32.self, at: 0)
            // Rules with ranges compare in network byte order.
            for edge in [number, number.byteSwapped] {
                for value in [edge &- 1, edge, edge &+ 1] where range.contains(value) { edges.insert(value) }
            }
        }
        return edges.sorted()
    }

    /// struct xt_statistic_info: mode, flags, and the probability in 1/2^31, or the interval less one (linux/netfilter/xt_statistic.h).
    mutating func statistic(_ info: ArraySlice<UInt8>) -> Step? {
        guard info.count >= 8, context.choices != nil else { return nil }
        let number = info.load(UInt32.self, at: 4)
        let isInverted = info.load(UInt16.self, at: 2) & 1 != 0
        let isSo: Bool
        switch info.load(UInt16.self, at: 0) {
        case 0: isSo = number >= 1 << 31 || number > 0 && choose(of: 2) == 0
        case 1: isSo = number == 0 || choose(of: 2) == 0
        default: return nil
        }
        return isSo != isInverted ? .matched : .noMatch
    }
}
