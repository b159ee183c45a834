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
                commands: symptom.commands,
                advice: (symptom.commands + [symptom.advice]).filter { !$0.isEmpty }.joined(separator: "; "),
                fix: symptom.fix)
        }
    }

    /// Those that concern every packet of a pod, whatever the pod itself is like.
    public static let ofWays: [Check] = all.filter { check in
        [
            "uplink", "policy-routing", "forwarding", "rp-filter", "ipv6-disabled", "foreign-firewall", "untracked",
            "subnet-overlap", "gateway-missing", "duplicate-address",
        ].contains(check.name)
    }

    /// All checks, in the order in which an expert would make them.
    public static let all: [Check] =
        configuration + addresses + kernel + ways + forwarding + links + pods + firewalls + leftovers
}

/// A finding that does not have the check's name yet.
struct Symptom {
    var subject: String
    var text: String
    /// What to type on the node: each mends its part. Empty if there is nothing that always helps.
    var commands: [String]
    /// What else to do.
    var advice: String
    /// Nil for the check's own severity.
    var severity: Severity?
    var fix: Fix?

    init(
        _ subject: String, _ text: String, run commands: [String] = [], advice: String = "",
        severity: Severity? = nil, fix: Fix? = nil
    ) {
        self.subject = subject
        self.text = text
        self.commands = commands
        self.advice = advice
        self.severity = severity
        self.fix = fix
    }
}
