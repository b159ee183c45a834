/// Pauses between attempts: each twice as long as the last, up to a limit, and random, so that thousands of nodes do
/// not all come back in the same moment.
public struct Backoff: Sendable {
    private let first: Duration
    private let longest: Duration
    private var next: Duration

    /// - Parameters:
    ///   - first: the longest first pause; must be positive.
    ///   - longest: no pause is longer.
    public init(first: Duration = .milliseconds(200), longest: Duration = .seconds(30)) {
        self.first = first
        self.longest = longest
        next = first
    }

    /// The pause before the next attempt: between half and all of the current length.
    public mutating func pause() -> Duration {
        defer { next = min(next * 2, longest) }
        return next * Double.random(in: 0.5...1)
    }

    /// An attempt has succeeded.
    public mutating func reset() { next = first }
}
