internal import Addresses

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
    func gatewayNumbers(in pool: Pool) -> Set<UInt128> { Set(pools.compactMap { $0.gateway }.compactMap(pool.number)) }

    /// How many units can be handed out at all; `UInt128.max` also when it is one more.
    var capacity: UInt128 {
        pools.reduce(0) { sum, pool in
            let (total, overflow) = sum.addingReportingOverflow(
                pool.unitCount - UInt128(gatewayNumbers(in: pool).count))
            return overflow ? .max : total
        }
    }
}
