internal import Posix

/// An event to be logged.
public struct LogEvent: Sendable {
    public let level: LogLevel
    /// Fields common to all events of this log: what is called, and for which attachment.
    public let context: [LogField]
    public let name: String
    public let fields: [LogField]

    public init(level: LogLevel, context: [LogField], name: String, fields: [LogField]) {
        self.level = level
        self.context = context
        self.name = name
        self.fields = fields
    }

    /// All fields in the order of a log line.
    var line: [LogField] { context + [("event", name)] + fields }
}

/// Where events go, and what happens to those that cannot be written. Failures are not reported: no operation fails because of
/// its log.
public struct LogSink: Sendable {
    /// Nil for a sink made by the caller.
    let destination: LogDestination?
    let write: @Sendable (LogEvent) -> Void

    /// A custom sink, such as one that passes events to another library.
    ///
    /// - Parameter write: called from any thread, by several at once; must not log itself.
    public init(_ write: @escaping @Sendable (LogEvent) -> Void) {
        destination = nil
        self.write = write
    }

    init(_ destination: LogDestination, _ write: @escaping @Sendable (LogEvent) -> Void) {
        self.destination = destination
        self.write = write
    }

    /// For a process that serves one call and ends. A reader may delay it by 100 ms once. After one failure, or 10,000 events, it
    /// stops logging, so that logging never holds up the call.
    public static func singleCall(_ destination: LogDestination) -> LogSink {
        let state = Locked(SingleCallState(output: LogOutput(destination, patienceMilliseconds: 100)))
        return LogSink(destination) { event in
            state.withLock { state in
                guard state.left > 0 else { return }
                state.left -= 1
                // After a failure it never waits again.
                do throws(Errno) { try state.output.write(event.level, event.line) } catch { state.left = 0 }
            }
        }
    }

    /// For a long-running process with any number of threads. It never waits for a reader. Events that fail or exceed
    /// `eventsPerSecond` are left out and counted; the next event that is written has the count as `dropped`. Files are reopened
    /// in every second in which something is written, so that a renamed file is released.
    public static func lasting(_ destination: LogDestination, eventsPerSecond: Int = 1000) -> LogSink {
        lasting(destination, eventsPerSecond) { MonotonicClock.milliseconds }
    }

    /// - Parameter clock: milliseconds of a clock that cannot be set.
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

/// Limits the events of a lasting log: so many a second, and none for the rest of a second after a failure.
struct LogFlow {
    /// Details for an event that may be written.
    struct Turn {
        /// How many were left out since the last one that was written.
        let dropped: Int
        /// Whether it is the first in its second.
        let beginsSecond: Bool
    }

    private let perSecond: Int
    private var start: Int?
    private var left = 0
    private var dropped = 0

    /// - Parameter perSecond: at least 1.
    init(perSecond: Int) { self.perSecond = max(perSecond, 1) }

    /// - Parameter now: milliseconds of a clock that cannot be set.
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

    /// Call this if the admitted event could not be written.
    mutating func fail(_ turn: Turn) {
        dropped = turn.dropped + 1
        left = 0
    }
}
