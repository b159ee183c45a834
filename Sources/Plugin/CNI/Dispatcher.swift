internal import JSON
internal import EventLog
public import Posix

/// Runs the plugin that a call is for and speaks the protocol around it.
///
/// ```swift
/// exit(Dispatcher([PluginEntry("my-plugin", MyPlugin())]).runProcess(as: "my-plugin"))
/// ```
public struct Dispatcher: Sendable {
    private let plugins: [PluginEntry]

    /// - Parameter plugins: every plugin built into this executable, by type.
    public init(_ plugins: [PluginEntry]) { self.plugins = plugins }

    /// All input and output of a call, so that a test can replace it.
    public struct Streams: Sendable {
        /// Standard input to its end.
        ///
        /// - Throws: code 5 if it cannot be read, 6 if it is too large.
        public var read: @Sendable () throws(Failure) -> [UInt8]
        /// Standard output, written once.
        public var write: @Sendable ([UInt8]) throws(Failure) -> Void
        /// A line on standard error.
        public var log: @Sendable (String) -> Void

        public init(
            read: @escaping @Sendable () throws(Failure) -> [UInt8],
            write: @escaping @Sendable ([UInt8]) throws(Failure) -> Void,
            log: @escaping @Sendable (String) -> Void
        ) {
            self.read = read
            self.write = write
            self.log = log
        }
    }

    /// Answers one call.
    ///
    /// - Returns: the exit code: 0 for success, 1 for an error, which is printed on standard output.
    public func run(as type: String, _ environment: Environment, _ streams: Streams) -> Int32 {
        guard environment["CNI_COMMAND"] != nil else {
            // Started by hand: print what it is, as the reference's skeleton does.
            streams.log(about(type))
            return 0
        }
        var version = SpecVersion.latest
        var log = CallLog(environment, type)
        do throws(Failure) {
            let invocation = try Invocation(environment).outsideOfOwnNamespace()
            guard let plugin = plugins.plugin(type) else {
                throw Failure(
                    .invalidEnvironment, "no plugin is called \"\(type)\" here",
                    details: "it answers to \(plugins.map { $0.type }.sorted().joined(separator: ", "))")
            }
            let input = try streams.read()
            if invocation.command == .version {
                try streams.write(try Dispatcher.versions(of: plugin, asked: input).serialized())
                return 0
            }
            let reader = try Configuration.decode(input)
            version = try Configuration.version(of: reader, supporting: plugin.supportedVersions)
            let configuration = try Configuration(input, reader, version)
            guard version.allows(invocation.command) else {
                throw Failure(
                    .incompatibleVersion, "config version does not allow \(invocation.command.rawValue)",
                    details: "cniVersion is \(version.rawValue)")
            }
            try log.begin(type, invocation, configuration)
            let request = Request(invocation, configuration, Delegation(builtIn: plugins, log: streams.log))
            guard let result = try plugin.run(request) else {
                log.end(nil)
                return 0
            }
            do throws(Failure) {
                try streams.write(try result.json(version: version).serialized())
            } catch {
                // If the result cannot be delivered, ADD has failed, and a failed ADD must leave nothing behind.
                surviving { () throws(Failure) in try plugin.withdraw(request.asDEL) }
                throw error
            }
            log.end(result)
            return 0
        } catch {
            log.fail(error)
            try? streams.write(error.json(version: version).serialized())
            return 1
        }
    }

    private func about(_ type: String) -> String {
        """
        CNI plugin \(type); CNI protocol versions \(SpecVersion.allCases.map { $0.rawValue }.joined(separator: ", ")).
        A container runtime runs it with CNI_COMMAND and a network configuration on standard input.
        """
    }

    /// The answer to VERSION; input is optional and may name any version.
    private static func versions(of plugin: PluginEntry, asked input: [UInt8]) throws(Failure) -> JSON {
        let isBlank = input.allSatisfy { $0 <= 0x20 }
        let asked = isBlank ? nil : try Configuration.text("cniVersion", in: Configuration.decode(input))
        return [
            "cniVersion": .string(asked ?? SpecVersion.latest.rawValue),
            "supportedVersions": .array(plugin.supportedVersions.map { .string($0.rawValue) }),
        ]
    }
}
