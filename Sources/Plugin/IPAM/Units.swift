internal import Addresses

/// The units of a range set that may be handed out, in search order.
///
/// A dedicated type instead of the standard library's lazy sequences, which each process would have to set up at run time.
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
