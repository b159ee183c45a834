public import Posix
internal import Synchronization

/// What this process has to say of what it does, to whoever has configured that.
///
/// It belongs to the process: what talks to the kernel knows of no configuration, and handing a log through everything would
/// cost each call what only a logged one needs. Any thread may write to it. Where no log is configured each event is one branch.
public enum Log {
    /// Where the ``Configuration`` in use is, or 0. One that has been in use is never freed: another thread may be writing by it.
    private static let current = Atomic<UInt>(0)

    private final class Configuration: Sendable {
        let sink: LogSink
        let level: LogLevel
        let context: [LogField]
        /// The numbers of errors' kinds, which are the protocol's.
        let code: @Sendable (Failure.Kind) -> Int64

        init(
            _ sink: LogSink, _ level: LogLevel, _ context: [LogField],
            _ code: @escaping @Sendable (Failure.Kind) -> Int64
        ) {
            self.sink = sink
            self.level = level
            self.context = context
            self.code = code
        }
    }

    private static var configuration: Configuration? {
        guard let pointer = unsafe UnsafeRawPointer(bitPattern: current.load(ordering: .acquiring)) else { return nil }
        return unsafe Unmanaged<Configuration>.fromOpaque(pointer).takeUnretainedValue()
    }

    /// Events from here on go there, from that level on, with these fields in each. A few times in a process at most.
    ///
    /// - Parameter code: the number of an error's kind.
    public static func begin(
        _ sink: LogSink, _ level: LogLevel, _ context: [LogField], code: @escaping @Sendable (Failure.Kind) -> Int64
    ) {
        let configuration = unsafe Unmanaged.passRetained(Configuration(sink, level, context, code))
        unsafe current.store(UInt(bitPattern: configuration.toOpaque()), ordering: .releasing)
    }

    public static func end() { current.store(0, ordering: .releasing) }

    /// Whether anything is logged at all.
    public static var isOn: Bool { current.load(ordering: .relaxed) != 0 }

    /// Whether what is said to the kernel is logged, and what it answers.
    public static var isDebugging: Bool { isOn && configuration?.level == .debug }

    /// Whether standard error gets lines, so that nothing need be said there twice.
    public static var isOnStandardError: Bool { configuration?.sink.destination == .standardError }

    /// Says what has happened; the fields are only worked out where somebody wants to know.
    public static func note(_ level: LogLevel, _ event: String, _ fields: @autoclosure () -> [LogField] = []) {
        guard let configuration, level.rawValue <= configuration.level.rawValue else { return }
        configuration.sink.write(
            LogEvent(level: level, context: configuration.context, name: event, fields: fields()))
    }

    /// Says what has failed.
    ///
    /// - Parameter more: behind code and text.
    public static func note(_ level: LogLevel, _ event: String, _ failure: Failure, _ more: [LogField] = []) {
        guard let configuration else { return }
        note(level, event, fields(failure, configuration.code) + more)
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
    /// ``lockExclusively(milliseconds:waiting:)``; says so where it has taken long.
    ///
    /// - Parameter name: the file's path.
    public func lockExclusively(
        _ name: @autoclosure () -> String, milliseconds: UInt32, waiting: LockWait = .polling()
    ) throws(Errno) {
        guard Log.isOn else { return try lockExclusively(milliseconds: milliseconds, waiting: waiting) }
        let start = MonotonicClock.milliseconds
        defer {
            let waited = MonotonicClock.milliseconds - start
            if waited > 100 { Log.note(.warning, "waited", [("lock", name()), ("milliseconds", "\(waited)")]) }
        }
        try lockExclusively(milliseconds: milliseconds, waiting: waiting)
    }
}
