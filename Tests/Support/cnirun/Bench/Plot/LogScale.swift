import Foundation

/// Maps values to pixels by their logarithm. The range is from a round number well below all values, so that even the smallest
/// has a bar, to one above.
struct LogScale {
    let ticks: [Double]
    private let low: Double
    private let high: Double
    private let from: Double
    private let to: Double

    /// - Parameter values: all must be above 0.
    init(_ values: [Double], from: Double, to: Double) {
        (self.from, self.to) = (from, to)
        let least = values.min() ?? 1
        let most = max(values.max() ?? 10, least * 1.01)
        let decades = Int(log10(least / 2).rounded(.down))...Int(log10(most).rounded(.up))
        let round = decades.flatMap { decade in [1.0, 2, 5].map { $0 * pow(10, Double(decade)) } }
        low = round.last { $0 <= least * 0.6 } ?? least / 2
        high = round.first { $0 >= most } ?? most
        let fits = round.filter { [low, high] in $0 >= low * 0.999 && $0 <= high * 1.001 }
        // If there are too many, only powers of ten.
        ticks = fits.count <= 8 ? fits : fits.filter { abs(log10($0).rounded() - log10($0)) < 1e-9 }
    }

    func position(_ value: Double) -> Double {
        from + (to - from) * (log10(max(value, low)) - log10(low)) / (log10(high) - log10(low))
    }
}

/// The shortest notation: 0.5, 2.6, 158, 5,000.
func short(_ value: Double) -> String {
    value >= 100 ? value.rounded().formatted() : String(format: value >= 10 ? "%.3g" : "%.2g", value)
}
