/// One thing that an expert would look at.
public struct Check: Sendable {
    /// In kebab case: for `--only`, and the heading in docs/doctor.md.
    public let name: String
    /// The severity of its findings, unless a finding has its own.
    public let severity: Severity
    /// What the check expects of a healthy node, in half a sentence.
    public let summary: String
    let examine: @Sendable (Examination) -> [Symptom]

    init(
        _ name: String, _ severity: Severity, _ summary: String,
        examine: @escaping @Sendable (Examination) -> [Symptom]
    ) {
        self.name = name
        self.severity = severity
        self.summary = summary
        self.examine = examine
    }

    /// Examines the node without changing anything.
    public func findings(_ examination: Examination) -> [Finding] {
        examine(examination).map { symptom in
            Finding(
                check: name, severity: symptom.severity ?? severity, subject: symptom.subject, text: symptom.text,
                advice: symptom.advice, fix: symptom.fix)
        }
    }

    /// All checks, in the order in which an expert would make them.
    public static let all: [Check] =
        configuration + addresses + kernel + forwarding + links + firewalls + leftovers
}

/// A finding that does not have the check's name yet.
struct Symptom {
    var subject: String
    var text: String
    var advice: String
    /// Nil for the check's own severity.
    var severity: Severity?
    var fix: Fix?

    init(_ subject: String, _ text: String, advice: String, severity: Severity? = nil, fix: Fix? = nil) {
        self.subject = subject
        self.text = text
        self.advice = advice
        self.severity = severity
        self.fix = fix
    }
}
