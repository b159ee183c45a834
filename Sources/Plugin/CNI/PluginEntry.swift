internal import Posix

/// A plugin and the type that a configuration calls it by.
///
/// What each verb does is a function here rather than a value of any type of plugin, which the Swift that the plugins are
/// built with does not have.
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
    /// The plugin of that type. There are few, and each process asks for one or two: no reason to hash.
    func plugin(_ type: String) -> PluginEntry? { first { $0.type == type } }
}
