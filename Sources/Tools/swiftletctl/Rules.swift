import ArgumentParser
import Kernel
import Libnftables
import Netfilter
import Posix

struct Rules: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show this node's nf_tables rules, or compare them with what they should be.",
        discussion: """
            The tables are inet swiftlet for masquerade and host ports, ip swiftlet beside host ports, inet \
            swiftlet_isolation where networks are isolated, and bridge swiftlet where pods are held to their addresses. What \
            each part is for stands in docs/ruleset.nft. --check makes the rulesets afresh in a network namespace of its \
            own, reads both back through libnftables, and compares the texts without the elements; exit code 1 if they \
            differ.

            Examples:
              swiftletctl rules
              swiftletctl rules --check
            """)

    @Flag(help: "Compare the fixed part with what it should be.") var check = false
    @OptionGroup var output: OutputOptions

    func run() throws {
        let nft = try Nft()
        var found: [String: String] = [:]
        for table in NodeRules.tables { found[table] = try text(of: "\(table)", nft) }
        guard check else {
            let text = NodeRules.tables.compactMap { found[$0] }.joined()
            return try output.print(found, text: text.isEmpty ? "no rules on this node" : text)
        }
        let missing = try NodeRules.requiredTables().subtracting(found.keys).sorted()
        var differences = missing.map { "table \($0): missing, swiftletctl repair makes it" }
        try NetworkNamespace.enterNew()
        var node = try NodeRules()
        try node.installRulesets()
        let fresh = try Nft()
        for (table, text) in found.sorted(by: { $0.key < $1.key }) {
            let wanted = try fresh.run("list table \(table)", terse: true)
            differences += difference(fixedPart(text), wanted.lines, table)
        }
        let tables = found.keys.sorted().joined(separator: ", ")
        let agreement = found.isEmpty ? "no rules on this node, and no pod needs any" : "as they should be: \(tables)"
        try output.print(
            differences, text: differences.isEmpty ? agreement : differences.joined(separator: "\n"))
        guard differences.isEmpty else { throw ExitCode.failure }
    }

    /// - Returns: nil if the table does not exist; any other failure is thrown.
    private func text(of table: String, _ nft: borrowing Nft) throws -> String? {
        guard ProcessEnvironment.effectiveUser == 0 else {
            throw ValidationError("reading rules needs root: run it with sudo")
        }
        do { return try nft.run("list table \(table)", terse: check) } catch {
            let lines = error.description.lines
            if lines.contains(where: { $0.hasSuffix("No such file or directory") }) { return nil }
            throw Failure(.kernel, "list table \(table): \(lines.first ?? "nft does not say why")")
        }
    }

    /// The text without the chains of conditions.
    private func fixedPart(_ text: String) -> [String] {
        var isSkipping = false
        return text.lines.filter { line in
            if line.contains("chain \(NodeRules.conditionChainPrefix)") { isSkipping = true }
            defer { if line == "\t}" { isSkipping = false } }
            return !isSkipping
        }
    }

    private func difference(_ present: [String], _ wanted: [String], _ table: String) -> [String] {
        wanted.difference(from: present).map { change in
            switch change {
            case .insert(_, let line, _): "table \(table): missing: \(line.drop { $0 == "\t" })"
            case .remove(_, let line, _): "table \(table): unknown: \(line.drop { $0 == "\t" })"
            }
        }
    }
}

extension String {
    /// The lines that are not empty.
    fileprivate var lines: [String] { split(separator: "\n").map(String.init) }

}
