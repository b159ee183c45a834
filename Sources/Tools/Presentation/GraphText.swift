public import Inventory

extension Snapshot {
    /// The node in Graphviz's DOT language (graphviz.org/doc/info/lang.html).
    public var dot: String {
        var lines = [
            "digraph swiftlet {",
            "    rankdir=LR; compound=true; fontname=\"Helvetica\"; label=\(quoted("\(node): \(summary)"));",
            "    node [shape=box style=\"rounded,filled\" fillcolor=white fontname=\"Helvetica\" fontsize=10];",
            "    edge [dir=none color=\"#64748b\"];",
        ]
        let model = GraphModel(self)
        let shortIDs = shortIDs
        lines.append("    host [label=\(quoted(node)) fillcolor=\"#e2e8f0\" shape=box3d];")
        for (number, name) in uplinks.enumerated() {
            let addresses = interface(name)?.addresses.map(\.description) ?? []
            lines.append("    up\(number) [label=\(quoted(([name] + addresses).joined(separator: "\n"))) shape=cds];")
            let hop = nextHop(by: name).map { " label=\(quoted("via \($0)"))" } ?? ""
            lines.append("    up\(number) -> host [fontsize=9\(hop)];")
        }
        for (number, group) in model.groups.enumerated() {
            lines.append("    subgraph cluster_\(number) {")
            lines.append("        label=\(quoted(group.network.name)); style=rounded; color=\"#cbd5e1\";")
            let hub = ([GraphModel.text(group)] + group.network.gateways.map(\.description)).joined(separator: "\n")
            let color = group.isDown ? "#fecaca" : "#dbeafe"
            lines.append("        hub\(number) [label=\(quoted(hub)) fillcolor=\"\(color)\"];")
            for (position, pod) in group.pods.enumerated() {
                let name = "pod\(number)_\(position)"
                let color = trouble(pod.id) == nil ? "" : " fillcolor=\"#fef3c7\""
                lines.append(
                    "        \(name) [label=\(quoted(pod.label(shortIDs).joined(separator: "\n")))\(color)];")
                lines.append("        hub\(number) -> \(name);")
            }
            for (position, orphan) in group.orphans.enumerated() {
                let label = orphan.label(shortIDs).joined(separator: "\n")
                lines.append(
                    "        orphan\(number)_\(position) [label=\(quoted(label)) style=\"rounded,dashed\" color=red];")
            }
            lines.append("    }")
            if group.hub != .nothing { lines.append("    host -> hub\(number);") }
        }
        return (lines + ["}", ""]).joined(separator: "\n")
    }

    private func quoted(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": escaped += "\\\(scalar)"
            case "\n": escaped += "\\n"
            case "\u{0}"..<"\u{20}": escaped += "?"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return "\"\(escaped)\""
    }

    /// The node as a Mermaid flowchart (mermaid.js.org/syntax/flowchart.html), which code hosting sites render.
    public var mermaid: String {
        var lines = ["flowchart LR", "    host[\"\(inMermaid([node]))\"]"]
        let model = GraphModel(self)
        let shortIDs = shortIDs
        for (number, name) in uplinks.enumerated() {
            let addresses = interface(name)?.addresses.map(\.description) ?? []
            lines.append("    up\(number)[/\"\(inMermaid([name] + addresses))\"/]")
            let hop = nextHop(by: name).map { "|\"\(inMermaid(["via \($0)"]))\"|" } ?? ""
            lines.append("    up\(number) ---\(hop) host")
        }
        var classes: [String: [String]] = [:]
        for (number, group) in model.groups.enumerated() {
            lines.append("    subgraph net\(number) [\"\(inMermaid([group.network.name]))\"]")
            let hub = [GraphModel.text(group)] + group.network.gateways.map(\.description)
            lines.append("        hub\(number)[[\"\(inMermaid(hub))\"]]")
            if group.isDown { classes["trouble", default: []].append("hub\(number)") }
            for (position, pod) in group.pods.enumerated() {
                let name = "pod\(number)_\(position)"
                lines.append("        \(name)(\"\(inMermaid(pod.label(shortIDs)))\")")
                lines.append("        hub\(number) --- \(name)")
                if trouble(pod.id) != nil { classes["trouble", default: []].append(name) }
            }
            for (position, orphan) in group.orphans.enumerated() {
                let name = "orphan\(number)_\(position)"
                lines.append("        \(name)(\"\(inMermaid(orphan.label(shortIDs)))\")")
                classes["orphan", default: []].append(name)
            }
            lines.append("    end")
            if group.hub != .nothing { lines.append("    host --- hub\(number)") }
        }
        if let orphans = classes["orphan"] {
            lines.append("    classDef orphan stroke:#dc2626,fill:#fef2f2,stroke-dasharray:5 3")
            lines.append("    class \(orphans.joined(separator: ",")) orphan")
        }
        if let troubled = classes["trouble"] {
            lines.append("    classDef trouble stroke:#d97706,fill:#fffbeb")
            lines.append("    class \(troubled.joined(separator: ",")) trouble")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Characters with a special meaning in labels are written as their number: `#38;` is an ampersand.
    private func inMermaid(_ lines: [String]) -> String {
        lines.map { line in
            var escaped = ""
            for scalar in line.unicodeScalars {
                switch scalar {
                case "\"", "#", "&", "<", ">", "`", ";", "[", "]", "{", "}", "(", ")", "|", "*", "_", "\\":
                    escaped += "#\(scalar.value);"
                case "\u{0}"..<"\u{20}": escaped += "?"
                default: escaped.unicodeScalars.append(scalar)
                }
            }
            return escaped
        }.joined(separator: "<br>")
    }
}

extension Attachment {
    fileprivate func label(_ shortIDs: [String: String]) -> [String] {
        ["\(shortIDs[id.containerID] ?? id.containerID) \(id.ifname)"] + shownAddresses
            + [portsText(atMost: 4), limitsText, stateText].filter { !$0.isEmpty }
    }
}

extension Orphan {
    fileprivate func label(_ shortIDs: [String: String]) -> [String] {
        let containerID = id?.containerID ?? ""
        return ["orphan \(shortIDs[containerID] ?? containerID)", leftovers, reason.text]
    }
}
