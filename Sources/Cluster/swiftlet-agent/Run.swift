import AgentConfiguration
import ArgumentParser
import ClusterEngine
import EventLog
import Logging
import PluginConfiguration
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
        let level = LogLevel.allCases.first { "\($0)" == configuration.logLevel } ?? .info
        if checkConfig { return try await check(configuration) }
        let agent: Agent
        do throws(EngineFailure) { agent = try Agent(configuration) } catch {
            throw ConfigurationError("\(options.config): \(error)")
        }
        Log.begin(.lasting(.standardError), level, [("program", "swiftlet-agent")]) { _ in 0 }
        var logger = Logger(label: "swiftlet-agent", factory: { _ in SwiftLogNoOpLogHandler() })
        logger.logLevel = .critical
        try await ServiceGroup(
            services: [agent], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger
        ).run()
    }

    /// All that can be known without the cluster: a pod's service account is there only in the pod.
    private func check(_ configuration: AgentConfiguration) async throws {
        do {
            _ = try PluginConfiguration.template(of: configuration)
            switch configuration.engine {
            case .kubernetes(let kubernetes) where kubernetes.kubeconfig == nil: break
            default: await (try makeEngine(configuration)).close()
            }
        } catch { throw ConfigurationError("\(options.config): \(error)") }
        print("\(options.config) is valid")
    }
}
