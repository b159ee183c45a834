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

    private static let loopback = [" link lo ", " address lo ", #""dev":"lo""#]

    private static let table = "node table "

    /// Without swiftlet's tables, chains, rules and sets (but with their elements) where the other one does not have the
    /// table: it is made at the first use, and stays.
    func withoutTables(newerThan other: Snapshot) -> Snapshot {
        var copy = self
        for own in ["inet swiftlet: ", "bridge swiftlet: "].map({ Snapshot.table + $0 }) {
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

    private static func kernel(_ namespace: some Namespace, _ name: String) throws -> [String] {
        var lines: [String] = []
        for link in try namespace.ip("addr", "show") {
            let ifname = link["ifname"]?.string ?? "?"
            let flags = (link["flags"]?.array ?? []).compactMap(\.string).filter { ["UP", "PROMISC"].contains($0) }
                .sorted()
            let attributes = ["ifindex", "mtu", "address", "master", "ifalias", "promiscuity"].map { key in
                "\(key)=\(link[key].map { String(decoding: $0.bytes, as: UTF8.self) } ?? "-")"
            }
            if link["linkinfo"]?["info_kind"] == "bridge" {
                lines.append(
                    "\(name) route_localnet \(ifname) \(try namespace.sysctl("ipv4/conf/\(ifname)/route_localnet"))")
            }
            lines.append("\(name) link \(ifname) \(flags) \(attributes.joined(separator: " "))")
            lines += (link["addr_info"]?.array ?? []).compactMap(\.ownAddress).map { "\(name) address \(ifname) \($0)" }
        }
        for route in try namespace.routes() {
            let text = String(
                decoding: JSONValue.object((route.object ?? [:]).filter { !["flags", "expires"].contains($0.key) })
                    .bytes,
                as: UTF8.self)
            // The kernel makes and removes these by itself, when it gets round to it.
            guard !text.contains("fe80:"), !text.contains("ff00::/8") else { continue }
            lines.append("\(name) route \(text)")
        }
        return lines
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
