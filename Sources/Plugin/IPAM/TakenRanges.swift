internal import Addresses

/// The addresses of one family that are in use, as ordered ranges that neither overlap nor touch.
struct TakenRanges: Sendable {
    private(set) var ranges: [AddressRange] = []

    init(_ units: some Sequence<CIDR>, family: IPFamily) {
        for range in units.filter({ $0.family == family }).map({ $0.range }).sorted(by: { $0.first < $1.first }) {
            if let last = ranges.last, range.first <= last.last {
                ranges[ranges.count - 1] = AddressRange(last.first, max(last.last, range.last))
            } else {
                ranges.append(range)
            }
        }
    }

    /// The lowest range that overlaps a unit.
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
