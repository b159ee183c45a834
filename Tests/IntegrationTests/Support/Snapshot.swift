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
        lines += Snapshot.files(node.data)
        lines.sort()
    }

    private static let loopback = [" link lo ", " address lo ", #""dev":"lo""#]

    /// Without the lines about a thing that is allowed to differ.
    func without(_ words: String...) -> Snapshot {
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

    private static func files(_ directory: String) -> [String] {
        guard let paths = try? FileManager.default.subpathsOfDirectory(atPath: directory) else { return [] }
        return paths.filter { !$0.contains("last_reserved_ip") }.map { path in
            let full = directory + "/" + path
            if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: full) {
                return "file \(path) -> \(target)"
            }
            let text = FileManager.default.contents(atPath: full).map { String(decoding: $0, as: UTF8.self) } ?? ""
            return "file \(path) \(text.debugDescription)"
        }
    }
}

/// Records an issue that shows what differs.
func expectSame(
    _ after: Snapshot, as before: Snapshot, _ comment: String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
    guard after != before else { return }
    Issue.record(
        "\(comment)\nleft behind (+) or lost (-):\n\(after.difference(from: before))", sourceLocation: sourceLocation)
}
