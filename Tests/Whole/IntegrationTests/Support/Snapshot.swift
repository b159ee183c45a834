import ContainerRuntime
import Foundation
import Testing

/// Everything that a plugin could have changed, as sorted lines.
struct Snapshot: Equatable, CustomStringConvertible {
    private(set) var lines: [String] = []

    var description: String { lines.joined(separator: "\n") }

    /// What is not in the other one, and the other way round.
    func difference(from other: Snapshot) -> String {
        let (mine, its) = (Set(lines), Set(other.lines))
        return (its.subtracting(mine).sorted().map { "- \($0)" } + mine.subtracting(its).sorted().map { "+ \($0)" })
            .joined(separator: "\n")
    }

    init(_ node: Node, _ pods: [Pod] = []) throws {
        lines += try Snapshot.kernel(node, "node")
        for pod in pods {
            // That `lo` is up is as it should be, whatever came of the rest.
            lines += try Snapshot.kernel(pod, pod.id).filter { line in !Snapshot.loopback.contains { line.contains($0) }
            }
        }
        let forwarding = try node.shell("cd /proc/sys/net && grep . ipv4/ip_forward ipv6/conf/all/forwarding")
        lines += forwarding.split(separator: "\n").map { "node \($0)" }
        lines += Snapshot.files(node.data, "file")
        lines += Snapshot.files(try node.records(), "record")
        let ruleset = try node.ruleset()
        lines += ruleset.objects.map { Snapshot.table + $0 } + ruleset.elements.map { "node element \($0)" }
        lines.sort()
    }

    private static let loopback = [" link lo ", " address lo ", " qdisc lo ", #""dev":"lo""#]

    private static let table = "node table "

    /// Without swiftlet's tables, chains, rules and sets (but with their elements) where the other one does not have the
    /// table: it is made at the first use, and stays.
    func withoutTables(newerThan other: Snapshot) -> Snapshot {
        var copy = self
        for own in ["inet swiftlet: ", "ip swiftlet: ", "inet swiftlet_isolation: ", "bridge swiftlet: "].map({
            Snapshot.table + $0
        }) {
            if other.lines.contains(where: { $0.hasPrefix(own) }) { continue }
            copy.lines.removeAll { $0.hasPrefix(own) }
        }
        return copy
    }

    /// Without what an address store keeps for itself: directories, locks, indices.
    var withoutStore: Snapshot {
        var copy = self
        copy.lines.removeAll { $0.hasPrefix("file ") && ($0.hasSuffix(" \"\"") || $0.contains(".swiftlet")) }
        return copy
    }

    /// Without the lines about a thing that is allowed to differ.
    func without(_ words: String...) -> Snapshot { without(words) }

    func without(_ words: [String]) -> Snapshot {
        var copy = self
        copy.lines.removeAll { line in words.contains { line.contains($0) } }
        return copy
    }

    /// Asked for all at once: there are many snapshots.
    private static let questions = [
        "ip -d -j addr show", "ip -j -4 route show table all", "ip -j -6 route show table all",
        "ip -4 rule; ip -6 rule", "ip -4 neigh show nud permanent; ip -6 neigh show nud permanent",
        "tc qdisc show; tc filter show", "cd /proc/sys/net/ipv4/conf && grep . */route_localnet",
    ]

    private static func kernel(_ namespace: some Namespace, _ name: String) throws -> [String] {
        let script = questions.joined(separator: "; echo @; ") + "; true"
        let answers = try namespace.exec("sh", "-c", script).split(separator: "@\n", omittingEmptySubsequences: false)
            .map { $0.split(separator: "\n") }
        guard answers.count == questions.count else { throw CommandError(description: "\(script): \(answers)") }
        func objects(_ answer: Int) throws -> [JSONValue] {
            guard !answers[answer].isEmpty else { return [] }
            return try JSONValue(parsing: answers[answer].joined(separator: "\n")).array?.filter { $0 != [:] } ?? []
        }
        let links = try objects(0)
        return links.flatMap { self.lines(about: $0, name) }
            + (try objects(1) + objects(2)).compactMap { self.line(aboutRoute: $0, name) }
            + answers[3].map { "\(name) rule \($0)" } + answers[4].map { "\(name) neighbour \($0)" }
            + answers[5].compactMap { self.line(aboutQdisc: String($0), name) }
            + answers[6].compactMap { line in
                let parts = line.split(separator: /[\/:]/).map(String.init)
                let isBridge = links.contains {
                    $0["ifname"]?.string == parts[0] && $0["linkinfo"]?["info_kind"] == "bridge"
                }
                return isBridge ? "\(name) route_localnet \(parts[0]) \(parts[2])" : nil
            }
    }

    private static func lines(about link: JSONValue, _ name: String) -> [String] {
        let ifname = link["ifname"]?.string ?? "?"
        let flags = (link["flags"]?.array ?? []).compactMap(\.string).filter { ["UP", "PROMISC"].contains($0) }.sorted()
        let attributes = ["ifindex", "mtu", "address", "master", "ifalias", "promiscuity"].map { key in
            "\(key)=\(link[key].map { String(decoding: $0.bytes, as: UTF8.self) } ?? "-")"
        }
        return ["\(name) link \(ifname) \(flags) \(attributes.joined(separator: " "))"]
            + (link["addr_info"]?.array ?? []).compactMap(\.ownAddress).map { "\(name) address \(ifname) \($0)" }
    }

    private static func line(aboutRoute route: JSONValue, _ name: String) -> String? {
        let object = (route.object ?? [:]).filter { !["flags", "expires"].contains($0.key) }
        let text = JSONValue.object(object).text
        // The kernel makes and removes these by itself, when it gets round to it.
        return text.contains("fe80:") || text.contains("ff00::/8") ? nil : "\(name) route \(text)"
    }

    /// `DEVICE KIND HANDLE ...`; what every device has by itself is left out.
    private static func line(aboutQdisc line: String, _ name: String) -> String? {
        let words = line.split(separator: " ")
        guard words.count > 4, let dev = words.firstIndex(of: "dev"), dev + 1 < words.count else {
            return "\(name) qdisc \(line)"
        }
        return words[1] == "noqueue" ? nil : "\(name) qdisc \(words[dev + 1]) \(line)"
    }

    private static func files(_ directory: String, _ kind: String) -> [String] {
        guard let paths = try? FileManager.default.subpathsOfDirectory(atPath: directory) else { return [] }
        return paths.filter { !$0.contains("last_reserved_ip") }.map { path in
            let full = directory + "/" + path
            if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: full) {
                return "\(kind) \(path) -> \(target)"
            }
            let text = FileManager.default.contents(atPath: full).map { String(decoding: $0, as: UTF8.self) } ?? ""
            return "\(kind) \(path) \(text.debugDescription)"
        }
    }
}

/// Records an issue that shows what differs.
///
/// - Parameter allowingTables: whether swiftlet's tables may have been made in between, without elements.
func expectSame(
    _ after: Snapshot, as before: Snapshot, _ comment: String = "", allowingTables: Bool = true,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let after = allowingTables ? after.withoutTables(newerThan: before) : after
    guard after != before else { return }
    Issue.record(
        "\(comment)\nleft behind (+) or lost (-):\n\(after.difference(from: before))", sourceLocation: sourceLocation)
}
