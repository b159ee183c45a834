internal import CNI
public import Posix

/// The daemon's command line: the reference's flags and our own. Written `-name value`, `-name=value`, or with two hyphens, as in
/// Go's package flag.
public struct DaemonOptions: Sendable, Hashable {
    /// Where to listen, without ``hostPrefix``; a socket passed by systemd takes precedence.
    public var socket = DaemonClient.defaultSocket
    public var pidFile = ""
    /// Prepended to the paths of socket and network namespaces, for a daemon in a container that sees the host's files there.
    public var hostPrefix = ""
    /// Whether to ask servers to broadcast their answers.
    public var broadcast = false
    /// The longest pause between two transmissions while an ADD waits; milliseconds.
    public var timeout = 10_000
    /// The longest pause between two transmissions when no ADD waits; milliseconds.
    public var resendMaximum = 62_000
    /// How long an ADD waits for a lease in total; milliseconds.
    public var resendTimeout = 60_000
    /// The directory of leases; nil for one beside the socket.
    public var leaseDirectory: String?

    public static let usage = """
        usage: dhcp daemon [flags]
          -broadcast              ask servers to broadcast their answers
          -hostprefix PREFIX      put before the paths of socket and network namespaces
          -leasedir DIRECTORY     where leases are kept over restarts (default: the socket's path without .sock)
          -pidfile FILE           write the process ID there
          -resendmax DURATION     longest pause between two sendings when nobody waits (default 62s)
          -resendtimeout DURATION how long an ADD waits for a lease in all (default 60s)
          -socketpath FILE        where to listen (default \(DaemonClient.defaultSocket))
          -timeout DURATION       longest pause between two sendings while an ADD waits (default 10s)
        A DURATION is like 10s, 1m30s or 500ms.
        """

    public init() {}

    /// - Throws: code 7 for unknown or invalid flags.
    public init(_ arguments: [String]) throws(Failure) {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            let hyphens = word.prefix { $0 == "-" }.count
            guard (1...2).contains(hyphens), word.count > hyphens else {
                throw Failure(.invalidConfiguration, "\(word.debugDescription) is not a flag")
            }
            let parts = word.dropFirst(hyphens).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            let given = parts.count == 2 ? String(parts[1]) : nil
            if name == "broadcast" {
                broadcast = try DaemonOptions.flag(given ?? "true")
                continue
            }
            guard let value = given ?? rest.popFirst() else {
                throw Failure(.invalidConfiguration, "flag needs an argument: -\(name)")
            }
            try set(name, value)
        }
        for (name, path) in [("pidfile", pidFile), ("socketpath", socket), ("leasedir", leaseDirectory ?? "")] {
            guard path.isEmpty || path.hasPrefix("/") else {
                throw Failure(.invalidConfiguration, "-\(name) \(path): path not absolute")
            }
        }
    }

    private mutating func set(_ name: String, _ value: String) throws(Failure) {
        switch name {
        case "pidfile": pidFile = value
        case "hostprefix": hostPrefix = value
        case "socketpath": socket = value.isEmpty ? DaemonClient.defaultSocket : value
        case "leasedir": leaseDirectory = value.isEmpty ? nil : value
        case "timeout": timeout = try DaemonOptions.milliseconds(value)
        case "resendmax": resendMaximum = try DaemonOptions.milliseconds(value)
        case "resendtimeout": resendTimeout = try DaemonOptions.milliseconds(value)
        default: throw Failure(.invalidConfiguration, "flag provided but not defined: -\(name)")
        }
    }

    private static func flag(_ text: String) throws(Failure) -> Bool {
        switch text.lowercased() {
        case "true", "t", "1": return true
        case "false", "f", "0": return false
        default: throw Failure(.invalidConfiguration, "-broadcast must be true or false, but is \(text)")
        }
    }

    private static let longest = 24 * 3_600_000

    /// Go's durations: whole numbers with units, without separators.
    private static func milliseconds(_ text: String) throws(Failure) -> Int {
        var total = 0
        var rest = text[...]
        repeat {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            let unit = rest.dropFirst(digits.count).prefix { $0.isLetter }
            let factor = ["ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000][String(unit)]
            guard let number = Int(digits), let factor, number <= longest / factor, total <= longest else {
                throw Failure(
                    .invalidConfiguration, "\(text.debugDescription) is not a duration of at most 24 h",
                    details: "write it like 10s, 1m30s or 500ms")
            }
            total += number * factor
            rest = rest.dropFirst(digits.count + unit.count)
        } while !rest.isEmpty
        return max(total, 1)
    }
}

extension Daemon {
    /// The daemon as a program.
    ///
    /// - Parameter arguments: the command line after `daemon`.
    /// - Returns: the exit code: 0 after SIGTERM, 1 for an error, 2 for invalid flags.
    public static func main(_ arguments: [String]) -> Int32 {
        guard !arguments.contains(where: { ["-h", "-help", "--help"].contains($0) }) else {
            log(DaemonOptions.usage)
            return 0
        }
        let options: DaemonOptions
        do throws(Failure) { options = try DaemonOptions(arguments) } catch {
            log("\(error)\n\(DaemonOptions.usage)")
            return 2
        }
        do { try Daemon(options).run() } catch {
            log("\(error)")
            return 1
        }
        return 0
    }
}
