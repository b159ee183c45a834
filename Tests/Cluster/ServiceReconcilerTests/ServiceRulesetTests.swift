import Foundation
import Kernel
import Libnftables
import ServiceReconciler
import TestSupport
import Testing

/// The rules are those that people read.
@Suite struct ServiceRulesetTests {
    /// What one edition of this program makes, another one must recognise as not its own.
    @Test func docsShowTheRulesAsNftListsThemAndAChangeOfThemIsANewVersion() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            var reconciler = try ServiceReconciler()
            try reconciler.reconcile(to: everything())
            let listed = try significant(Nft().run("list ruleset", terse: true))
            let text = try String(contentsOf: repository.appending(path: "docs/services.nft"), encoding: .utf8)
            try require(
                significant(text) == listed,
                "docs/services.nft differs. If the rules have changed, give them a new version:\n\(listed.joined(separator: "\n"))"
            )
        }
    }
}

/// The lines in alphabetical order, without remarks. Debian 12's nft writes some priorities as numbers; chains that come and go have
/// no order.
private func significant(_ text: String) -> [String] {
    text.replacing("priority -100", with: "priority dstnat").replacing("priority 100", with: "priority srcnat")
        .split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        .filter { !$0.hasPrefix("#") && !$0.isEmpty }.sorted()
}
