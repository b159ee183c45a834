public import CNI

/// A plugin of this executable.
protocol BuiltInPlugin: Plugin {
    static var traits: PluginTraits { get }
    /// Computed: an executable in which nobody asks for it has nothing of it.
    static var description: PluginDescription { get }
}

extension BuiltInPlugin {
    static var type: String { traits.type }
}

/// Every plugin that this executable answers to, by the name that it is called with.
public enum Registry {
    public static let plugins = each(MakeEntry())
    static let traits = each(GetTraits())
    static let descriptions = each(GetDescription())

    /// The one list of them, in the order of the documentation.
    ///
    /// Of scripts/plugin-names, which has to be there before anything is built, a test sees that it has the same names.
    private static func each<Use: UseOfPlugin>(_ use: Use) -> [Use.Value] {
        [
            use(Bridge()),
            use(PointToPoint()),
            use(Macvlan()),
            use(IPvlan()),
            use(VLAN()),
            use(Tap()),
            use(HostDevice()),
            use(HostLocal()),
            use(DHCPAddresses()),
            use(Portmap()),
            use(Firewall()),
            use(Bandwidth()),
            use(Static()),
            use(Tuning()),
            use(SBR()),
            use(VRF()),
            use(Swiftlet()),
            use(Dummy()),
            use(Loopback()),
        ]
    }
}

/// What is made of each plugin. A function of any type of plugin, which no closure can be.
private protocol UseOfPlugin {
    associatedtype Value
    func callAsFunction(_ plugin: some BuiltInPlugin) -> Value
}

private struct MakeEntry: UseOfPlugin {
    func callAsFunction<P: BuiltInPlugin>(_ plugin: P) -> PluginEntry { PluginEntry(P.type, plugin) }
}

private struct GetTraits: UseOfPlugin {
    func callAsFunction<P: BuiltInPlugin>(_ plugin: P) -> PluginTraits { P.traits }
}

private struct GetDescription: UseOfPlugin {
    func callAsFunction<P: BuiltInPlugin>(_ plugin: P) -> PluginDescription { P.description }
}
