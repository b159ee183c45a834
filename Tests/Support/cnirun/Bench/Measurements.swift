import Foundation

/// All samples of a run, and statistics over them.
struct Measurements {
    private(set) var samples: [Sample] = []
    private(set) var footprints: [Footprint] = []
    private(set) var bursts: [Burst] = []
    private var subjects: [Subject] = []

    mutating func add(_ session: Session) {
        samples += session.samples
        footprints += session.footprints
        subjects += session.subjects.filter { subject in session.samples.contains { $0.subject == subject } }
    }

    mutating func add(_ sample: Sample) { samples.append(sample) }

    mutating func add(_ more: Bursts) { bursts += more.bursts }

    func of(_ subject: Subject, _ verb: Verb) -> [Sample] {
        samples.filter { $0.subject == subject && $0.verb == verb }
    }

    func median(_ subject: Subject, _ verb: Verb) -> Duration? {
        let walls = of(subject, verb).map(\.wall)
        return walls.isEmpty ? nil : quantile(walls, 0.5)
    }

    /// The ratio of the two medians.
    func ratio(_ subject: Subject, to other: Subject, _ verb: Verb) -> Double? {
        guard let mine = median(subject, verb), let theirs = median(other, verb) else { return nil }
        return Double(mine.microseconds) / Double(max(theirs.microseconds, 1))
    }

    /// The median of the differences within each round: a disturbance affects both in the same round.
    func difference(_ subject: Subject, minus other: Subject, _ verb: Verb) -> Duration? {
        let others = Dictionary(of(other, verb).map { ($0.round, $0.wall) }) { first, _ in first }
        let differences = of(subject, verb).compactMap { sample in others[sample.round].map { sample.wall - $0 } }
        return differences.isEmpty ? nil : quantile(differences, 0.5)
    }

    /// Mean processor times. Their sum is exact, but the kernel determines the split by sampling at each timer tick, and a
    /// process that no tick hits counts as all user time. So each sample with kernel time counts as at least one tick.
    func processor(_ subject: Subject, _ verb: Verb) -> (user: Duration, kernel: Duration)? {
        let mine = of(subject, verb)
        if mine.isEmpty { return nil }
        let total = mine.reduce(Duration.zero) { $0 + $1.user + $1.kernel }
        let tick = Measurements.tick
        let kernel = mine.filter { $0.kernel > .zero }.reduce(Duration.zero) { $0 + max($1.kernel, tick) }
        return ((total - min(kernel, total)) / mine.count, min(kernel, total) / mine.count)
    }

    private static let tick: Duration = {
        var resolution = timespec()
        clock_getres(CLOCK_MONOTONIC_COARSE, &resolution)
        return .seconds(resolution.tv_sec) + .nanoseconds(resolution.tv_nsec)
    }()

    /// The largest peak in MB (1,000,000 bytes); of all verbs if none is given.
    func peak(_ subject: Subject, _ verb: Verb? = nil) -> Double? {
        footprints.filter { $0.subject == subject && (verb == nil || $0.verb == verb) }.compactMap(\.peakKiB).max()
            .map { Double($0) * 1024 / 1_000_000 }
    }

    /// The median of a count.
    func count(_ part: KeyPath<Footprint, Int?>, _ subject: Subject, _ verb: Verb) -> Int? {
        let counts = footprints.filter { $0.subject == subject && $0.verb == verb }.compactMap { $0[keyPath: part] }
        return counts.isEmpty ? nil : counts.sorted()[counts.count / 2]
    }

    /// Pods per second, the median of all bursts.
    func podsPerSecond(_ system: String, _ verb: Verb, inFlight: Int) -> Double? {
        let walls = bursts.filter { $0.system == system && $0.verb == verb && $0.inFlight == inFlight }
            .map(\.podsPerSecond).sorted()
        return walls.isEmpty ? nil : walls[walls.count / 2]
    }

    /// The configurations of the tables, in order.
    var configurations: [String] { unique(\.conf) { $0.pods == 0 && $0.conf != Contenders.loopbackUp } }

    /// The distinct values of a property of all subjects with samples, in order.
    func unique<T: Hashable>(_ part: (Subject) -> T, where isMeant: (Subject) -> Bool = { _ in true }) -> [T] {
        var seen: Set<T> = []
        return subjects.lazy.filter(isMeant).map(part).filter { seen.insert($0).inserted }
    }
}

/// By nearest rank: always a measured value.
func quantile(_ values: [Duration], _ share: Double) -> Duration {
    precondition(!values.isEmpty, "a quantile of nothing")
    let rank = Int((share * Double(values.count)).rounded(.up))
    return values.sorted()[min(max(rank, 1), values.count) - 1]
}

extension Duration {
    var inMilliseconds: Double { Double(microseconds) / 1000 }

    /// Milliseconds with two places, for a table.
    var cell: String { String(format: "%.2f", inMilliseconds) }
}
