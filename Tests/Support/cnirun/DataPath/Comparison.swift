import Foundation

/// A quantity of one site compared with the same quantity of another site, round by round.
struct Comparison {
    /// How many times better it was in each round, ascending: above 1 is better, for latencies too.
    private let ratios: [Double]

    /// Only rounds that both have: their turns in a round are close together, so a disturbance affects both.
    init(_ quantity: Quantity, _ mine: [Int: Double], against theirs: [Int: Double]) {
        ratios =
            mine.compactMap { round, value in
                guard let other = theirs[round], other > 0, value > 0 else { return nil }
                return quantity.moreIsBetter ? value / other : other / value
            }.sorted()
    }

    var median: Double? {
        if ratios.isEmpty { return nil }
        let middle = ratios.count / 2
        return ratios.count.isMultiple(of: 2) ? (ratios[middle - 1] + ratios[middle]) / 2 : ratios[middle]
    }

    /// The 95 % confidence interval of the median, by the sign test, which assumes nothing about the distribution of the
    /// ratios. Nil with fewer than six rounds, which cannot show anything.
    var interval: ClosedRange<Double>? {
        var rank = 0
        var tail = pow(0.5, Double(ratios.count))
        var sum = tail
        while sum <= 0.025 {
            rank += 1
            tail *= Double(ratios.count - rank + 1) / Double(rank)
            sum += tail
        }
        return rank == 0 ? nil : ratios[rank - 1]...ratios[ratios.count - rank]
    }

    enum Verdict: String {
        case better, met, undecided
        case worse = "**worse**"
    }

    /// - Parameter control: two identical sites, compared in the same way. Their difference is noise.
    func verdict(_ control: Comparison) -> Verdict? {
        guard let interval, let noise = control.noise else { return nil }
        if interval.upperBound < 1 - noise { return .worse }
        if interval.lowerBound > 1 + noise { return .better }
        return interval.lowerBound >= 1 - noise ? .met : .undecided
    }

    /// How far from 1 the median of identical sites may be, at least 2 %. It is capped at 10 %: beyond that the machine was too
    /// busy to tell.
    private var noise: Double? {
        interval.map { min(max(abs(1 - $0.lowerBound), abs($0.upperBound - 1), 0.02), 0.1) }
    }
}
