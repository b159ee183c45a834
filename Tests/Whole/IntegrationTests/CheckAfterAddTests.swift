import ContainerRuntime
import Foundation
import TestSupport
import Testing

/// Right after ADD, CHECK passes, whatever the configuration; and DEL leaves nothing.
@Suite(.realKernel) struct CheckAfterAddTests {
    /// Configurations that people run: Tests/Chains.
    @Test(arguments: ChainConfigurationTests.files) func ofChainsThatPeopleRun(_ file: String) throws {
        let node = try Node()
        let uplink = try Outside(node)
        try expectPromise(try ChainConfigurationTests.network(file, node), on: node, number: 0)
        withExtendedLifetime(uplink) {}
    }

    /// Configurations made up by chance: all plugins that make interfaces, all that are chained behind them, most of their keys. What
    /// this kernel has no links for (see LinkPlugin) comes in the machine of `make test-vm`.
    @Test(arguments: seeds) func ofConfigurationsMadeUpByChance(_ seed: UInt64) throws {
        var chance = Chance(seed: seed)
        var (accepted, refused) = (0, 0)
        for number in 0..<Self.configurations {
            let node = try Node()
            let uplink = try Outside(node)
            try node.set("link", "add", "dev0", "type", "veth", "peer", "name", "dev1")
            let list = try chance.list(node)
            let isAccepted = try expectPromise(list, on: node, number: number, "seed \(seed), configuration \(number)")
            if isAccepted { accepted += 1 } else { refused += 1 }
            withExtendedLifetime(uplink) {}
        }
        // Most are to be valid, or this would say little.
        #expect(accepted > 3 * refused, "\(accepted) accepted, \(refused) refused, seed \(seed)")
    }

    /// `SWIFTLET_SEED` repeats one of them, or tries new ones.
    private static let seeds: [UInt64] =
        ProcessInfo.processInfo.environment["SWIFTLET_SEED"].flatMap(UInt64.init).map { [$0] } ?? [1, 2, 3, 4]
    private static let configurations = 15

    /// - Returns: whether ADD took the configuration; what it refuses must leave nothing either.
    @discardableResult
    private func expectPromise(
        _ list: NetworkList, on node: Node, number: Int, _ comment: String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Bool {
        let pod = try node.pod()
        try pod.set("link", "set", "lo", "up")
        var capabilities: [String: JSONValue] = [
            "portMappings": [hostPort(8080), hostPort(5353, to: 53, .udp)],
            "bandwidth": [
                "ingressRate": 100_000_000, "ingressBurst": 10_000_000, "egressRate": 100_000_000,
                "egressBurst": 10_000_000,
            ],
        ]
        if comment.isEmpty, list.plugins[0]["ipam"]?["type"] == "static" { capabilities["ips"] = ["192.0.2.80/24"] }
        let attachment = pod.with(capabilities: capabilities)
        let runtime = node.runtime()
        let before = try Snapshot(node, [pod])
        var isAccepted = true
        let text = "\(comment)\n\(list.text)"
        do {
            _ = try runtime.add(list, attachment)
            #expect(throws: Never.self, "\(text)", sourceLocation: sourceLocation) {
                try runtime.check(list, attachment)
            }
        } catch let error as PluginError {
            isAccepted = false
            #expect([2, 6, 7].contains(error.code), "\(error)\n\(text)", sourceLocation: sourceLocation)
        }
        try runtime.del(list, attachment)
        let kept = try Self.kept(node, list)
        try? eventually("the node is as it was") {
            try Snapshot(node, [pod]).without(kept).withoutTables(newerThan: before) == before.without(kept)
        }
        expectSame(
            try Snapshot(node, [pod]).without(kept), as: before.without(kept), text, sourceLocation: sourceLocation)
        return isAccepted
    }

    /// Bridges stay, and what belongs to them, the directories of reservations, and routing.
    private static func kept(_ node: Node, _ list: NetworkList) throws -> [String] {
        let bridges = try node.ip("link", "show", "type", "bridge").compactMap { $0["ifname"]?.string }
        return bridges.flatMap { [" \($0) ", "\"\($0)\"", " \($0)."] }
            + [
                "file \(list.name) ", "\(list.name)/lock", ".swiftlet", "ip_forward", "all/forwarding",
                "\"type\":\"anycast\"",
            ]
    }
}

/// Makes configurations up.
private struct Chance {
    var generator: SplitMix64

    init(seed: UInt64) { generator = SplitMix64(seed: seed) }

    private mutating func flip(_ percent: Int = 50) -> Bool { Int.random(in: 0..<100, using: &generator) < percent }

    private mutating func one<Value>(of values: [Value]) -> Value { values.randomElement(using: &generator)! }

    /// Some of these, each with its probability in percent.
    private mutating func some(_ members: [(String, Int, JSONValue)]) -> [String: JSONValue] {
        var chosen: [String: JSONValue] = [:]
        for (key, percent, value) in members where flip(percent) { chosen[key] = value }
        return chosen
    }

    mutating func list(_ node: Node) throws -> NetworkList {
        let types = ["swiftlet", "bridge", "bridge", "ptp"] + LinkPlugin.available.map(\.rawValue)
        let type = one(of: types)
        let first = interface(type, node)
        var plugins = [first]
        let hasAddresses = type == "swiftlet" || first["ipam"] != nil
        let isVeth = ["swiftlet", "bridge", "ptp"].contains(type)
        for (plugin, percent) in [("tuning", 40), ("firewall", 40), ("portmap", 40), ("bandwidth", 30), ("sbr", 30)]
        where flip(percent) {
            switch plugin {
            case "tuning": plugins.append(tuning(type))
            case "firewall" where hasAddresses:
                plugins.append(firewall(hasBridge: ["swiftlet", "bridge"].contains(type)))
            case "portmap" where hasAddresses: plugins.append(portmap())
            case "bandwidth" where isVeth:
                plugins.append(flip() ? ["type": "bandwidth", "capabilities": ["bandwidth": true]] : limits())
            // The first address after a /32, which is taken for its gateway, is nowhere.
            case "sbr" where hasAddresses && !first.text.contains("/32"):
                plugins.append(.object(["type": "sbr"].merging(some([("addSourceHints", 30, true)])) { $1 }))
            default: break
            }
        }
        let document: JSONValue = ["cniVersion": "1.1.0", "name": "net", "plugins": .array(plugins)]
        return try NetworkList(parsing: document.bytes)
    }

    private mutating func interface(_ type: String, _ node: Node) -> JSONValue {
        let mtu = JSONValue.integer(Int64(one(of: [1280, 1400, 1500])))
        switch type {
        case "swiftlet":
            return node.swiftlet(
                bridge().merging(hostLocal()) { $1 }.merging(
                    some([("antiSpoof", 30, true), ("ingressPolicy", 30, policy())])
                        .merging(flip(30) ? ports() : [:]) { $1 }
                ) { $1 })
        case "bridge": return node.bridge(bridge(), ipam: nil).with("ipam", ipam(node, percent: 90))
        case "ptp":
            return node.plugin("ptp", some([("ipMasq", 50, true), ("mtu", 40, mtu)]), ipam: nil)
                .with("ipam", ipam(node))
        default:
            let plugin = LinkPlugin(rawValue: type)
            var keys = (plugin?.keys ?? [:])
            if type == "macvlan" { keys.merge(some([("mode", 40, one(of: ["bridge", "private", "vepa"]))])) { $1 } }
            if ["macvlan", "ipvlan", "vlan", "tap"].contains(type) { keys.merge(some([("mtu", 40, mtu)])) { $1 } }
            if ["macvlan", "tap"].contains(type) { keys.merge(some([("mac", 30, "02:00:00:00:12:34")])) { $1 } }
            return node.plugin(type, keys, ipam: nil).with("ipam", ipam(node, percent: type == "dummy" ? 100 : 80))
        }
    }

    private mutating func bridge() -> [String: JSONValue] {
        var keys = some([
            ("bridge", 50, one(of: ["cbr0", "br1"])), ("isGateway", 40, true), ("isDefaultGateway", 50, true),
            ("ipMasq", 40, true), ("ipMasqBackend", 20, one(of: ["iptables", "nftables"])),
            ("mtu", 30, .integer(Int64(one(of: [1280, 1400, 1500])))), ("macspoofchk", 30, true),
            ("portIsolation", 20, true), ("enabledad", 20, true), ("forceAddress", 20, true),
        ])
        keys.merge(flip(30) ? ["hairpinMode": true] : some([("promiscMode", 20, true)])) { $1 }
        return keys
    }

    private mutating func ipam(_ node: Node, percent: Int = 100) -> JSONValue? {
        guard flip(percent) else { return nil }
        if flip(60) {
            return .object(["type": "host-local", "dataDir": .string(node.data)].merging(hostLocal()) { $1 })
        }
        var addresses: [JSONValue] = []
        for (address, gateway) in [
            ("10.44.0.7/24", "10.44.0.1"), ("fd00:44::7/64", "fd00:44::9"), ("10.45.0.7/16", "10.45.3.3"),
            ("10.46.0.7/32", ""),
        ] where flip(45) || addresses.isEmpty {
            addresses.append(
                .object(
                    ["address": .string(address)].merging(
                        flip() && !gateway.isEmpty ? ["gateway": .string(gateway)] : [:]
                    ) { $1 }))
        }
        var keys: [String: JSONValue] = ["type": "static", "addresses": .array(addresses)]
        if flip(30) { keys["dns"] = ["nameservers": ["192.0.2.53"], "search": ["example.org"]] }
        return .object(keys)
    }

    private mutating func hostLocal() -> [String: JSONValue] {
        var sets: [JSONValue] = []
        for (subnet, start) in [
            ("10.44.0.0/24", "10.44.0.77"), ("fd00:44::/64", "fd00:44::7:7"), ("10.45.0.0/16", "10.45.7.0"),
        ]
        where flip(sets.isEmpty ? 70 : 40) {
            sets.append([
                .object(["subnet": .string(subnet)].merging(some([("rangeStart", 30, .string(start))])) { $1 })
            ])
        }
        if sets.isEmpty { sets = [[["subnet": "10.46.0.0/24", "gateway": "10.46.0.254"]]] }
        let hasIPv4 = sets.contains { $0[0]?["subnet"]?.string?.contains(":") == false }
        let routes: [JSONValue] = [
            ["dst": "192.0.2.128/25"], ["dst": "198.51.100.0/24", "mtu": 1300, "priority": 77],
            ["dst": "203.0.113.0/24", "table": 222], ["dst": "0.0.0.0/0"],
        ].filter { (_: JSONValue) in hasIPv4 && Bool.random(using: &generator) }
        return ["ranges": .array(sets)].merging(routes.isEmpty ? [:] : ["routes": .array(routes)]) { $1 }
    }

    private mutating func policy() -> JSONValue { .string(one(of: ["open", "same-bridge", "isolated"])) }

    private mutating func firewall(hasBridge: Bool) -> JSONValue {
        var keys = some([
            ("backend", 40, one(of: ["iptables", "firewalld", ""])), ("iptablesAdminChainName", 20, "MINE"),
        ])
        if hasBridge, flip() { keys["ingressPolicy"] = policy() }
        return .object(keys.merging(["type": "firewall"]) { $1 })
    }

    private mutating func ports() -> [String: JSONValue] {
        ["capabilities": ["portMappings": true]].merging(
            some([
                ("snat", 30, false), ("masqAll", 30, true), ("conditionsV4", 30, ["ip", "saddr", "!=", "192.0.2.66"]),
                ("markMasqBit", 20, 14), ("backend", 30, "nftables"),
            ])
        ) { $1 }
    }

    private mutating func portmap() -> JSONValue { .object(ports().merging(["type": "portmap"]) { $1 }) }

    private mutating func limits() -> JSONValue {
        var keys: [String: JSONValue] = ["type": "bandwidth"]
        for direction in ["ingress", "egress"] where flip(70) {
            keys[direction + "Rate"] = .integer(Int64.random(in: 100_000...1_000_000_000, using: &generator))
            keys[direction + "Burst"] = .integer(Int64.random(in: 10_000...20_000_000, using: &generator))
        }
        return .object(keys)
    }

    private mutating func tuning(_ type: String) -> JSONValue {
        var keys = some([
            ("sysctl", 60, ["net.ipv4.conf.IFNAME.arp_filter": "1", "net.core.somaxconn": "500"]),
            ("promisc", 30, true), ("allmulti", 30, true), ("txQLen", 30, 500), ("mtu", 30, 1300),
        ])
        if ["swiftlet", "bridge", "ptp"].contains(type), flip(30) { keys["mac"] = "02:00:00:00:56:78" }
        return .object(keys.merging(["type": "tuning"]) { $1 })
    }
}

extension JSONValue {
    fileprivate func with(_ key: String, _ value: JSONValue?) -> JSONValue {
        var keys = object ?? [:]
        keys[key] = value
        return .object(keys)
    }
}

extension NetworkList {
    fileprivate var text: String { plugins.map(\.text).joined(separator: "\n") }
}
