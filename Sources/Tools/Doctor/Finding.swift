public import Addresses
public import Inventory
internal import Presentation

/// How bad a finding is.
public enum Severity: String, Sendable, Hashable, Comparable, CaseIterable, Encodable {
    /// Worth knowing, but the node is healthy.
    case note
    /// Works for now, or hurts in some cases.
    case warning
    /// Pods have no network, or new ones will have none.
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
    /// The subject: an interface, a file, a pod, a kernel parameter.
    public let subject: String
    /// What is wrong, and what follows from it.
    public let text: String
    /// What to type on the node, as root: each mends its part. Empty if there is nothing that always helps.
    public let commands: [String]
    /// What to do: the commands, and what else.
    public let advice: String
    /// What `--fix` does about it; nil if a person has to decide.
    public let fix: Fix?

    /// The page that explains it.
    public var page: String { "docs/doctor.md#\(check)" }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(check, forKey: .name)
        try container.encode(severity, forKey: .severity)
        try container.encode(subject, forKey: .subject)
        try container.encode(text, forKey: .text)
        try container.encode(commands, forKey: .commands)
        try container.encode(advice, forKey: .advice)
        try container.encode(page, forKey: .page)
        try container.encode(fix != nil, forKey: .fixable)
        try container.encodeIfPresent(fix?.description, forKey: .fix)
    }

    private enum Key: CodingKey { case name, severity, subject, text, commands, advice, page, fixable, fix }
}

/// A change that is safe without knowing what the node's owner intended.
public enum Fix: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// A kernel parameter below /proc/sys/net.
    case set(parameter: String, value: String)
    case setUp(link: String)
    case add(address: CIDR, link: String)
    /// Restores the packet rules of all live pods.
    case repairRules
    /// Reserves the addresses of a living pod again.
    case putBack(Orphan)
    /// Removes what is left of a pod that is gone.
    case free(Orphan)

    public var description: String {
        switch self {
        case .set(let parameter, let value): "set \(sysctlName(parameter)) to \(value)"
        case .setUp(let link): "set \(link) up"
        case .add(let address, let link): "add \(address) to \(link)"
        case .repairRules: "put back the packet rules of this node's pods"
        case .putBack(let orphan): "reserve \(orphan.lostAddresses) for \(orphan.title) again"
        case .free(let orphan): "free what is left of \(orphan.title)"
        }
    }

    /// An address needs its family enabled and a link that is up; rules need all of these.
    private var rank: Int {
        switch self {
        case .set: 0
        case .setUp: 1
        case .add: 2
        case .putBack: 3
        case .free: 4
        case .repairRules: 5
        }
    }

    /// The order in which changes are made.
    public static func < (a: Fix, b: Fix) -> Bool { (a.rank, a.description) < (b.rank, b.description) }
}

/// The name in sysctl(8) of a parameter below /proc/sys/net; a dot in an interface's name becomes a slash there.
func sysctlName(_ parameter: String) -> String {
    "net."
        + parameter.split(separator: "/").map { part in part.split(separator: ".").joined(separator: "/") }
        .joined(separator: ".")
}
