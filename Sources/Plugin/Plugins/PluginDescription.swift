public import CNI
public import JSON
public import Posix

/// What is known about a plugin without calling it: its purpose, its keys, and whether it would accept a configuration.
public struct PluginDescription: Sendable {
    public let traits: PluginTraits
    /// What its keys are for, in Markdown.
    public let summary: String
    /// The keys of its block, or of the object `ipam` if it hands out addresses.
    public let keys: [KeyDescription]
    /// The keys to document here. Keys that are identical in another plugin are documented there.
    public let documentedKeys: [KeyDescription]
    /// The keys of nested objects.
    public let parts: [Part]
    /// What runtimes may fill in (CNI conventions, "capabilities").
    public let capabilities: [String]
    /// Reads a configuration as ADD does before it touches anything.
    ///
    /// It expects a ``Request/init(reading:for:log:)``: for ADD the block is read as the first one of a list, for CHECK
    /// (a chained plugin) or STATUS as a later one.
    public let read: @Sendable (Request) throws(Failure) -> Void

    /// Objects below a key, such as `ranges[][]`, with an empty pair of brackets for each list level.
    public struct Part: Sendable {
        public let place: String
        public let keys: [String]
        /// The keys whose values can be checked one by one.
        public let described: [KeyDescription]

        init(_ place: String, _ keys: [String]) {
            self.place = place
            self.keys = keys
            described = []
        }

        init(_ place: String, _ keys: [KeyDescription]) {
            self.place = place
            self.keys = keys.map { $0.name }
            described = keys
        }

        static let ranges = Part("ranges[][]", HostLocalSettings.Keys.ofRange)
        static let routes = Part("routes[]", HostLocalSettings.Keys.ofRoute)
        static let trunk = Part("vlanTrunk[]", ["minID", "maxID", "id"])
        static let dns = Part("dns", ["nameservers", "domain", "search", "options"])
    }

    init(
        _ traits: PluginTraits, _ summary: String, _ keys: [KeyDescription], documentedKeys: [KeyDescription]? = nil,
        parts: [Part] = [], capabilities: [String] = [], read: @escaping @Sendable (Request) throws(Failure) -> Void
    ) {
        self.traits = traits
        self.summary = summary
        self.keys = keys
        self.documentedKeys = documentedKeys ?? keys
        self.parts = parts
        self.capabilities = capabilities
        self.read = read
    }

    init<Settings: InterfacePlugin>(
        _ plugin: Settings, _ summary: String, _ keys: [KeyDescription], capabilities: [String] = []
    ) {
        self.init(Settings.traits, summary, keys, capabilities: capabilities) { request throws(Failure) in
            try plugin.read(request)
        }
    }

    /// All plugins of this executable.
    public static var all: [PluginDescription] { Registry.descriptions }

    /// Nil for a plugin that is not ours.
    public static func of(_ type: String) -> PluginDescription? { all.first { $0.type == type } }

    public var type: String { traits.type }
    public var role: PluginTraits.Role { traits.role }

    /// Keys of the specification, which every block may have.
    public static var commonKeys: [String] { Swiftlet.commonKeys }

    /// Whether an unknown key is refused; other plugins ignore them, as the reference does.
    public var refusesUnknownKeys: Bool { !traits.isReference }

    /// The plugin's error for a key that it refuses.
    public func refusal(of unknown: UnknownKey) -> Failure { Swiftlet.refusal(of: unknown) }

    /// Members of its block, or of `ipam` if it hands out addresses, that the plugin does not know.
    public func unknownKeys(in block: JSONReader) -> [UnknownKey] {
        let others = role == .addresses ? ["type"] : PluginDescription.commonKeys
        var unknown = UnknownKey.all(in: block, known: keys.map { $0.name } + others)
        for part in parts + (role == .addresses ? [] : [.dns]) {
            for object in PluginDescription.objects(part.place, in: block) {
                unknown += UnknownKey.all(in: object, known: part.keys)
            }
        }
        return unknown
    }

    /// The errors in the values of its keys, each checked by itself.
    ///
    /// - Parameter block: as in ``unknownKeys(in:)``.
    public func wrongValues(in block: JSONReader) -> [Failure] {
        var failures: [Failure] = []
        let objects = parts.flatMap { part in
            PluginDescription.objects(part.place, in: block).map { ($0, part.described) }
        }
        let common = role == .addresses ? [] : LogSettings.Keys.everything
        for (object, keys) in [(block, keys + common)] + objects {
            for key in keys {
                guard let value = (try? object.member(key.name)) ?? nil else { continue }
                do throws(Failure) { try key.validate(value) } catch { failures.append(error) }
            }
        }
        return failures
    }

    private static func objects(_ place: String, in block: JSONReader) -> [JSONReader] {
        let name = String(place.prefix { $0 != "[" })
        guard var found = (try? block.member(name)).flatMap({ $0 }).map({ [$0] }) else { return [] }
        for _ in 0..<(place.utf8.count - name.utf8.count) / 2 {
            found = found.flatMap { (try? $0.elements()) ?? [] }
        }
        return found
    }
}
