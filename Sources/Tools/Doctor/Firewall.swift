internal import Addresses
internal import JSON
public import Posix

/// Other programs' chains that forwarded packets pass, and what becomes of a packet in them.
///
/// nft knows more matches than are understood here. One that is not known is neither taken for true nor for false: a
/// packet whose fate depends on it is not judged. The packets are of connections to any port, so that what lets some
/// ports through lets them through not.
public struct Firewall: Sendable {
    private var chains: [Chain] = []
    private var sets: [String: JSON] = [:]

    public init() {}

    /// A packet as the forward hook sees it.
    struct Packet {
        let family: IPFamily
        let source: IPAddress
        let destination: IPAddress
        /// Names of interfaces; nil where it is not known.
        let input: String?
        let output: String?
        /// `new` or `established`.
        let state: String
    }

    enum Fate: Equatable {
        case passes
        /// By this rule, or this policy.
        case dropped(String)
        /// It depends on what is not understood.
        case unknown
    }

    private struct Chain {
        let family: String
        let table: String
        let name: String
        /// Nil for chains that are only jumped to.
        let policy: String?
        var rules: [Rule] = []
    }

    private struct Rule {
        let handle: Int64
        let comment: String?
        let expressions: [JSON]
    }

    /// Adds what `nft -j list table` prints.
    ///
    /// - Throws: code 6 for what is not JSON.
    public mutating func add(_ listing: [UInt8]) throws(Failure) {
        guard case .array(let objects)? = try JSON(parsing: listing)["nftables"] else { return }
        for object in objects {
            if let chain = object["chain"], let place = Place(chain), let name = chain["name"]?.text {
                let isForward = chain["hook"]?.text == "forward" && chain["type"]?.text == "filter"
                chains.append(
                    Chain(
                        family: place.family, table: place.table, name: name,
                        policy: isForward ? chain["policy"]?.text ?? "accept" : nil))
            } else if let rule = object["rule"], let place = Place(rule), let chain = rule["chain"]?.text,
                case .array(let expressions)? = rule["expr"],
                let position = chains.firstIndex(where: {
                    ($0.family, $0.table, $0.name) == (place.family, place.table, chain)
                })
            {
                chains[position].rules.append(
                    Rule(
                        handle: rule["handle"]?.integer ?? 0, comment: rule["comment"]?.text, expressions: expressions))
            } else if let set = object["set"] ?? object["map"], let place = Place(set), let name = set["name"]?.text {
                sets["\(place.family) \(place.table) @\(name)"] = set["elem"] ?? .array([])
            }
        }
    }

    /// What becomes of a packet in the chains of all tables: the first that drops it decides.
    func fate(of packet: Packet) -> Fate {
        var fate = Fate.passes
        for chain in chains where chain.policy != nil {
            guard ["inet", packet.family == .v4 ? "ip" : "ip6"].contains(chain.family) else { continue }
            var mayPass = false
            var culprit: String?
            switch walk(chain, packet, &mayPass, depth: 0) {
            case .accepts: break
            case .drops(let rule): culprit = rule
            case .returns where chain.policy == "drop":
                culprit = "the policy of chain \(chain.name) in table \(chain.family) \(chain.table)"
            case .returns: break
            }
            guard let culprit else { continue }
            guard mayPass else { return .dropped(culprit) }
            fate = .unknown
        }
        return fate
    }

    private enum Outcome {
        case accepts, returns
        case drops(String)
    }

    /// As many levels as the kernel allows (NFT_JUMP_STACK_SIZE).
    private static let maximumDepth = 16

    /// Goes through a chain's rules.
    ///
    /// - Parameter mayPass: becomes true where a rule that is not understood may let the packet through.
    private func walk(_ chain: Chain, _ packet: Packet, _ mayPass: inout Bool, depth: Int) -> Outcome {
        let matching = Matching(packet: packet, sets: sets, place: "\(chain.family) \(chain.table)")
        for rule in chain.rules {
            guard let (verdict, isCertain) = verdict(of: rule, matching) else { continue }
            var outcome: Outcome?
            switch verdict {
            case .accept: outcome = .accepts
            case .drop: outcome = .drops(describe(rule, chain))
            case .return: outcome = .returns
            case .jump(let name), .goto(let name):
                guard depth < Firewall.maximumDepth,
                    let target = chains.first(where: {
                        ($0.family, $0.table, $0.name) == (chain.family, chain.table, name)
                    })
                else { break }
                let inner = walk(target, packet, &mayPass, depth: depth + 1)
                if case (.returns, .jump) = (inner, verdict) { continue }
                outcome = inner
            case .other: break
            }
            if isCertain, let outcome { return outcome }
            // Whether it ends here is not known. That it may be dropped here changes nothing for a packet that is later.
            if case .drops = outcome {} else { mayPass = true }
        }
        return .returns
    }

    private enum Verdict {
        case accept, drop, `return`, other
        case jump(String)
        case goto(String)

        /// - Returns: nil for what is no verdict.
        init?(_ statement: JSON) {
            guard case .object(let object) = statement, let member = object.members.first else { return nil }
            let target = member.value["target"]?.text
            switch member.key {
            case "accept": self = .accept
            case "drop", "reject": self = .drop
            case "return": self = .return
            case "jump": self = target.map { .jump($0) } ?? .other
            case "goto": self = target.map { .goto($0) } ?? .other
            default: return nil
            }
        }
    }

    /// - Returns: nil where the rule does not match, or only looks; else its verdict, and whether it matches for certain.
    private func verdict(of rule: Rule, _ matching: Matching) -> (Verdict, isCertain: Bool)? {
        var isCertain = true
        for expression in rule.expressions {
            guard case .object(let object) = expression, let member = object.members.first else {
                return (.other, false)
            }
            let value = member.value
            switch member.key {
            case "match":
                switch matching.holds(value) {
                case false?: return nil
                case nil: isCertain = false
                case true?: break
                }
            case "vmap":
                let (found, isKnown) = matching.look(up: value)
                guard let found else {
                    if isKnown { return nil }
                    return (.other, false)
                }
                return (Verdict(found) ?? .other, isCertain && isKnown)
            case "counter", "log", "mangle", "notrack", "flow", "set", "map", "dup", "last", "secmark", "ct helper",
                "ct timeout", "ct expectation":
                break
            case "xt" where value["name"]?.text == "comment": break
            case "xt" where value["name"]?.text == "REJECT": return (.drop, isCertain)
            case "xt" where value["type"]?.text == "match":
                // They are followed by what part of the connections they match.
                if Firewall.portMatches.contains(value["name"]?.text ?? "") { return nil }
                isCertain = false
            case "xt" where Firewall.passingTargets.contains(value["name"]?.text ?? ""): break
            case "limit", "quota", "ct count", "meter": isCertain = false
            default:
                guard let verdict = Verdict(expression) else { return (.other, false) }
                return (verdict, isCertain)
            }
        }
        return nil
    }

    /// Matches of iptables that hold for some ports or types only.
    private static let portMatches: Set<String> = ["tcp", "udp", "sctp", "dccp", "multiport", "icmp", "icmp6"]
    /// Targets of iptables after which the next rule is looked at.
    private static let passingTargets: Set<String> = [
        "TCPMSS", "MARK", "CONNMARK", "LOG", "NFLOG", "CT", "CLASSIFY", "DSCP", "TOS", "SET", "TRACE", "CHECKSUM",
    ]

    private func describe(_ rule: Rule, _ chain: Chain) -> String {
        let words = rule.comment.map { " (\($0))" } ?? ""
        return "rule \(rule.handle)\(words) of chain \(chain.name) in table \(chain.family) \(chain.table)"
    }
}

/// Where an object of nft's JSON belongs.
private struct Place {
    let family: String
    let table: String

    init?(_ object: JSON) {
        guard let family = object["family"]?.text, let table = object["table"]?.text else { return nil }
        self.family = family
        self.table = table
    }
}

extension JSON {
    /// A member of an object; nil for anything else.
    subscript(key: String) -> JSON? {
        guard case .object(let object) = self else { return nil }
        return object[key]
    }

    var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    var integer: Int64? {
        guard case .integer(let number) = self else { return nil }
        return number
    }

    var isTrue: Bool { self == .bool(true) }
}
