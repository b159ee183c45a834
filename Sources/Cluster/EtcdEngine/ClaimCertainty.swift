/// How long a node can be sure of a claim that is kept by a lease: until others could have got it, had etcd ended the
/// lease as early as it may.
///
/// Counted from the moment at which the last renewal was asked for, since the lease's time began after that; and by a
/// clock that nobody sets and that goes on while the machine is suspended.
struct ClaimCertainty: Sendable, Hashable {
    private(set) var end: ContinuousClock.Instant

    /// - Parameters:
    ///   - asked: when the request was sent that renewed (or began) the lease.
    ///   - seconds: the lease's time, as etcd has answered; positive.
    init(asked: ContinuousClock.Instant, seconds: Int64) {
        // Clocks of two machines run differently by much less than a hundredth.
        end = asked + .seconds(seconds) * 0.99
    }

    func holds(at now: ContinuousClock.Instant) -> Bool { now < end }

    /// When to renew: three attempts fit into a short lease, and a long one is not asked for more often than each
    /// minute.
    static func interval(_ seconds: Int) -> Duration { min(.seconds(seconds) / 4, .seconds(60)) }
}
