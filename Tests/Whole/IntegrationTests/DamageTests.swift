import ContainerRuntime
import Foundation
import Testing

/// Whatever somebody does to our rules: CHECK sees it and says what, DEL works all the same.
@Suite(.realKernel) struct DamageTests {
    typealias Way = IsolationTests.Way

    /// A pod that has something in as many sets as there are.
    struct Scene {
        let node: Node
        let pod: Pod
        let list: NetworkList
        let attachment: PodAttachment

        init(_ way: Way) throws {
            node = try Node()
            pod = try node.pod()
            list = try Scene.network(node, way)
            attachment = pod.with(ports: hostPorts(8080) + [hostPort(8081, at: "192.0.2.1")])
        }

        /// A pod gets the same each time.
        static let oneAddress: [JSONValue] = [
            [["subnet": "10.44.0.0/24", "rangeStart": "10.44.0.2", "rangeEnd": "10.44.0.2"]],
            [["subnet": "fd00:44::/64", "rangeStart": "fd00:44::2", "rangeEnd": "fd00:44::2"]],
        ]

        static func network(
            _ node: Node, _ way: Way, name: String = "net", bridge: String = "cbr0",
            ranges: [JSONValue] = Scene.oneAddress, isLimited: Bool = false
        ) throws -> NetworkList {
            let ipam: [String: JSONValue] = ["ranges": .array(ranges)]
            let portmap: [String: JSONValue] = [
                "masqAll": true, "conditionsV4": ["ip", "saddr", "!=", "10.9.0.0/16"],
                "capabilities": ["portMappings": true, "bandwidth": .bool(isLimited)],
            ]
            let common: [String: JSONValue] = [
                "bridge": .string(bridge), "isDefaultGateway": true, "ipMasq": true, "macspoofchk": true,
            ]
            switch way {
            case .alone:
                let own: [String: JSONValue] = [
                    "antiSpoof": true, "ingressPolicy": "same-bridge", "nonMasqueradeCIDRs": ["10.99.0.0/16"],
                ]
                let keys = [ipam, portmap, own].reduce(common) { $0.merging($1) { $1 } }
                return try node.network(node.swiftlet(keys), name: name)
            case .chained:
                let bridge = node.bridge(common.merging(["hairpinMode": false]) { $1 }, ipam: ipam)
                let mapper: JSONValue = .object(portmap.merging(["type": "portmap"]) { $1 })
                let firewall: JSONValue = ["type": "firewall", "ingressPolicy": "same-bridge"]
                guard isLimited else { return try node.network(bridge, mapper, firewall, name: name) }
                let limiter: JSONValue = ["type": "bandwidth", "capabilities": ["bandwidth": true]]
                return try node.network(bridge, mapper, firewall, limiter, name: name)
            }
        }

        func add() throws { _ = try node.runtime().add(list, attachment) }
        func check() throws { try node.runtime().check(list, attachment) }

        /// DEL as after a restart of the runtime: it knows nothing any more but who it was.
        func delWithoutKnowledge() throws {
            for plugin in list.plugins.reversed() {
                _ = try node.runtime().run(.del, plugin, in: list, pod.with(netns: .some("")))
            }
        }

        func expectCheckNames(_ names: [String], _ comment: String) {
            do {
                try check()
                Issue.record("\(comment): CHECK has seen nothing")
            } catch let error as PluginError {
                #expect(error.code == 104, "\(comment): \(error)")
                #expect(names.contains { "\(error)".contains($0) }, "\(comment): \(error)")
            } catch { Issue.record("\(comment): \(error)") }
        }
    }

    enum Kind: String, CaseIterable, CustomTestStringConvertible {
        case lostRules = "rules deleted"
        case lostChains = "chains flushed and deleted"
        case foreignRules = "rules of others in our chains"
        case lostElements = "elements deleted"
        case lostSetsAndTables = "sets flushed, tables deleted"
        case changedElements = "elements of another, or that lead elsewhere"

        var testDescription: String { rawValue }

        func damages(_ listing: Listing) -> [Damage] {
            switch self {
            case .lostRules: listing.lostRules
            case .lostChains: listing.lostChains
            case .foreignRules: listing.foreignRules
            case .lostElements: listing.lostElements
            case .lostSetsAndTables: listing.lostSetsAndTables
            case .changedElements: listing.changedElements
            }
        }
    }

    @Test(arguments: Way.allCases, Kind.allCases) func everyDamageIsSeenAndDelWorks(_ way: Way, _ kind: Kind) throws {
        let scene = try Scene(way)
        try scene.add()
        try scene.check()
        let count = kind.damages(try Listing(scene.node)).count
        #expect(count >= 8)
        // Some are enough for the drop-ins, which share the code.
        for number in stride(from: 0, to: count, by: way == .alone ? 1 : 9) {
            // What was made anew has other handles.
            let damages = kind.damages(try Listing(scene.node))
            try #require(damages.count == count)
            let damage = damages[number]
            try scene.node.nft(damage)
            scene.expectCheckNames(damage.names, damage.description)
            try scene.delWithoutKnowledge()
            // What belongs to somebody else now is not ours to delete.
            let left = try scene.node.exec("nft", "list", "ruleset").split(separator: "\n")
                .filter { $0.contains(#"comment "net"#) && !$0.contains("net/stranger/eth0") }
            #expect(left == [], "\(damage)")
            #expect(try scene.node.recordPaths() == [], "\(damage)")
            try scene.node.exec("nft", "flush", "ruleset")
            try scene.add()
        }
        try scene.check()
    }

    @Test(arguments: Kind.allCases) func everyDamageIsRepaired(_ kind: Kind) throws {
        let scene = try Scene(.alone)
        try scene.add()
        var number = 0
        while true {
            // Rules that have been repaired have new handles.
            let damages = kind.damages(try Listing(scene.node))
            guard number < damages.count else { break }
            let damage = damages[number]
            try scene.node.nft(damage)
            let isWhole = try repair(scene, damage)
            #expect(isWhole, "\(damage)")
            if !isWhole {
                try scene.delWithoutKnowledge()
                try scene.node.exec("nft", "flush", "ruleset")
                try scene.add()
            }
            number += 5
        }
        let rules = try scene.node.exec("nft", "-a", "list", "ruleset")
        #expect(try scene.node.exec(Self.ctl, "repair").contains("0 repaired, 1 were whole"))
        #expect(try scene.node.exec("nft", "-a", "list", "ruleset") == rules)
        try scene.delWithoutKnowledge()
        try scene.node.expectNoRules()
    }

    static let ctl = "\(Requirements.bin)/swiftletctl"

    private func repair(_ scene: Scene, _ damage: Damage) throws -> Bool {
        guard !damage.description.contains("set version_") else {
            // Nothing tells the table from one of somebody else's now; the advice helps.
            let refusal = try #require(throws: CommandError.self) { try scene.node.exec(Self.ctl, "repair") }
            let advice = ["inet", "bridge"].first { refusal.description.contains("nft delete table \($0) swiftlet") }
            let family = try #require(advice)
            try scene.node.nft("delete table \(family) swiftlet")
            try scene.node.exec(Self.ctl, "repair")
            return (try? scene.check()) != nil
        }
        let said = try scene.node.exec(Self.ctl, "repair")
        #expect(said.contains("1 repaired, 0 were whole"), "\(damage): \(said)")
        return (try? scene.check()) != nil
    }

    @Test(arguments: Way.allCases) func whatIsBesideTheRulesIsCheckedToo(_ way: Way) throws {
        let scene = try Scene(way)
        let node = scene.node
        try scene.add()
        let port = try node.ports(of: "cbr0")[0]
        try scene.check()
        try node.setSysctl("ipv4/conf/cbr0/route_localnet", "0")
        scene.expectCheckNames(["route_localnet"], "route_localnet")
        try node.setSysctl("ipv4/conf/cbr0/route_localnet", "1")
        try scene.check()
        try node.set("link", "set", port, "type", "bridge_slave", "hairpin", "off")
        scene.expectCheckNames(["hairpin"], "hairpin mode")
        try node.set("link", "set", port, "type", "bridge_slave", "hairpin", "on")
        try scene.check()
        let records = try node.records()
        let files = try node.recordPaths().filter { $0.hasSuffix(":eth0") }
        #expect(files.count == scene.list.plugins.count)
        for file in files {
            let path = "\(records)/\(file)"
            let content = try #require(FileManager.default.contents(atPath: path))
            try FileManager.default.removeItem(atPath: path)
            scene.expectCheckNames(["record"], "\(file) deleted")
            for broken in ["", "{", "[]", #"{"namespace":{}}"#, String(decoding: content.dropLast(20), as: UTF8.self)] {
                try broken.write(toFile: path, atomically: false, encoding: .utf8)
                scene.expectCheckNames(["record"], "\(file) is \(broken)")
            }
            #expect(FileManager.default.createFile(atPath: path, contents: content))
            try scene.check()
        }
        // Records that nobody can read do not keep the pod.
        for file in files { try "{".write(toFile: "\(records)/\(file)", atomically: false, encoding: .utf8) }
        try scene.delWithoutKnowledge()
        try node.expectNoRules()
    }

    @Test(arguments: Way.allCases, ["whole", "flushed", "without both"])
    func delNeedsNothingButTheName(_ way: Way, _ state: String) throws {
        let scene = try Scene(way)
        try scene.add()
        if state == "without both" { try scene.node.forgetRecords() }
        if state != "whole" { try scene.node.exec("nft", "flush", "ruleset") }
        try scene.pod.end()
        try scene.delWithoutKnowledge()
        try scene.node.expectNoRules(state)
        try scene.delWithoutKnowledge()
    }
}
