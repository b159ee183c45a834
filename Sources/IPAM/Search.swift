internal import Net

/// The addresses of one family that are in use, as ranges that neither overlap nor touch the order.
struct TakenRanges: Sendable {
    private(set) var ranges: [AddressRange] = []

    init(_ units: some Sequence<CIDR>, family: IPFamily) {
        for range in units.filter({ $0.family == family }).map(\.range).sorted(by: { $0.first < $1.first }) {
            if let last = ranges.last, range.first <= last.last {
                ranges[ranges.count - 1] = AddressRange(last.first, max(last.last, range.last))
            } else {
                ranges.append(range)
            }
        }
    }

    /// The lowest range that shares addresses with a unit.
    func firstOverlap(with unit: CIDR) -> AddressRange? {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].last < unit.first { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].overlaps(unit.range) ? ranges[low] : nil
    }
}

/// The units of a range set that may be handed out, in the order of the search.
///
/// A type of its own rather than lazy sequences of the library, which each process would have to set up at run time.
struct Units: Sequence, IteratorProtocol {
    private let set: RangeSet
    private let stretches: [Stretch]
    private var position = 0
    private var number: UInt128

    init(_ set: RangeSet, after last: IPAddress?) {
        self.set = set
        stretches = set.stretches(after: last)
        number = stretches.first?.lower ?? 0
    }

    mutating func next() -> CIDR? {
        while position < stretches.count {
            let stretch = stretches[position]
            while number < stretch.upper {
                let unit = set.pools[stretch.pool].unit(number)
                number += 1
                if !set.holdsGateway(unit) { return unit }
            }
            position += 1
            if position < stretches.count { number = stretches[position].lower }
        }
        return nil
    }
}

extension RangeSet {
    /// The units that may be handed out: from behind `last`, once around.
    func units(after last: IPAddress?) -> Units { Units(self, after: last) }

    /// The first unit behind `last`, once around, that shares no address with what is taken or with a gateway.
    func firstFree(after last: IPAddress?, avoiding taken: TakenRanges) -> CIDR? {
        for stretch in stretches(after: last) {
            let pool = pools[stretch.pool]
            var number = stretch.lower
            while number < stretch.upper {
                let unit = pool.unit(number)
                if let overlap = taken.firstOverlap(with: unit) {
                    // As far as the range in the way reaches, nothing is free.
                    number = max(number, pool.numbers(overlapping: overlap)?.upperBound ?? number) + 1
                } else if holdsGateway(unit) {
                    number += 1
                } else {
                    return unit
                }
            }
        }
        return nil
    }

    /// How many units that could be handed out share addresses with what is taken.
    func used(_ taken: TakenRanges) -> UInt128 {
        var used: UInt128 = 0
        for pool in pools {
            var next: UInt128 = 0
            for range in taken.ranges {
                guard let numbers = pool.numbers(overlapping: range), numbers.upperBound >= next else { continue }
                used += numbers.upperBound - max(numbers.lowerBound, next) + 1
                next = numbers.upperBound + 1
            }
            for number in gatewayNumbers(in: pool) where taken.firstOverlap(with: pool.unit(number)) != nil {
                used -= 1
            }
        }
        return used
    }

    /// The units of a pool that no one gets as a gateway lies in them.
    func gatewayNumbers(in pool: Pool) -> Set<UInt128> { Set(pools.compactMap(\.gateway).compactMap(pool.number)) }

    /// How many units can be handed out at all; `UInt128.max` also when it is one more.
    var capacity: UInt128 {
        pools.reduce(0) { sum, pool in
            let (total, overflow) = sum.addingReportingOverflow(
                pool.unitCount - UInt128(gatewayNumbers(in: pool).count))
            return overflow ? .max : total
        }
    }
}
