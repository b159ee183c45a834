public import Posix
internal import Synchronization

/// The log of this process.
///
/// It is global: the code that talks to the kernel knows no configuration, and passing a log through every call would cost time
/// even when nothing is logged. Any thread may write to it. If no log is configured, each event costs one branch.
public enum Log {
    /// Address of the current ``Configuration``, or 0. A configuration is never freed once used: another thread may still be
    /// writing with it.
    private static let current = Atomic<UInt>(0)

    private final class Configuration: Sendable {
        let sink: LogSink
        let level: LogLevel
        let context: [LogField]
        /// Maps kinds of errors to numbers, which depend on the protocol.
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

    /// Sends later events to this sink, from that level up, with these fields in each. Call it only a few times per process.
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

    /// Whether messages to and from the kernel are logged.
    public static var isDebugging: Bool { isOn && configuration?.level == .debug }

    /// Whether log lines go to standard error, so that nothing need be printed there twice.
    public static var isOnStandardError: Bool { configuration?.sink.destination == .standardError }

    /// Logs an event; the fields are only computed if the event is logged.
    public static func note(_ level: LogLevel, _ event: String, _ fields: @autoclosure () -> [LogField] = []) {
        guard let configuration, level.rawValue <= configuration.level.rawValue else { return }
        configuration.sink.write(
            LogEvent(level: level, context: configuration.context, name: event, fields: fields()))
    }

    /// Logs an error.
    ///
    /// - Parameter more: fields after code and text.
    public static func note(_ level: LogLevel, _ event: String, _ failure: Failure, _ more: [LogField] = []) {
        guard let configuration else { return }
        note(level, event, fields(failure, configuration.code) + more)
    }

    private static func fields(_ failure: Failure, _ number: (Failure.Kind) -> Int64) -> [LogField] {
        let code: [LogField] = [("code", "\(number(failure.kind))")]
        // Values from a configuration or from arguments may be confidential.
        if let text = failure.discreetMessage { return code + [("error", text)] }
        let details: [LogField] = failure.details.isEmpty ? [] : [("details", failure.details)]
        return code + [("error", failure.message)] + details
    }
}

/// Runs a cleanup step. Its failure is only logged and stops nothing.
public func surviving(_ step: () throws(Failure) -> Void) {
    do throws(Failure) { try step() } catch { Log.note(.warning, "survived", error) }
}

extension FileDescriptor {
    /// ``lockExclusively(milliseconds:waiting:)``; logs a warning if it took long.
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
