import ArgumentParser
import Plugins
import Presentation

struct ConfReference: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reference",
        abstract: "Explain the keys of the plugins.",
        discussion: """
            From the tables that the plugins read their configurations with, as in docs/configuration.md.

            Examples:
              swiftletctl conf reference
              swiftletctl conf reference bridge
              swiftletctl conf reference host-local --json
            """)

    @Argument(
        help: "Plugin to explain; by default all.",
        completion: .list(PluginDescription.all.map { $0.type }))
    var plugin: String?

    @OptionGroup var output: OutputOptions

    private struct Section: Encodable {
        struct Key: Encodable {
            let name: String
            let fallback: String
            let meaning: String

            enum CodingKeys: String, CodingKey { case name, fallback = "default", meaning }
        }

        let plugin: String
        let summary: String
        let keys: [Key]

        init(_ plugin: PluginDescription, all: Bool) {
            self.plugin = plugin.type
            summary = plugin.summary.plain
            keys = (all ? plugin.keys : plugin.documentedKeys).map {
                Key(name: $0.name, fallback: $0.fallback, meaning: $0.summary.plain)
            }
        }

        /// Names on the left, meanings on the right.
        func text(width: Int) -> String {
            let indent = (keys.map { $0.name.count }.max() ?? 0) + 4
            let rows = keys.map { key in
                let meaning = key.meaning + (key.fallback.isEmpty ? "" : " Default: \(key.fallback).")
                return Words.padded("  \(key.name)", to: indent)
                    + meaning.wrapped(width - indent).joined(separator: "\n" + String(repeating: " ", count: indent))
            }
            return
                ([plugin, "  " + summary.wrapped(width - 2).joined(separator: "\n  ")] + (rows.isEmpty ? [] : [""])
                + rows)
                .joined(separator: "\n")
        }
    }

    func validate() throws {
        guard let plugin, PluginDescription.of(plugin) == nil else { return }
        let names = PluginDescription.all.map { $0.type }.joined(separator: ", ")
        throw ValidationError("No plugin is called \(plugin). There are \(names).")
    }

    func run() throws {
        let plugins = plugin.flatMap(PluginDescription.of).map { [$0] } ?? PluginDescription.all
        // A question about one plugin asks for all its keys.
        let sections = plugins.map { Section($0, all: plugin != nil) }
        try output.print(sections, text: sections.map { $0.text(width: 100) }.joined(separator: "\n\n"))
    }
}

extension String {
    /// Markdown without its markup.
    fileprivate var plain: String {
        var text = ""
        var rest = Substring(self)
        while let character = rest.first {
            rest = rest.dropFirst()
            if character == "`" { continue }
            // Of a link only the text is kept.
            if character == "[", let middle = rest.firstRange(of: "]("),
                let end = rest[middle.upperBound...].firstIndex(of: ")")
            {
                text += rest[..<middle.lowerBound]
                rest = rest[rest.index(after: end)...]
                continue
            }
            text.append(character)
        }
        return text
    }

    fileprivate func wrapped(_ width: Int) -> [String] {
        var lines = [""]
        for word in split(separator: " ") {
            if !lines[lines.count - 1].isEmpty, lines[lines.count - 1].count + word.count >= width { lines.append("") }
            lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + word
        }
        return lines
    }
}
