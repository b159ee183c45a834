internal import Kernel
internal import NetlinkCodec
internal import Posix

/// The nf_tables rules of one network namespace, anybody's.
public struct Ruleset: Sendable {
    struct Place: Hashable, Sendable {
        let table: NftTable
        let name: String
    }

    var chains: [NftListedChain] = []
    var rules: [Place: [NftListedRule]] = [:]
    var sets: [Place: ElementSet] = [:]
    /// What else has rules, which nobody here looks at: iptables-legacy, tables of the netdev family.
    var unread: [String] = []
    /// Tables that decide about ARP.
    var tablesOfARP: [String] = []

    /// None.
    public init() {}

    /// Reads those of the network namespace that the socket belongs to.
    init(_ socket: inout NetlinkSocket) throws(Failure) {
        var seen: Set<NftTable> = []
        for family in [NftFamily.ip, .ip6, .inet, .bridge] {
            for chain in try socket.chains(family) where chain.table.family == family {
                chains.append(chain)
                guard seen.insert(chain.table).inserted else { continue }
                for rule in try socket.rules(in: chain.table) {
                    rules[Place(table: chain.table, name: rule.chain), default: []].append(rule)
                }
                for set in try socket.sets(of: chain.table) {
                    let elements = try socket.listedElements(of: set.name, in: chain.table)
                    sets[Place(table: chain.table, name: set.name)] = ElementSet(elements, isInterval: set.isInterval)
                }
            }
        }
        // NFPROTO_ARP and NFPROTO_NETDEV.
        tablesOfARP = Ruleset.tables(3, &socket)
        unread = Ruleset.tables(5, &socket).map { "table netdev \($0)" }
    }

    /// The tables of a family that have base chains, where the kernel has that family.
    private static func tables(_ family: UInt8, _ socket: inout NetlinkSocket) -> [String] {
        let chains = try? socket.dump("list chains") { message -> String? in
            guard message.payload.first == family else { return nil }
            // NFTA_CHAIN_TABLE and NFTA_CHAIN_HOOK.
            let attributes = Attributes(message.payload.dropFirst(4))
            return attributes[4].flatMap { _ in attributes[1]?.text }
        } _: {
            // NFT_MSG_GETCHAIN of NFNL_SUBSYS_NFTABLES, with NLM_F_REQUEST and NLM_F_DUMP.
            $0.message(10 << 8 | 4, flags: 0x301) {
                $0.append(family)
                for _ in 0..<3 { $0.append(UInt8(0)) }
            }
        }
        return Set(chains ?? []).sorted()
    }

    /// The base chains that a packet meets at a hook, in their order.
    func baseChains(_ point: NftChain.Point, _ families: [NftFamily]) -> [NftListedChain] {
        chains.filter { families.contains($0.table.family) && $0.chain.hook?.point == point }
            .sorted { ($0.chain.hook?.priority ?? 0) < ($1.chain.hook?.priority ?? 0) }
    }
}

/// A set or map of anybody's.
struct ElementSet: Sendable {
    private var single: [[UInt8]: NftListedElement] = [:]
    /// Of several fields, each with a first and a last value.
    private var boxes: [NftListedElement] = []
    /// Where ranges of one field begin and end, in order.
    private var edges: [NftListedElement] = []
    private var catchall: NftListedElement?
    /// In octets; nil for an empty one.
    let keyLength: Int?

    init(_ elements: [NftListedElement], isInterval: Bool) {
        keyLength = elements.first { !$0.isCatchall }?.key.count
        for element in elements {
            if element.isCatchall {
                catchall = element
            } else if element.keyEnd != nil {
                boxes.append(element)
            } else if isInterval {
                edges.append(element)
            } else {
                single[element.key] = element
            }
        }
        // Where one range ends and the next begins, the beginning counts.
        edges.sort { $0.key == $1.key ? $0.isRangeEnd && !$1.isRangeEnd : $0.key.lexicographicallyPrecedes($1.key) }
    }

    /// What the set has for a key; nil for nothing.
    func element(for key: [UInt8]) -> NftListedElement? {
        if let found = single[key] { return found }
        if let found = boxes.first(where: { $0.holds(key) }) { return found }
        if let last = edges.last(where: { !key.lexicographicallyPrecedes($0.key) }), !last.isRangeEnd { return last }
        return catchall
    }
}

extension NftListedElement {
    /// Whether each field of the key is between the ends. Fields fill whole words, of which most have one; two addresses of
    /// IPv6 are compared as such. In other company these are compared word by word, which is the same for prefixes.
    fileprivate func holds(_ key: [UInt8]) -> Bool {
        guard let keyEnd, self.key.count == key.count, keyEnd.count == key.count, key.count % 4 == 0 else {
            return false
        }
        let width = key.count == 32 ? 16 : 4
        return stride(from: 0, to: key.count, by: width).allSatisfy { start in
            let field = start..<start + width
            return !key[field].lexicographicallyPrecedes(self.key[field])
                && !keyEnd[field].lexicographicallyPrecedes(key[field])
        }
    }
}
