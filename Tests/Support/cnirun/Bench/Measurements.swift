import Foundation

/// All samples of a run, and what can be asked of them.
struct Measurements {
    private(set) var samples: [Sample] = []
    private var subjects: [Subject] = []
    private(set) var peaks: [(subject: Subject, verb: Verb, kib: Int)] = []

    mutating func add(_ session: Session) {
        samples += session.samples
        peaks += session.peaks
        subjects += session.subjects.filter { subject in session.samples.contains { $0.subject == subject } }
    }

    mutating func add(_ sample: Sample) { samples.append(sample) }

    func of(_ subject: Subject, _ verb: Verb) -> [Sample] {
        samples.filter { $0.subject == subject && $0.verb == verb }
    }

    func median(_ subject: Subject, _ verb: Verb) -> Duration? {
        let walls = of(subject, verb).map(\.wall)
        return walls.isEmpty ? nil : quantile(walls, 0.5)
    }

    /// How many times the other's median the median is.
    func ratio(_ subject: Subject, to other: Subject, _ verb: Verb) -> Double? {
        guard let mine = median(subject, verb), let theirs = median(other, verb) else { return nil }
        return Double(mine.microseconds) / Double(max(theirs.microseconds, 1))
    }

    /// The median of what the one took more than the other in the same round: what disturbs a round disturbs both.
    func difference(_ subject: Subject, minus other: Subject, _ verb: Verb) -> Duration? {
        let others = Dictionary(of(other, verb).map { ($0.round, $0.wall) }) { first, _ in first }
        let differences = of(subject, verb).compactMap { sample in others[sample.round].map { sample.wall - $0 } }
        return differences.isEmpty ? nil : quantile(differences, 0.5)
    }

    func peak(_ subject: Subject, _ verb: Verb) -> Int? {
        peaks.filter { $0.subject == subject && $0.verb == verb }.map(\.kib).max()
    }

    /// Of all rounds together: within a single short process the division between user and kernel is a guess.
    func kernelShare(_ subject: Subject, _ verb: Verb) -> Int? {
        let mine = of(subject, verb)
        guard mine.count >= 10 else { return nil }
        let kernel = mine.reduce(0) { $0 + $1.kernel.microseconds }
        let user = mine.reduce(0) { $0 + $1.user.microseconds }
        return Int(100 * kernel / max(kernel + user, 1))
    }

    /// Something of those subjects that have samples, each once, in order.
    func unique<T: Hashable>(_ part: (Subject) -> T, where isMeant: (Subject) -> Bool = { _ in true }) -> [T] {
        var seen: Set<T> = []
        return subjects.lazy.filter(isMeant).map(part).filter { seen.insert($0).inserted }
    }
}

/// Nearest rank: always a value that was measured.
func quantile(_ values: [Duration], _ share: Double) -> Duration {
    precondition(!values.isEmpty, "a quantile of nothing")
    let rank = Int((share * Double(values.count)).rounded(.up))
    return values.sorted()[min(max(rank, 1), values.count) - 1]
}

extension Duration {
    /// Milliseconds with two places, for a table.
    var cell: String { String(format: "%.2f", Double(microseconds) / 1000) }
}
