/// Tells when to pause so that several parts of an answer can be handled together.
struct Pace {
    private let gathering: Duration
    /// Parts that came one right after the other.
    private var together = 0
    private var waiting = ContinuousClock.now

    /// A part that took longer to come was not there yet.
    private static let immediate: Duration = .microseconds(100)
    /// Where so many come together, waiting would only hold them up.
    private static let enough = 4

    init(_ gathering: Duration) { self.gathering = gathering }

    /// To be called when a part has come.
    ///
    /// - Returns: how long to wait before it is handled.
    mutating func pause() -> Duration? {
        guard gathering > .zero else { return nil }
        if ContinuousClock.now - waiting < Self.immediate {
            together += 1
            return nil
        }
        defer { together = 1 }
        return together < Self.enough ? gathering : nil
    }

    /// To be called when the next part is asked for.
    mutating func wait() { if gathering > .zero { waiting = .now } }
}
