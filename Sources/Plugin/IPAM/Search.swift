internal import Addresses

extension RangeSet {
    /// The units that may be handed out: starting after `last`, once around.
    func units(after last: IPAddress?) -> Units { Units(self, after: last) }

    /// The first unit after `last`, once around, that overlaps neither a taken range nor a gateway.
    func firstFree(after last: IPAddress?, avoiding taken: TakenRanges) -> CIDR? {
        for stretch in stretches(after: last) {
            let pool = pools[stretch.pool]
            var number = stretch.lower
            while number < stretch.upper {
                let unit = pool.unit(number)
                if let overlap = taken.firstOverlap(with: unit) {
                    // Nothing is free up to the end of the overlapping range.
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

    /// How many usable units overlap taken ranges.
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

    /// The units of a pool that are never handed out because they contain a gateway.
    func gatewayNumbers(in pool: Pool) -> Set<UInt128> { Set(pools.compactMap { $0.gateway }.compactMap(pool.number)) }

    /// How many units can be handed out in total; `UInt128.max` also stands for one more than that.
    var capacity: UInt128 {
        pools.reduce(0) { sum, pool in
            let (total, overflow) = sum.addingReportingOverflow(
                pool.unitCount - UInt128(gatewayNumbers(in: pool).count))
            return overflow ? .max : total
        }
    }
}
