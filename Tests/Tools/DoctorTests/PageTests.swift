import Doctor
import Foundation
import TestSupport
import Testing

/// docs/doctor.md has every check, in the code's order and words.
@Suite struct PageTests {
    static let file = repository.appending(path: "docs/doctor.md")

    static var table: String {
        let rows = Check.all.map { "| [\($0.name)](#\($0.name)) | \($0.severity.rawValue) | \($0.summary) |\n" }
        return "\n| check | severity | what is looked for |\n|---|---|---|\n" + rows.joined() + "\n"
    }

    /// With UPDATE_DOCS=1 in the environment the table is written anew instead.
    @Test func theTableIsTheCodes() throws {
        let text = try String(contentsOf: Self.file, encoding: .utf8)
        let start = try #require(text.range(of: "<!-- checks: from the table in the code -->\n"))
        let end = try #require(text.range(of: "<!-- end of checks -->"))
        if ProcessInfo.processInfo.environment["UPDATE_DOCS"] == "1" {
            try text.replacingCharacters(in: start.upperBound..<end.lowerBound, with: Self.table)
                .write(to: Self.file, atomically: true, encoding: .utf8)
        } else {
            #expect(text[start.upperBound..<end.lowerBound] == Self.table, "UPDATE_DOCS=1 swift test writes it anew")
        }
    }

    @Test func everyCheckHasASectionAndEverySectionACheck() throws {
        let lines = try String(contentsOf: Self.file, encoding: .utf8).split(separator: "\n")
        let headings = lines.filter { $0.hasPrefix("## ") }.map { String($0.dropFirst(3)) }
        #expect(headings == Check.all.map { $0.name })
    }

    @Test func namesAreUniqueAndInKebabCase() {
        let names = Check.all.map { $0.name }
        #expect(Set(names).count == names.count)
        for name in names { #expect(name.wholeMatch(of: /[a-z0-9]+(-[a-z0-9]+)*/) != nil, "\(name)") }
    }
}
