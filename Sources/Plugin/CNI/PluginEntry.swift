internal import Posix

/// A plugin and its type as named in a configuration.
///
/// Each command is stored as a function instead of an existential plugin value, which the Embedded Swift of the plugins lacks.
public struct PluginEntry: Sendable {
    public let type: String
    let supportedVersions: [SpecVersion]
    let run: @Sendable (Request) throws(Failure) -> CNIResult?
    let withdraw: @Sendable (Request) throws(Failure) -> Void

    public init(_ type: String, _ plugin: some Plugin) {
        self.type = type
        supportedVersions = plugin.supportedVersions
        run = { request throws(Failure) in
            switch request.invocation.command {
            case .add: return try plugin.add(request)
            case .del: try plugin.del(request)
            case .check: try plugin.check(request)
            case .gc: try plugin.gc(request)
            case .status: try plugin.status(request)
            case .version: break
            }
            return nil
        }
        withdraw = { request throws(Failure) in try plugin.withdraw(request) }
    }
}

extension [PluginEntry] {
    /// The plugin of that type. A linear search is enough: there are few, and each process looks up one or two.
    func plugin(_ type: String) -> PluginEntry? { first { $0.type == type } }
}
