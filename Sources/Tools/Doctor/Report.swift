internal import Presentation

/// The findings, for people.
public struct Report: Sendable {
    private let findings: [Finding]
    private let checks: Int
    private let remarks: [String]

    /// - Parameters:
    ///   - checks: how many checks were made.
    ///   - remarks: what could not be examined.
    public init(_ findings: [Finding], checks: Int, remarks: [String]) {
        self.findings = findings
        self.checks = checks
        self.remarks = remarks
    }

    /// How many findings of one check are shown in full: on a large node the same thing is often wrong with all pods.
    private static let shown = 5

    /// The worst findings first, each with its advice; the totals at the end.
    public func text(isColored: Bool) -> String {
        var lines: [String] = []
        for severity in Severity.allCases.reversed() {
            let title = severity.colored(Words.padded(severity.rawValue, to: 8), TextStyle(isColored: isColored))
            for check in Check.all.map({ $0.name }) {
                let same = findings.filter { $0.check == check && $0.severity == severity }
                for finding in same.prefix(Report.shown) {
                    lines.append("\(title)\(check): \(finding.subject)")
                    lines.append("        \(finding.text)")
                    lines.append("        → \(finding.advice)\(finding.fix == nil ? "" : " (--fix does)")")
                    lines.append("        \(finding.page)")
                }
                if same.count > Report.shown {
                    lines.append("\(title)\(check): \(same.count - Report.shown) more; --json has all")
                }
            }
        }
        lines += remarks.map { "could not be looked at: \($0)" }
        let sums = Severity.allCases.reversed().compactMap { severity -> String? in
            let number = findings.filter { $0.severity == severity }.count
            return number == 0 ? nil : Words.count(number, severity.rawValue)
        }
        let verdict = remarks.isEmpty ? "healthy" : "nothing found, but not all could be looked at"
        lines.append("\(sums.isEmpty ? verdict : sums.joined(separator: ", ")) (\(Words.count(checks, "check")))")
        return lines.joined(separator: "\n")
    }
}

extension Severity {
    fileprivate func colored(_ text: String, _ style: TextStyle) -> String {
        switch self {
        case .problem: style.bad(text)
        case .warning: style.warning(text)
        case .note: style.note(text)
        }
    }
}
