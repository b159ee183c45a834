import ContainerRuntime
import Foundation

/// One thing that somebody else can do to our rules.
struct Damage: Sendable, CustomStringConvertible {
    let description: String
    /// The words of which CHECK has to say one.
    let names: [String]
    /// For nft -j -f.
    let commands: JSONValue
}

/// All of swiftlet's tables as the kernel has them, and what could be taken from them or put in.
struct Listing: Sendable {
    private let objects: [JSONValue]

    init(_ node: Node) throws {
        let text = try node.exec("nft", "-j", "-a", "list", "ruleset")
        objects = (try JSONValue(parsing: text)["nftables"]?.array ?? []).filter { object in
            object.object?.values.contains {
                ($0["table"] ?? $0["name"])?.string?.hasPrefix("swiftlet") ?? false
            } ?? false
        }
    }

    private func all(_ kind: String) -> [JSONValue] { objects.compactMap { $0[kind] } }

    private var chains: [JSONValue] { all("chain") }
    private var rules: [JSONValue] { all("rule") }
    /// Which UDP ports have been used is no attachment's: what is missing there is looked for.
    private var sets: [JSONValue] { (all("set") + all("map")).filter { $0.text("name") != "used_udp_ports" } }

    /// Each rule gone, one at a time.
    var lostRules: [Damage] {
        rules.map { rule in
            Damage(
                "rule \(rule["handle"]?.integer ?? 0) of chain \(rule.text("chain")) deleted", [rule.text("chain")],
                "delete", "rule", rule.only("family", "table", "chain", "handle"))
        }
    }

    /// Each chain without its rules, and gone where nothing leads to it.
    var lostChains: [Damage] {
        chains.flatMap { chain -> [Damage] in
            let name = chain.text("name")
            let place = chain.only("family", "table", "name")
            let hasRules = rules.contains { $0["chain"] == chain["name"] && $0["family"] == chain["family"] }
            let isFree = chain["hook"] != nil
            let flushed = Damage("chain \(name) flushed", [name], "flush", "chain", place)
            // The kernel deletes no chain that has rules.
            let deleted = Damage(
                description: "chain \(name) deleted", names: [name],
                commands: [["flush": ["chain": place]], ["delete": ["chain": place]]])
            return (hasRules ? [flushed] : []) + (isFree ? [deleted] : [])
        }
    }

    /// A rule of somebody else's in each chain, now as the first, now as the last.
    var foreignRules: [Damage] {
        chains.enumerated().map { number, chain in
            let command = number % 2 == 0 ? "insert" : "add"
            var rule = chain.only("family", "table").object ?? [:]
            rule["chain"] = chain["name"]
            rule["expr"] = [["counter": .null]]
            let name = chain.text("name")
            return Damage("\(command) a rule in chain \(name)", [name], command, "rule", .object(rule))
        }
    }

    /// Each element gone, one at a time.
    var lostElements: [Damage] {
        sets.flatMap { set in
            set.elements.map { element in
                Damage(
                    "an element of \(set.text("name")) deleted: \(element.key.text)", set.names, "delete", "element",
                    set.with(elements: [element.key]))
            }
        }
    }

    /// Each set without its elements, or gone where no rule uses it, and each table gone.
    var lostSetsAndTables: [Damage] {
        sets.filter { !$0.elements.isEmpty }.map { set in
            Damage(
                "set \(set.text("name")) flushed", set.names, "flush", set["map"] == nil ? "set" : "map",
                set.only("family", "table", "name"))
        }
            + sets.filter { $0.text("name").hasPrefix("version_") }.map { set in
                Damage(
                    "set \(set.text("name")) deleted", set.names, "delete", "set",
                    set.only("family", "table", "name"))
            }
            + all("table").map { table in
                Damage(
                    "table \(table.text("family")) \(table.text("name")) deleted",
                    ["table \(table.text("family")) \(table.text("name"))"],
                    "delete", "table", table.only("family", "name"))
            }
    }

    /// Elements that somebody has made their own, or that lead somewhere else.
    var changedElements: [Damage] {
        sets.flatMap { set in
            set.elements.compactMap { element -> Damage? in
                let stranger: JSONValue = ["elem": ["val": element.key, "comment": "net/stranger/eth0"]]
                var replaced = stranger
                if let value = element.value {
                    let own: JSONValue = ["elem": ["val": element.key, "comment": .string(element.comment)]]
                    guard case .array(let parts)? = value["concat"], let address = parts.first else { return nil }
                    replaced = [own, ["concat": [address, 9]]]
                } else if element.comment == "net" {
                    // All of a network's pods have it together, whoever made it.
                    return nil
                }
                return Damage(
                    description: "an element of \(set.text("name")) changed: \(element.key.text)", names: set.names,
                    commands: [
                        ["delete": ["element": set.with(elements: [element.key])]],
                        ["add": ["element": set.with(elements: [replaced])]],
                    ])
            }
        }
    }
}

extension Node {
    func nft(_ damage: Damage) throws {
        let document: JSONValue = ["nftables": damage.commands]
        do { try run(["nsenter", "--net=\(path)", "nft", "-j", "-f", "-"], stdin: document.text) } catch {
            throw CommandError(description: "\(damage): \(document.text): \(error)")
        }
    }
}

extension Damage {
    fileprivate init(
        _ description: String, _ names: [String], _ command: String, _ kind: String, _ object: JSONValue
    ) {
        let one: JSONValue = .object([command: .object([kind: object])])
        self.init(description: description, names: names, commands: .array([one]))
    }
}

/// An element of a set, or of a map with what it leads to.
private struct ListedElement {
    let key: JSONValue
    let value: JSONValue?
    let comment: String

    init(_ entry: JSONValue, isMap: Bool) {
        let first = isMap ? entry[0] ?? .null : entry
        key = first["elem"]?["val"] ?? first
        value = isMap ? entry[1] : nil
        comment = first["elem"]?["comment"]?.string ?? ""
    }
}

extension JSONValue {
    fileprivate func text(_ key: String) -> String { self[key]?.string ?? "" }

    fileprivate func only(_ keys: String...) -> JSONValue { .object((object ?? [:]).filter { keys.contains($0.key) }) }

    fileprivate var elements: [ListedElement] {
        (self["elem"]?.array ?? []).map { ListedElement($0, isMap: self["map"] != nil) }
    }

    /// CHECK calls ports by their number.
    fileprivate var names: [String] {
        text("name").contains("hostports") ? [text("name"), "host port"] : [text("name")]
    }

    fileprivate func with(elements: [JSONValue]) -> JSONValue {
        var object = only("family", "table", "name").object ?? [:]
        object["elem"] = .array(elements)
        return .object(object)
    }
}
