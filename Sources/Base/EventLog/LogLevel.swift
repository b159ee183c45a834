/// The severity of an event; the number is that of syslog(3).
public enum LogLevel: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case error = 3
    case warning = 4
    case info = 6
    case debug = 7

    /// As written in a configuration and in a log line.
    public var description: String {
        switch self {
        case .error: "error"
        case .warning: "warning"
        case .info: "info"
        case .debug: "debug"
        }
    }
}

/// Where log lines go.
public enum LogDestination: Sendable, Hashable, CustomStringConvertible {
    case standardError
    /// systemd's journal, by its socket.
    case journal
    /// An absolute path.
    case file(String)

    /// `stderr`, `journal` or an absolute path of a file; nil for anything else.
    public init?(_ text: String) {
        switch text {
        case "stderr": self = .standardError
        case "journal": self = .journal
        default:
            // PATH_MAX, linux/limits.h, includes the NUL.
            guard text.utf8.first == UInt8(ascii: "/"), text.utf8.last != UInt8(ascii: "/"), text.utf8.count < 4096,
                !text.utf8.contains(0)
            else { return nil }
            self = .file(text)
        }
    }

    public var description: String {
        switch self {
        case .standardError: "stderr"
        case .journal: "journal"
        case .file(let path): path
        }
    }
}

/// A field of an event: the key is of `[a-z_]`, the value arbitrary.
public typealias LogField = (key: String, value: String)
