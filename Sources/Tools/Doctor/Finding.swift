public import Addresses
public import Inventory
internal import Presentation

/// How bad a finding is.
public enum Severity: String, Sendable, Hashable, Comparable, CaseIterable, Encodable {
    /// Worth knowing; the node is healthy all the same.
    case note
    /// Works for now, or hurts in some cases.
    case warning
    /// Pods have no network, or the next ones will have none.
    case problem

    public static func < (a: Severity, b: Severity) -> Bool {
        Severity.allCases.firstIndex(of: a)! < Severity.allCases.firstIndex(of: b)!
    }
}

/// What a check has found.
public struct Finding: Sendable, Hashable, Encodable {
    /// The check's name, which is also the heading in docs/doctor.md.
    public let check: String
    public let severity: Severity
    /// What it is about: an interface, a file, a pod, a parameter of the kernel.
    public let subject: String
    /// What is the matter, and what comes of it.
    public let text: String
    /// What to do.
    public let advice: String
    /// What `--fix` does about it; nil where a person has to decide.
    public let fix: Fix?

    /// Where it is explained.
    public var page: String { "docs/doctor.md#\(check)" }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(check, forKey: .name)
        try container.encode(severity, forKey: .severity)
        try container.encode(subject, forKey: .subject)
        try container.encode(text, forKey: .text)
        try container.encode(advice, forKey: .advice)
        try container.encode(page, forKey: .page)
        try container.encode(fix != nil, forKey: .fixable)
        try container.encodeIfPresent(fix?.description, forKey: .fix)
    }

    private enum Key: CodingKey { case name, severity, subject, text, advice, page, fixable, fix }
}

/// A change that is safe to make without asking what the node's owner had in mind.
public enum Fix: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// A kernel parameter below /proc/sys/net.
    case set(parameter: String, value: String)
    case setUp(link: String)
    case add(address: CIDR, link: String)
    /// Puts back the packet rules of all living pods.
    case repairRules
    /// Takes away what is left of a pod that is gone.
    case free(Orphan)

    public var description: String {
        switch self {
        case .set(let parameter, let value): "set \(sysctlName(parameter)) to \(value)"
        case .setUp(let link): "set \(link) up"
        case .add(let address, let link): "add \(address) to \(link)"
        case .repairRules: "put back the packet rules of this node's pods"
        case .free(let orphan): "free what is left of \(orphan.title)"
        }
    }

    /// An address needs its family switched on, and a link that is up; rules need all of it.
    private var rank: Int {
        switch self {
        case .set: 0
        case .setUp: 1
        case .add: 2
        case .free: 3
        case .repairRules: 4
        }
    }

    /// In the order in which changes are made.
    public static func < (a: Fix, b: Fix) -> Bool { (a.rank, a.description) < (b.rank, b.description) }
}

/// As sysctl(8) names a parameter below /proc/sys/net; a dot in an interface's name becomes a slash there.
func sysctlName(_ parameter: String) -> String {
    "net."
        + parameter.split(separator: "/").map { part in part.split(separator: ".").joined(separator: "/") }
        .joined(separator: ".")
}
