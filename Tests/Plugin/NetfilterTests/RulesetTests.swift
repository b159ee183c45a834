import Foundation
import Kernel
import Libnftables
import Testing
import TestSupport

@testable import Netfilter

/// The ruleset that the batches make is the one that people read.
@Suite struct RulesetTests {
    private static var text: String {
        get throws { try String(contentsOf: repository.appending(path: "docs/ruleset.nft"), encoding: .utf8) }
    }

    @Test func whatTheBatchesMakeReadsBackAsTheTextToTheLetter() async {
        await #expect(processExitsWith: .success) {
            try enterFreshNode()
            var node = try NodeRules()
            try node.installRulesets()
            let made = try Nft().run("list ruleset")
            try NetworkNamespace.enterNew()
            let nft = try Nft()
            _ = try nft.run(RulesetTests.text)
            let loaded = try nft.run("list ruleset")
            try require(made == loaded, "made:\n\(made)\nfrom the text:\n\(loaded)")
            // And the text is written as nft prints it, but for remarks and blank lines.
            func significant(_ text: String) -> [Substring] {
                text.split(separator: "\n").filter { !$0.drop { $0 == "\t" }.hasPrefix("#") }
            }
            try require(
                significant(try RulesetTests.text) == significant(made), "docs/ruleset.nft is written differently")
        }
    }

    /// What one edition of this program makes, another one must recognise as not its own.
    @Test func aChangeOfTheRulesetIsANewVersion() throws {
        let text = try Self.text.split(separator: "\n").filter { !$0.drop { $0 == "\t" }.hasPrefix("#") }
            .joined(separator: "\n")
        let parts = "\n\(text)".split(separator: "\ntable ").map(String.init)
        let known: [[String: UInt64]] = [
            ["version_3": 13_610_983_948_562_708_423], ["version_1": 13_390_698_723_557_919_960],
            ["version_1": 2_434_808_156_105_210_898], ["version_1": 14_007_239_338_405_884_082],
        ]
        #expect(parts.count == OwnTable.allCases.count)
        for (position, table) in OwnTable.allCases.enumerated() {
            let hash = RulesetTests.hash(parts[position])
            #expect(
                known[position][table.version] == hash,
                "table \(table.table) has changed: give it a new version, and put \(hash) here for it")
        }
    }

    private static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    @Test func aRulesetThatIsWholeHasNoDeviationsAndInstallingItAgainChangesNothing() async {
        await #expect(processExitsWith: .success) {
            try enterFreshNode()
            var node = try NodeRules()
            try node.installRulesets()
            let nft = try Nft()
            let before = try nft.run("list ruleset")
            for table in OwnTable.allCases {
                let found = try table.ruleset.deviations(&node.socket)
                try require(found.isEmpty, "\(found)")
            }
            try node.installRulesets()
            try require(try nft.run("list ruleset") == before, "installing twice has changed something")
        }
    }

    @Test func whateverIsMissingIsNamedAndComesBack() async {
        await #expect(processExitsWith: .success) {
            try enterFreshNode()
            var node = try NodeRules()
            try node.installRulesets()
            let nft = try Nft()
            let whole = try nft.run("list ruleset")
            for table in OwnTable.allCases {
                let ruleset = table.ruleset
                for (chain, rules) in ruleset.chains where !rules.isEmpty {
                    _ = try nft.run("flush chain \(table.table) \(chain.name)")
                    let flushed = try ruleset.deviations(&node.socket)
                    try require(flushed.contains { $0.contains("chain \(chain.name) ") }, "\(chain.name): \(flushed)")
                    try node.install(table)
                    _ = try nft.run("insert rule \(table.table) \(chain.name) drop")
                    let inserted = try ruleset.deviations(&node.socket)
                    try require(inserted.contains { $0.contains("chain \(chain.name) ") }, "\(chain.name): \(inserted)")
                    try node.install(table)
                }
                _ = try nft.run("delete set \(table.table) \(ruleset.version)")
                let unversioned = try ruleset.deviations(&node.socket)
                try require(unversioned.contains { $0.contains(ruleset.version) }, "\(unversioned)")
                _ = try nft.run("add set \(table.table) version_0 { type inet_proto; }")
                try node.install(table)
                let repaired = try ruleset.deviations(&node.socket)
                try require(repaired.isEmpty, "\(repaired)")
            }
            let after = try nft.run("list ruleset").split(separator: "\n").sorted()
            try require(after == whole.split(separator: "\n").sorted(), "it did not come back whole")
        }
    }
}
