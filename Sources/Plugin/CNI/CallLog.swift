internal import Addresses
internal import EventLog
internal import Posix

/// Logs a call and its outcome, if a log is configured.
struct CallLog {
    private var start = 0
    private var isFromEnvironment = false

    /// The environment is known before anything is read. An invalid variable must not keep pods from starting.
    init(_ environment: Environment, _ type: String) {
        // libc's check comes first, because it costs almost nothing.
        guard ProcessEnvironment.hasVariable(LogSettings.variable), let text = environment[LogSettings.variable],
            let settings = LogSettings(variable: text)
        else { return }
        isFromEnvironment = true
        start = MonotonicClock.microseconds
        CallLog.begin(settings, CallLog.context(type, environment, network: nil))
    }

    /// From here on log lines name the attachment.
    ///
    /// - Throws: code 6 or 7 for an invalid log setting; never for DEL and GC.
    mutating func begin(_ type: String, _ invocation: Invocation, _ configuration: Configuration) throws(Failure) {
        guard let settings = try settings(invocation, configuration) else { return }
        if !isFromEnvironment { start = MonotonicClock.microseconds }
        CallLog.begin(settings, CallLog.context(type, invocation.environment, network: configuration.name))
        Log.note(.info, "begin", [("netns", invocation.netns ?? "")])
    }

    private static func begin(_ settings: LogSettings, _ context: [LogField]) {
        Log.begin(.singleCall(settings.destination), settings.level, context) { $0.rawValue }
    }

    private func settings(_ invocation: Invocation, _ configuration: Configuration) throws(Failure) -> LogSettings? {
        if isFromEnvironment, let text = invocation.environment[LogSettings.variable] {
            return LogSettings(variable: text)
        }
        do throws(Failure) { return try LogSettings(configuration) } catch {
            // An attachment must be released even if its configuration has become invalid.
            guard [.del, .gc].contains(invocation.command) else { throw error }
            return nil
        }
    }

    private static func context(_ type: String, _ environment: Environment, network: String?) -> [LogField] {
        let owner: [(String, String?)] = [
            ("verb", environment["CNI_COMMAND"]), ("plugin", type), ("network", network),
            ("container", environment["CNI_CONTAINERID"]), ("ifname", environment["CNI_IFNAME"]),
        ]
        return owner.compactMap { key, value in value.map { (key, $0) } }
    }

    func end(_ result: CNIResult?) {
        guard Log.isOn else { return }
        var fields: [LogField] = [("duration_us", duration)]
        if let result {
            fields.append(("addresses", result.ips.map { "\($0.address)" }.joined(separator: ",")))
            fields.append(("interfaces", result.interfaces.map { $0.name }.joined(separator: ",")))
        }
        Log.note(.info, "end", fields)
        Log.end()
    }

    func fail(_ error: Failure) {
        guard Log.isOn else { return }
        Log.note(.error, "failed", error.advised, [("duration_us", duration)])
        Log.end()
    }

    private var duration: String { "\(MonotonicClock.microseconds - start)" }
}
