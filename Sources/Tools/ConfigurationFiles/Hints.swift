internal import JSON
internal import Plugins
internal import Spelling

/// Suggests what an unknown key was meant to be.
enum Hints {
    static func isKnown(_ key: String, _ known: [String]) -> Bool {
        key.hasPrefix("_") || key.utf8.contains(UInt8(ascii: "/"))
            || known.contains { JSON.Object.equalIgnoringASCIICase($0, key) }
    }

    /// The plugin of ours whose name was misspelt. Other plugins have similar names, such as macvtap.
    static func plugin(_ type: String) -> String? {
        let names = PluginDescription.all.map { $0.type }
        guard type.count > 3, let nearest = Spelling.nearest(to: type, among: names) else { return nil }
        return Spelling.distance(type, nearest) == 1 ? nearest : nil
    }

    static func listKey(_ key: String, _ known: [String]) -> String {
        if let nearest = Spelling.nearest(to: key, among: known) { return "did you mean \(nearest)?" }
        let owners = self.owners(of: key, besides: nil)
        return owners.isEmpty ? "" : "it is a key of \(owners): put it into the plugin's object in plugins"
    }

    /// - Parameters:
    ///   - plugin: the plugin that does not know the key.
    ///   - ipam: the plugin that its `ipam` names.
    static func key(_ unknown: UnknownKey, of plugin: PluginDescription, ipam: PluginDescription?) -> String {
        if let nearest = Spelling.nearest(to: unknown.key, among: unknown.known) { return "did you mean \(nearest)?" }
        if let ipam, has(ipam, unknown.key) { return "\(ipam.type) takes it: it belongs in ipam" }
        if plugin.role == .addresses, Spelling.nearest(to: unknown.key, among: PluginDescription.commonKeys) != nil {
            return "it belongs beside type of the plugin, not in ipam"
        }
        let owners = self.owners(of: unknown.key, besides: plugin.type)
        return owners.isEmpty ? "" : "it is a key of \(owners)"
    }

    private static func has(_ plugin: PluginDescription, _ key: String) -> Bool {
        plugin.keys.contains { JSON.Object.equalIgnoringASCIICase($0.name, key) }
    }

    private static func owners(of key: String, besides type: String?) -> String {
        PluginDescription.all.filter { $0.type != type && has($0, key) }.map { $0.type }.joined(separator: ", ")
    }
}
