import Foundation
import TestSupport
import Testing

@Suite struct DocumentTests {
    private func read(_ path: String) throws -> String {
        try String(contentsOf: repository.appendingPathComponent(path), encoding: .utf8)
    }

    /// Rows of docs/spec-checklist.md: number, obligation, where it is tested.
    private func checklist() throws -> [(number: Int, tests: String)] {
        try read("docs/spec-checklist.md").split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 3, let number = Int(cells[0]) else { return nil }
            return (number, cells[2])
        }
    }

    @Test func everyLineOfTheSpecIsInTheChecklistOnce() throws {
        #expect(try checklist().map(\.number) == Array(1...54))
    }

    /// A cell reads `FOLDER/FILE.swift: test, test; FOLDER/FILE.swift: test`.
    @Test func everyTestThatTheChecklistNamesExists() throws {
        for (number, cell) in try checklist() {
            var isNamed = false
            for part in cell.components(separatedBy: "; ") {
                let pieces = part.replacingOccurrences(of: "`", with: "").components(separatedBy: ": ")
                guard pieces.count == 2 else {
                    Issue.record("line \(number) is not FILE: tests, but \(part)")
                    continue
                }
                isNamed = true
                guard
                    let source = try? read(
                        pieces[0].hasPrefix("IntegrationTests/")
                            ? "Tests/Whole/" + pieces[0] : "Tests/Plugin/" + pieces[0])
                else {
                    Issue.record("line \(number) names \(pieces[0]), which is not there")
                    continue
                }
                for test in pieces[1].components(separatedBy: ", ") where !source.contains("func \(test)(") {
                    Issue.record("line \(number): \(pieces[0]) has no test \(test)")
                }
            }
            #expect(isNamed, "line \(number)")
        }
    }

    /// Code in docs/writing-a-plugin.md behind `<!-- FILE: MARK -->` is what stands between those marks in the file.
    @Test func theCodeInTheGuideIsTheCodeThatIsTested() throws {
        let guide = try read("docs/writing-a-plugin.md")
        var found: [String] = []
        for section in guide.components(separatedBy: "<!-- ").dropFirst() {
            let head = section.components(separatedBy: " -->")[0].components(separatedBy: ": ")
            if head[0] == "not run" { continue }
            let block = section.components(separatedBy: "```")[1].drop { $0 != "\n" }.dropFirst()
            let source = try read("Tests/Plugin/CNITests/" + head[0])
            let marked = source.components(separatedBy: "// begin: \(head[1])\n").last!
                .components(separatedBy: "// end: \(head[1])\n")[0]
            #expect(String(block) == marked, "\(head)")
            found.append(head[1])
        }
        #expect(found == ["plugin", "delegation", "test"])
    }
}
