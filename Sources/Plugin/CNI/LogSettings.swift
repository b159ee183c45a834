internal import JSON
internal import EventLog
internal import Posix

/// The destination and the level of a call's log.
public struct LogSettings: Sendable, Hashable {
    /// A variable in the environment of the runtime, which its plugins inherit: `DESTINATION` or `DESTINATION,LEVEL`. It
    /// overrides the configuration.
    static let variable = "SWIFTLET_LOG"

    let destination: LogDestination
    let level: LogLevel

    public enum Keys {
        static let log = ConfigurationKey<LogDestination?>(
            "log", default: nil,
            "Where events are logged, one line each: `stderr`, `journal`, or the absolute path of a file; by default nowhere."
        ) { reader throws(Failure) in
            let text = try reader.string()
            if text.isEmpty { return nil }
            guard let destination = LogDestination(text) else {
                throw reader.wrong("\"stderr\", \"journal\" or the absolute path of a file")
            }
            return destination
        }
        static let logLevel = ConfigurationKey<LogLevel>(
            "logLevel", default: .info, "Lowest level that is logged: `error`, `warning`, `info` or `debug`."
        ) { reader throws(Failure) in try reader.choice(LogLevel.allCases, or: .info, "unknown log level") }
        static let debug = ConfigurationKey<Bool>.flag(
            "debug",
            "Sets `logLevel` to `debug`, which logs every message to and from the kernel; without `log`, to `stderr`.")

        /// The keys, which every plugin has.
        @KeyList public static var everything: [KeyDescription] {
            log
            logLevel
            debug
        }

        /// Their names, without creating the keys first.
        static let names = ["log", "logLevel", "debug"]
    }

    /// Reads the settings from the configuration; nil for no log.
    ///
    /// - Throws: code 6 or 7, naming the key.
    init?(_ configuration: Configuration) throws(Failure) {
        // Almost every configuration has none of them.
        guard configuration.reader.hasAnyMember(of: Keys.names) else { return nil }
        let isDebugging = try configuration[Keys.debug]
        let level = try configuration[Keys.logLevel]
        guard let destination = try configuration[Keys.log] ?? (isDebugging ? .standardError : nil) else { return nil }
        self.destination = destination
        self.level = isDebugging ? .debug : level
    }

    /// Reads the variable; nil if it is invalid.
    init?(variable text: String) {
        var words = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let level = words.count > 1 ? LogLevel.allCases.first { "\($0)" == words.last } : nil
        if level != nil { words.removeLast() }
        guard let destination = LogDestination(words.joined(separator: ",")) else { return nil }
        self.destination = destination
        self.level = level ?? .info
    }
}
