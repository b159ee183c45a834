internal import Addresses
internal import ClusterEngine

/// The names of a network's keys in etcd. Other nodes watch only `nodes/`, so a node that is merely present costs them
/// nothing.
struct EtcdKeys: Sendable {
    let prefix: String

    init(network: String) { prefix = "/swiftlet/\(network)/" }

    var configuration: String { prefix + "config" }
    var nodes: String { prefix + "nodes/" }
    var subnets: String { prefix + "subnets/" }
    var presences: String { prefix + "presence/" }

    func node(_ name: String) -> String { nodes + name }
    func presence(_ name: String) -> String { presences + name }
    /// A `/` would make a level of its own: `10.244.3.0-24`.
    func subnet(_ subnet: CIDR) -> String { "\(subnets)\(subnet.first)-\(subnet.prefixLength)" }

    func nodeName(_ key: String) -> String? { name(key, in: nodes) }
    func presentName(_ key: String) -> String? { name(key, in: presences) }

    func subnet(ofKey key: String) -> CIDR? {
        guard key.hasPrefix(subnets) else { return nil }
        let text = key.dropFirst(subnets.count)
        guard let dash = text.lastIndex(of: "-") else { return nil }
        guard let subnet = CIDR("\(text[..<dash])/\(text[text.index(after: dash)...])"), subnet.isNetwork else {
            return nil
        }
        return subnet
    }

    private func name(_ key: String, in folder: String) -> String? {
        guard key.hasPrefix(folder) else { return nil }
        let name = String(key.dropFirst(folder.count))
        return EtcdKeys.isName(name) ? name : nil
    }

    /// A DNS name, or what else people call hosts: it stands in keys, messages and paths.
    static func isName(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count) && text.first != "."
            && text.utf8.allSatisfy { octet in
                switch octet {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }

    static func check(_ name: String, _ what: String) throws(EngineFailure) {
        guard !isName(name) else { return }
        throw EngineFailure(
            .configuration, "\(what) \"\(name.prefix(80))\" cannot stand in etcd",
            advice: "use up to 253 letters, digits, dots, hyphens and underscores, not beginning with a dot")
    }
}
