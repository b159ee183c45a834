public import Posix

/// What this process has to say of the one call that it answers, to whoever has configured that.
///
/// It belongs to the process: what talks to the kernel knows of no configuration, and handing a log through everything would
/// cost each call what only a logged one needs. It is written by ``begin(_:_:_:)`` and ``end()`` alone, and only in a process
/// that answers one call in one thread; where no log is configured it is never touched, and each event is one branch.
public enum Log {
    nonisolated(unsafe) private static var writer: LogWriter?

    /// Lines from here on go there, from that level on, with these fields in each.
    ///
    /// - Parameter code: the number of an error's kind.
    public static func begin(
        _ destination: LogDestination, _ level: LogLevel, _ context: [LogField],
        code: @escaping (Failure.Kind) -> Int64
    ) {
        unsafe writer = LogWriter(destination, level, context, code)
    }

    public static func end() { unsafe writer = nil }

    /// Whether anything is logged at all.
    public static var isOn: Bool { unsafe writer != nil }

    /// Whether what is said to the kernel is logged, and what it answers.
    public static var isDebugging: Bool {
        guard let writer = unsafe writer else { return false }
        return writer.level == .debug
    }

    /// Whether standard error gets lines, so that nothing need be said there twice.
    public static var isOnStandardError: Bool {
        guard let writer = unsafe writer else { return false }
        return writer.destination == .standardError
    }

    /// Says what has happened; the fields are only worked out where somebody wants to know.
    public static func note(_ level: LogLevel, _ event: String, _ fields: @autoclosure () -> [LogField] = []) {
        guard let writer = unsafe writer else { return }
        guard level.rawValue <= writer.level.rawValue else { return }
        writer.write(level, event, fields())
    }

    /// Says what has failed.
    ///
    /// - Parameter more: behind code and text.
    public static func note(_ level: LogLevel, _ event: String, _ failure: Failure, _ more: [LogField] = []) {
        guard let writer = unsafe writer else { return }
        note(level, event, fields(failure, writer.code) + more)
    }

    private static func fields(_ failure: Failure, _ number: (Failure.Kind) -> Int64) -> [LogField] {
        let code: [LogField] = [("code", "\(number(failure.kind))")]
        // What stands in a configuration, or in arguments, may be nobody's business.
        if let text = failure.discreetMessage { return code + [("error", text)] }
        let details: [LogField] = failure.details.isEmpty ? [] : [("details", failure.details)]
        return code + [("error", failure.message)] + details
    }
}

/// Runs a step of cleaning up whose failure stops nothing, and of which only the log hears.
public func surviving(_ step: () throws(Failure) -> Void) {
    do throws(Failure) { try step() } catch { Log.note(.warning, "survived", error) }
}

extension FileDescriptor {
    /// ``lockExclusively(milliseconds:)``; says so where it has taken long.
    ///
    /// - Parameter name: the file's path.
    public func lockExclusively(_ name: @autoclosure () -> String, milliseconds: UInt32) throws(Errno) {
        guard Log.isOn else { return try lockExclusively(milliseconds: milliseconds) }
        let start = MonotonicClock.milliseconds
        defer {
            let waited = MonotonicClock.milliseconds - start
            if waited > 100 { Log.note(.warning, "waited", [("lock", name()), ("milliseconds", "\(waited)")]) }
        }
        try lockExclusively(milliseconds: milliseconds)
    }
}
