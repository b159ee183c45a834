import JSON
import EventLog
import Testing

@testable import CNI

/// The keys of the log, and the variable that comes before them.
@Suite struct LogSettingsTests {
    func settings(_ keys: String) throws -> LogSettings? {
        try LogSettings(Configuration(Array(configuration(.latest, keys).utf8)))
    }

    @Test func eachKeyIsLookedFor() {
        #expect(LogSettings.Keys.names == LogSettings.Keys.everything.map(\.name))
    }

    @Test(
        arguments: [
            ("", nil, nil), (#","debug":false"#, nil, nil), (#","log":"""#, nil, nil), (#","log":null"#, nil, nil),
            (#","logLevel":"error""#, nil, nil), (#","log":"journal""#, LogDestination.journal, LogLevel.info),
            (#","log":"/l","logLevel":"warning""#, .file("/l"), .warning), (#","LOG":"stderr""#, .standardError, .info),
            (#","debug":true"#, .standardError, .debug), (#","log":"/l","debug":true"#, .file("/l"), .debug),
            (#","log":"/l","logLevel":"debug""#, .file("/l"), .debug),
        ] as [(String, LogDestination?, LogLevel?)])
    func keysSayWhereAndHowMuch(_ keys: String, _ destination: LogDestination?, _ level: LogLevel?) throws {
        let settings = try settings(keys)
        #expect(settings?.destination == destination && settings?.level == level)
    }

    @Test(arguments: [
        (#","log":"syslog""#, 7, "log must be"), (#","log":"relative/path""#, 7, "log must be"),
        (#","log":1"#, 6, "log must be a string"), (#","log":"/l","logLevel":"loud""#, 7, "unknown log level"),
        (#","debug":"yes""#, 6, "debug must be true or false"),
    ])
    func whatMakesNoSenseIsRefusedByAdd(_ keys: String, _ code: Int64, _ text: String) throws {
        let answer = call(MadeUp(), "ADD", [:], configuration(.latest, keys))
        let error = try #require(answer.error)
        #expect(error.code.rawValue == code && error.message.contains(text))
        // A log that nobody can make sense of keeps no pod.
        for command in ["DEL", "GC"] { #expect(call(MadeUp(), command, [:], configuration(.latest, keys)).status == 0) }
    }

    @Test(arguments: [
        ("journal", LogDestination.journal, LogLevel.info), ("stderr,debug", .standardError, .debug),
        ("/a,b", .file("/a,b"), .info), ("/a,b,error", .file("/a,b"), .error),
    ])
    func theVariableSaysBothInOneWord(_ text: String, _ destination: LogDestination, _ level: LogLevel) {
        let settings = LogSettings(variable: text)
        #expect(settings?.destination == destination && settings?.level == level)
    }

    @Test(arguments: ["yes", "a/b", ",debug", "debug"]) func aVariableThatMakesNoSenseStopsNothing(_ text: String) {
        #expect(LogSettings(variable: text) == nil)
        #expect(call(MadeUp(), "ADD", ["SWIFTLET_LOG": text]).status == 0)
    }

    @Test(
        arguments: [
            (#","log":"secret""#, "ADD", [:]), (#","runtimeConfig":["secret"]"#, "ADD", [:]),
            (#",:secret"#, "ADD", [:]), ("", "ADD", ["CNI_ARGS": "secret"]),
        ] as [(String, String, [String: String?])])
    func whatIsConfiguredIsNotForLogs(_ keys: String, _ command: String, _ changes: [String: String?]) throws {
        let plugin = MadeUp(onAdd: { request throws(CNIError) in
            _ = try request.configuration.runtimeConfiguration("mac")
            try request.invocation.arguments.requireKnown([])
            return .example
        })
        let environment = variables(command, changes)
        do throws(CNIError) {
            let invocation = try Invocation(environment)
            let settings = try Configuration(Array(configuration(.latest, keys).utf8))
            _ = try LogSettings(settings)
            _ = try plugin.onAdd(Request(invocation, settings, Delegation(builtIn: [], log: { _ in })))
            Issue.record("nothing is refused")
        } catch { #expect(!(error.discreetMessage ?? error.message).contains("secret"), "\(error)") }
    }
}
