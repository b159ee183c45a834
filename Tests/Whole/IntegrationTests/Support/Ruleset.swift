import ContainerRuntime
import Foundation

/// An element of a set or a map.
struct RuleElement: Sendable, CustomStringConvertible {
    /// Family and name of its table.
    let table: String
    let set: String
    /// The key, and what it is mapped to, as nft's JSON.
    let content: String
    /// Whose it is.
    let owner: String

    var description: String { "\(table) \(set) \(content) \(owner)" }
}

/// The nf_tables rules of a namespace, as nft(8) lists them.
struct Ruleset: Sendable {
    /// Elements of all sets and maps.
    private(set) var elements: [RuleElement] = []
    /// Everything else, each with its table first.
    private(set) var objects: [String] = []

    init(_ namespace: some Namespace) throws {
        // iptables' rules count what they see.
        let text = try namespace.exec("nft", "-j", "list", "ruleset").replacing(/"(packets|bytes)": [0-9]+/, with: "")
            .replacing("{, }", with: "{}")
        for entry in try JSONValue(parsing: text)["nftables"]?.array ?? [] {
            for (kind, value) in entry.object ?? [:] where kind != "metainfo" {
                guard var object = value.object else { continue }
                let name = object["name"]?.string ?? ""
                let table =
                    "\(object["family"]?.string ?? "") \(kind == "table" ? name : object["table"]?.string ?? "")"
                let found = (object.removeValue(forKey: "elem")?.array ?? []).map { RuleElement(table, name, $0) }
                // The ports that packets have been sent to, which the rules note, are nobody's.
                elements += name == "used_udp_ports" ? [] : found
                // Numbered anew whenever something is made.
                object["handle"] = nil
                objects.append("\(table): \(kind) \(JSONValue.object(object).text)")
            }
        }
    }

    /// The elements of swiftlet's own tables.
    var own: [RuleElement] { elements.filter { $0.table.contains(" swiftlet") } }
}

extension RuleElement {
    fileprivate init(_ table: String, _ set: String, _ element: JSONValue) {
        // Of a map: the key, and the value.
        let parts = element["elem"] == nil && element["concat"] == nil ? element.array ?? [element] : [element]
        self.table = table
        self.set = set
        owner = parts[0]["elem"]?["comment"]?.string ?? ""
        content = parts.map { ($0["elem"]?["val"] ?? $0).text }.joined(separator: " : ")
    }
}

extension JSONValue {
    var text: String { String(decoding: bytes, as: UTF8.self) }
}

extension Node {
    func ruleset() throws -> Ruleset { try Ruleset(self) }

    /// Where records of what attachments to this node want are kept.
    func records() throws -> String {
        var status = stat()
        guard stat(path, &status) == 0 else { throw CommandError.system("stat \(path)") }
        return "/run/swiftlet/\(status.st_ino)"
    }

    /// The files below ``records()``, and the directories.
    func recordPaths() throws -> [String] {
        (try? FileManager.default.subpathsOfDirectory(atPath: records()))?.sorted() ?? []
    }

    func forgetRecords() throws {
        let directory = try records()
        if FileManager.default.fileExists(atPath: directory) { try FileManager.default.removeItem(atPath: directory) }
    }
}
