/// Something that an expert would look at.
public struct Check: Sendable {
    /// In kebab case: for `--only`, and the heading in docs/doctor.md.
    public let name: String
    /// Of its findings, unless one says otherwise.
    public let severity: Severity
    /// What is looked for, in half a sentence.
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

    /// Looks; changes nothing.
    public func findings(_ examination: Examination) -> [Finding] {
        examine(examination).map { symptom in
            Finding(
                check: name, severity: symptom.severity ?? severity, subject: symptom.subject, text: symptom.text,
                advice: symptom.advice, fix: symptom.fix)
        }
    }

    /// Every check there is, in the order in which one would look.
    public static let all: [Check] =
        configuration + addresses + kernel + forwarding + links + firewalls + leftovers
}

/// What a check says, before it bears the check's name.
struct Symptom {
    var subject: String
    var text: String
    var advice: String
    /// Nil for the check's own.
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
