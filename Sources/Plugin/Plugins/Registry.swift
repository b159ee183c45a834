public import CNI

/// A plugin of this executable.
protocol BuiltInPlugin: Plugin {
    static var traits: PluginTraits { get }
    /// Computed, so that an executable that never uses it does not contain it.
    static var description: PluginDescription { get }
}

extension BuiltInPlugin {
    static var type: String { traits.type }
}

/// All plugins of this executable, selected by the name it is called by.
public enum Registry {
    public static let plugins = each(MakeEntry())
    static let traits = each(GetTraits())
    static let descriptions = each(GetDescription())

    /// The only list of the plugins, in the order of the documentation.
    ///
    /// A test ensures that scripts/plugin-names, which must exist before anything is built, has the same names.
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

/// What to make of each plugin. A function over any plugin type, which a closure cannot be.
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
