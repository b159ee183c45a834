internal import CNI

/// The configuration reference for users, from the tables that the decoders use.
public enum ConfigurationReference {
    /// A Markdown table for each plugin with keys.
    public static var markdown: String {
        ([table("every plugin", "See [logging.md](logging.md).", LogSettings.Keys.everything)]
            + PluginDescription.all.filter { !$0.keys.isEmpty }.map { plugin in
                table(plugin.type, plugin.summary, plugin.documentedKeys)
            }).joined(separator: "\n")
    }

    private static func table(_ title: String, _ text: String, _ keys: [KeyDescription]) -> String {
        let rows = keys.map {
            "| `\($0.name)` | \($0.fallback.isEmpty ? "" : "`\($0.fallback)`") | \($0.summary) |"
        }
        let head = ["### \(title)", "", text, "", "| key | default | meaning |", "|---|---|---|"]
        return (head + rows + [""]).joined(separator: "\n")
    }
}
