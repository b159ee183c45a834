import Foundation

/// Everything that plugins could have left on a node and in a pod, as lines that are the same on every node.
///
/// Like ``Snapshot``, but made for thousands of nodes: one shell, no JSON, names instead of contents of files. The bridge
/// `cbr0`, which stays, is none of it, nor are addresses and routes that the kernel makes by itself,
/// nor entries of the address store's index without a reservation, which count as nothing and go with the next change.
struct Remains {
    let lines: Set<String>

    /// Both families' links, addresses, routes, rules, permanent neighbours; queueing disciplines, connections, packet rules;
    /// reservations and records with their locks and temporary files.
    private static let script = #"""
        ask() { for family in -4 -6; do
            printf '%s\n' "addr show" "route show table all" "rule show" "neigh show nud permanent" |
                ip "$@" $family -o -batch - | sed "s/^/$name $family /"; done
            ip "$@" -o link show | sed "s/^/$name link /"; }
        name=node; ask
        [ -e "$1" ] && name=pod && ask -n "$2"
        tc qdisc show | sed 's/^/qdisc /'
        if [ -r /proc/net/nf_conntrack ]; then cat /proc/net/nf_conntrack; else conntrack -L 2>&1; fi | sed 's/^/flow /'
        cd "$3" 2>/dev/null && find . -mindepth 1 ! -xtype l -printf 'file %P -> %l\n'
        cd "$4" 2>/dev/null && find . -printf 'record %y %p\n'
        echo rules; nft -s list ruleset
        """#

    init(_ node: Node, _ pod: Pod) throws {
        let text = try run(
            "nsenter", "--net=\(node.path)", "sh", "-c", Self.script, "sh", pod.path, pod.netns, node.data,
            node.records())
        var lines: Set<String> = []
        var table: Substring?
        for line in text.split(separator: "\n") {
            if line == "rules" {
                table = ""
            } else if let current = table {
                if line.hasPrefix("table ") { table = line } else if line != "}" { lines.insert("\(current)\(line)") }
            } else if let line = Self.line(line) {
                lines.insert(line.replacingOccurrences(of: pod.netns, with: "POD"))
            }
        }
        self.lines = lines
    }

    /// nil for what does not count.
    private static func line(_ line: Substring) -> String? {
        let words = line.split(separator: " ")
        if words[0] == "flow" {
            let addresses = words.filter { $0.hasPrefix("src=") || $0.hasPrefix("dst=") }
            // The bridge has its own conversations, with routers and the like.
            let isOfPods = addresses.contains { address in
                ["10.44.0.", "fd00:44::"].contains {
                    address.dropFirst(4).hasPrefix($0) && address.dropFirst(4) != "\($0)1"
                }
            }
            return isOfPods ? "flow \(addresses.joined(separator: " "))" : nil
        }
        // Where the last search ended: the reference's file, which stays.
        if words[0] == "file" {
            return words[1].hasSuffix("last_reserved_ip.0") || words[1].hasSuffix("last_reserved_ip.1")
                ? nil : String(line)
        }
        if words[0] == "record" { return String(line) }
        guard !words.contains("cbr0"), !words.contains("cbr0:"), !line.contains(" fe80:"), !line.contains("ff00::/8")
        else {
            return nil
        }
        if words[0] == "qdisc" { return words.contains("noqueue") ? nil : words.prefix(6).joined(separator: " ") }
        // `lo` is to be up, whatever becomes of the rest.
        guard !words.contains("lo"), !words.contains("lo:") else { return nil }
        guard words[1] == "link" else { return words.filter { $0 != "linkdown" }.joined(separator: " ") }
        // Whether it has a carrier yet, and so on, is not what counts.
        var kept = words.prefix(4)
        for (word, next) in zip(words, words.dropFirst())
        where ["mtu", "master", "link/ether", "alias"].contains(word) { kept += [word, next] }
        return kept.joined(separator: " ")
    }
}
