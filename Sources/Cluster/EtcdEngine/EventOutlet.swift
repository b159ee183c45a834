internal import ClusterEngine
internal import Synchronization

/// Puts the events of an engine's parts in one order, and tells each trouble once.
final class EventOutlet: Sendable {
    /// The parts, whose troubles come and go independently.
    enum Part: CaseIterable { case claim, watch, entries }

    private struct State {
        var troubles: [Part: EngineFailure] = [:]
        var doubt: EngineFailure?
    }

    let events: AsyncStream<EngineEvent>
    private let sink: AsyncStream<EngineEvent>.Continuation
    private let state = Mutex(State())

    init() { (events, sink) = AsyncStream.makeStream() }

    func send(_ event: EngineEvent) { sink.yield(event) }

    /// - Parameter again: also if a trouble of the same kind was told before.
    func trouble(_ failure: EngineFailure, in part: Part, again: Bool = false) {
        state.withLock { state in
            // Parts that fail at once do so for one cause.
            let isKnown = state.troubles.values.contains { $0.kind == failure.kind }
            state.troubles[part] = failure
            if again || !isKnown { sink.yield(.trouble(failure)) }
        }
    }

    func fine(_ part: Part) {
        state.withLock { state in
            guard state.troubles.removeValue(forKey: part) != nil else { return }
            if state.troubles.isEmpty, state.doubt == nil { sink.yield(.recovered) }
        }
    }

    func doubt(_ failure: EngineFailure) {
        state.withLock { state in
            if state.doubt?.kind != failure.kind { sink.yield(.claimInDoubt(failure)) }
            state.doubt = failure
        }
    }

    /// Ends doubt and the claim's troubles. Others go on: they are told again, since "recovered" ends all.
    func certain() {
        state.withLock { state in
            let hadTrouble = state.troubles.removeValue(forKey: .claim) != nil
            let hadDoubt = state.doubt != nil
            state.doubt = nil
            guard hadDoubt || hadTrouble && state.troubles.isEmpty else { return }
            sink.yield(.recovered)
            for part in Part.allCases { if let rest = state.troubles[part] { sink.yield(.trouble(rest)) } }
        }
    }
}
