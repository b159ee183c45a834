internal import Posix

/// Something that has happened, on its way to where events go.
public struct LogEvent: Sendable {
    public let level: LogLevel
    /// What all events of this log have: what is called, and whose it is.
    public let context: [LogField]
    public let name: String
    public let fields: [LogField]

    public init(level: LogLevel, context: [LogField], name: String, fields: [LogField]) {
        self.level = level
        self.context = context
        self.name = name
        self.fields = fields
    }

    /// All fields, in the order in which a line has them.
    var line: [LogField] { context + [("event", name)] + fields }
}

/// Where events go, and what becomes of those that cannot be written. Nobody is told of that: no work fails for its log.
public struct LogSink: Sendable {
    /// Nil for a sink that somebody else has made.
    let destination: LogDestination?
    let write: @Sendable (LogEvent) -> Void

    /// A sink of one's own, such as one that hands events to another library.
    ///
    /// - Parameter write: called by whichever thread has something to say, by several at once; must not log itself.
    public init(_ write: @escaping @Sendable (LogEvent) -> Void) {
        destination = nil
        self.write = write
    }

    init(_ destination: LogDestination, _ write: @escaping @Sendable (LogEvent) -> Void) {
        self.destination = destination
        self.write = write
    }

    /// For a process that answers one call and ends: a reader may keep it waiting for 100 ms once. After one failure, or
    /// 10,000 events, it is silent: nothing that a call does is worth more.
    public static func singleCall(_ destination: LogDestination) -> LogSink {
        let state = Locked(SingleCallState(output: LogOutput(destination, patienceMilliseconds: 100)))
        return LogSink(destination) { event in
            state.withLock { state in
                guard state.left > 0 else { return }
                state.left -= 1
                // What does not take a line now is not waited for again.
                do throws(Errno) { try state.output.write(event.level, event.line) } catch { state.left = 0 }
            }
        }
    }

    /// For a process that runs for long, with as many threads as it likes. Nothing waits for a reader. What fails, or is more than
    /// `eventsPerSecond`, is left out and counted; the next event that is written has the count as `dropped`. Files are opened
    /// anew every second in which something is written, so that one that has been renamed is let go.
    public static func lasting(_ destination: LogDestination, eventsPerSecond: Int = 1000) -> LogSink {
        lasting(destination, eventsPerSecond) { MonotonicClock.milliseconds }
    }

    /// - Parameter clock: milliseconds of one that nobody sets.
    static func lasting(
        _ destination: LogDestination, _ eventsPerSecond: Int, clock: @escaping @Sendable () -> Int
    ) -> LogSink {
        let state = Locked(
            LastingState(
                output: LogOutput(destination, patienceMilliseconds: 0), flow: LogFlow(perSecond: eventsPerSecond)))
        return LogSink(destination) { event in
            state.withLock { state in
                guard let turn = state.flow.admit(at: clock()) else { return }
                if turn.beginsSecond { state.output.reopen() }
                let dropped: [LogField] = turn.dropped > 0 ? [("dropped", "\(turn.dropped)")] : []
                do throws(Errno) { try state.output.write(event.level, event.line + dropped) } catch {
                    state.flow.fail(turn)
                }
            }
        }
    }

    private struct SingleCallState: ~Copyable {
        var output: LogOutput
        var left = 10_000
    }

    private struct LastingState: ~Copyable {
        var output: LogOutput
        var flow: LogFlow
    }
}

/// Which events a lasting log takes: so many a second, and after one has failed none for the rest of that second.
struct LogFlow {
    /// What an event that may be written has to know.
    struct Turn {
        /// How many were left out since the last that was written.
        let dropped: Int
        /// Whether it is the first of a second.
        let beginsSecond: Bool
    }

    private let perSecond: Int
    private var start: Int?
    private var left = 0
    private var dropped = 0

    /// - Parameter perSecond: at least 1.
    init(perSecond: Int) { self.perSecond = max(perSecond, 1) }

    /// - Parameter now: milliseconds of a clock that nobody sets.
    /// - Returns: nil for an event that is left out.
    mutating func admit(at now: Int) -> Turn? {
        let beginsSecond = start.map { now - $0 >= 1000 } ?? true
        if beginsSecond { (start, left) = (now, perSecond) }
        guard left > 0 else {
            dropped += 1
            return nil
        }
        left -= 1
        defer { dropped = 0 }
        return Turn(dropped: dropped, beginsSecond: beginsSecond)
    }

    /// The event that was admitted could not be written.
    mutating func fail(_ turn: Turn) {
        dropped = turn.dropped + 1
        left = 0
    }
}
