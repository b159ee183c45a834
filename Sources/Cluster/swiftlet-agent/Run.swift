import AgentConfiguration
import ArgumentParser
import ClusterEngine
import EventLog
import Logging
import Posix
import ServiceLifecycle

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Join the cluster and follow it, until SIGTERM or SIGINT. What is set up stays when it stops.")

    @OptionGroup var options: ConfigurationOptions

    @Flag(help: "Only read the configuration, and say what is wrong with it.")
    var checkConfig = false

    func run() async throws {
        let configuration = try options.read()
        if checkConfig { return print("\(options.config) is valid") }
        let level = LogLevel.allCases.first { "\($0)" == configuration.logLevel } ?? .info
        Log.begin(.lasting(.standardError), level, [("program", "swiftlet-agent")]) { _ in 0 }
        let agent: Agent
        do throws(EngineFailure) { agent = try Agent(configuration) } catch {
            throw ConfigurationError("\(options.config): \(error)")
        }
        var logger = Logger(label: "swiftlet-agent", factory: { _ in SwiftLogNoOpLogHandler() })
        logger.logLevel = .critical
        try await ServiceGroup(
            services: [agent], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger
        ).run()
    }
}
