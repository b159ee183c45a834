internal import ClusterEngine

/// What is wrong at the moment, so that each cause is told once and `recovered` means that nothing is left.
struct Troubles {
    private var standing: [(cause: String, failure: EngineFailure)] = []

    var count: Int { standing.count }

    /// - Returns: the events to be told.
    mutating func begin(_ cause: String, _ failure: EngineFailure) -> [EngineEvent] {
        guard !standing.contains(where: { $0.cause == cause && $0.failure == failure }) else { return [] }
        standing.removeAll { $0.cause == cause }
        standing.append((cause, failure))
        return [.trouble(failure)]
    }

    /// - Parameter hasPassed: of the causes.
    /// - Returns: the events to be told: what is left comes again after `recovered`.
    mutating func end(_ hasPassed: (String) -> Bool) -> [EngineEvent] {
        let count = standing.count
        standing.removeAll { hasPassed($0.cause) }
        return standing.count == count ? [] : [.recovered] + standing.map { .trouble($0.failure) }
    }
}
