import ContainerRuntime
import Foundation
import TestSupport
import Testing

/// CNI-ADMIN: what a node's administrator says there about pods' traffic counts before what plugins say, as with the reference's `firewall`.
@Suite(.realKernel) struct AdministratorsChainTests {
    enum Firewall: String, CaseIterable, CustomTestStringConvertible {
        case ours, reference

        var testDescription: String { rawValue }
    }

    enum Before: String, CaseIterable, CustomTestStringConvertible {
        case nothing = "no table filter"
        case docker = "Docker's rules, with policy drop"

        var testDescription: String { rawValue }
    }

    /// A node, a host that knows the way to its pods, and a chain whose `firewall` is ours or the reference's.
    struct Scene {
        let node: Node
        let outside: Outside
        let world: Responder
        let runtime: CNIRuntime
        let before: [String]

        init(_ firewall: Firewall = .ours, _ before: Before = .nothing) throws {
            node = try Node()
            outside = try Outside(node)
            try outside.learnRoutes(to: "10.44.0.0/24", "fd00:44::/64")
            world = try Responder("outside", in: outside, 7)
            if before == .docker { try node.shell(ForeignFirewallTests.docker) }
            let plugins = try node.pluginDirectory()
            if firewall == .reference { try node.link(plugin: "firewall", from: referencePlugins) }
            runtime = node.runtime(path: [plugins, Requirements.bin])
            self.before = try Scene.saved(node)
        }

        func list(_ keys: [String: JSONValue] = [:], name: String = "net") throws -> NetworkList {
            try node.network(
                node.bridge(["bridge": "cbr0", "isDefaultGateway": true], ipam: Node.dualStack),
                .object(["type": "firewall", "backend": "iptables"].merging(keys) { $1 }), name: name)
        }

        /// All tables but swiftlet's own, without counts; nft's listing has tables and chains that iptables-save leaves out.
        static func saved(_ node: Node) throws -> [String] {
            let script = "nft list tables | grep -v ' swiftlet' | while read -r table; do nft -s list $table; done"
            return try node.shell(script).split(separator: "\n").map(String.init)
        }

        /// One iptables command in each family; `POD4` and the like stand for addresses.
        func iptables(_ words: String..., pod: [String]) throws {
            for (command, address) in zip(["iptables-nft", "ip6tables-nft"], pod) {
                try run(
                    ["nsenter", "--net=\(node.path)", command] + words.map { $0 == "POD" ? address : $0 })
            }
        }

        func chain(_ name: String, family: Family = .v4) throws -> [String] {
            try node.exec(family == .v4 ? "iptables-nft" : "ip6tables-nft", "-S", name).split(separator: "\n")
                .map(String.init)
        }
    }

    @Test(arguments: Firewall.allCases, Before.allCases)
    func theirDropDropsAndTheirAcceptLetsIn(_ firewall: Firewall, _ before: Before) throws {
        let scene = try Scene(firewall, before)
        let list = try scene.list()
        let pods = try scene.node.pods(2)
        let addresses = try scene.runtime.add(list, pods[0].attachment).result.hosts
        let server = try Responder("pod", in: pods[0], 80)
        func fromPod(_ transport: Transport, passes: Bool, _ comment: String) {
            for (family, address) in zip(Family.allCases, addresses) {
                let host = Outside.host(family)
                if passes {
                    expectAnswer("outside", from: pods[0], host, 7, transport, seen: address, comment)
                } else {
                    expectNoAnswer(from: pods[0], host, 7, transport, comment)
                }
            }
        }
        func toPod(passes: Bool, _ comment: String) {
            for (family, address) in zip(Family.allCases, addresses) {
                if passes {
                    expectAnswer(server.name, from: scene.outside, address, 80, seen: Outside.host(family), comment)
                } else {
                    expectNoAnswer(from: scene.outside, address, 80, .tcp, comment)
                }
            }
        }
        fromPod(.tcp, passes: true, "no rules yet")
        toPod(passes: before == .nothing, "no rules yet")
        try scene.iptables("-I", "CNI-ADMIN", "-s", "POD", "-p", "tcp", "--dport", "7", "-j", "DROP", pod: addresses)
        fromPod(.tcp, passes: false, "dropped")
        fromPod(.udp, passes: true, "not meant")
        try scene.iptables("-I", "CNI-ADMIN", "-d", "POD", "-p", "tcp", "--dport", "80", "-j", "ACCEPT", pod: addresses)
        toPod(passes: true, "let in")
        // The next pod changes nothing of it, nor does its going.
        let second = try scene.runtime.add(list, pods[1].attachment).result
        #expect(second.hosts.count == 2)
        fromPod(.tcp, passes: false, "after another ADD")
        toPod(passes: true, "after another ADD")
        try scene.runtime.check(list, pods[0].attachment)
        try scene.runtime.del(list, pods[1].attachment)
        fromPod(.tcp, passes: false, "after another DEL")
        try scene.iptables("-D", "CNI-ADMIN", "-s", "POD", "-p", "tcp", "--dport", "7", "-j", "DROP", pod: addresses)
        fromPod(.tcp, passes: true, "allowed again")
        try scene.runtime.del(list, pods[0].attachment)
        for family in Family.allCases {
            #expect(try scene.chain("CNI-ADMIN", family: family).count == 2, "the administrator's rule is still there")
        }
    }

    @Test(arguments: Before.allCases) func whereNobodyHasSaidAnythingNothingStays(_ before: Before) throws {
        let scene = try Scene(.ours, before)
        try scene.node.nft(
            "table ip filters { chain CNI-ADMIN { accept; }\n}\ntable inet filter { set s { type mark; }\n}")
        let ruleset = try Scene.saved(scene.node)
        let list = try scene.list()
        let pods = try scene.node.pods(2)
        for pod in pods { _ = try scene.runtime.add(list, pod.attachment) }
        for family in Family.allCases {
            #expect(try scene.chain("CNI-ADMIN", family: family) == ["-N CNI-ADMIN"])
            let rules = try scene.chain("FORWARD", family: family).filter { $0.contains("swiftlet") }
            #expect(rules.count == 3 && rules[0].hasSuffix("-j CNI-ADMIN"), "\(rules)")
        }
        for pod in pods { try scene.runtime.del(list, pod.attachment) }
        #expect(try Scene.saved(scene.node) == ruleset)
        // A killed ADD, then GC.
        _ = try scene.runtime.add(list, pods[0].attachment)
        try scene.runtime.gc(list, valid: [])
        #expect(try Scene.saved(scene.node) == ruleset)
    }

    @Test func aChainThatWasThereIsTheirs() throws {
        let scene = try Scene()
        // At boot, before any pod: with a rule, and without one.
        for (chain, rule) in [("CNI-ADMIN", "-A CNI-ADMIN -d 192.0.2.0/24 -j DROP"), ("OURS", "")] {
            try scene.node.exec("iptables-nft", "-N", chain)
            if !rule.isEmpty {
                try run(
                    ["nsenter", "--net=\(scene.node.path)", "iptables-nft"]
                        + rule.split(separator: " ").map(String.init))
            }
            let list = try scene.list(["iptablesAdminChainName": .string(chain)])
            let pod = try scene.node.pod()
            _ = try scene.runtime.add(list, pod.attachment)
            rule.isEmpty
                ? expectAnswer("outside", from: pod, Outside.host(.v4), 7)
                : expectNoAnswer(from: pod, Outside.host(.v4), 7)
            expectAnswer("outside", from: pod, Outside.host(.v6), 7)
            try scene.runtime.del(list, pod.attachment)
            #expect(try scene.chain(chain) == ["-N \(chain)"] + (rule.isEmpty ? [] : [rule]))
            try scene.node.exec("nft", "flush", "ruleset")
        }
    }

    /// Networks that have no such chain let their own pods through as well.
    @Test func theChainComesBeforeWhatEveryNetworkAccepts() throws {
        let scene = try Scene(.ours, .docker)
        let first = try scene.list()
        let second = try scene.node.network(
            scene.node.swiftlet(["subnet": "10.45.0.0/24", "bridge": "cbr1", "ingressPolicy": "open", "ipMasq": true]),
            name: "net2")
        let third = try scene.node.network(
            scene.node.bridge(
                ["bridge": "cbr2", "isDefaultGateway": true, "ipMasq": true], ipam: ["subnet": "10.46.0.0/24"]),
            ["type": "firewall", "backend": "iptables", "iptablesAdminChainName": "MORE"], name: "net3")
        let pods = try scene.node.pods(3)
        for (list, pod) in zip([first, second, third], pods) { _ = try scene.runtime.add(list, pod.attachment) }
        let rules = try scene.chain("FORWARD").filter { $0.contains("swiftlet") }
        #expect(Set(rules.prefix(2).compactMap { $0.split(separator: " ").last }) == ["CNI-ADMIN", "MORE"], "\(rules)")
        #expect(rules.dropFirst(2).allSatisfy { $0.hasSuffix("-j ACCEPT") } && rules.count == 8, "\(rules)")
        try scene.node.exec("iptables-nft", "-A", "MORE", "-s", "10.45.0.0/24", "-j", "DROP")
        expectNoAnswer(from: pods[1], Outside.host(.v4), 7)
        expectAnswer("outside", from: pods[0], Outside.host(.v4), 7)
        // What others accept goes, what administrators say stays.
        try scene.runtime.del(third, pods[2].attachment)
        expectNoAnswer(from: pods[1], Outside.host(.v4), 7)
        try scene.node.exec("iptables-nft", "-F", "MORE")
        expectAnswer("outside", from: pods[1], Outside.host(.v4), 7)
        for (list, pod) in zip([first, second], pods) { try scene.runtime.del(list, pod.attachment) }
        #expect(try Scene.saved(scene.node) == scene.before)
    }

    @Test(arguments: ["flush chain ip filter FORWARD", "delete table ip6 filter", "flush ruleset"])
    func checkMissesItAndRepairPutsItBack(_ damage: String) throws {
        let scene = try Scene()
        let list = try scene.list()
        let pod = try scene.node.pod()
        _ = try scene.runtime.add(list, pod.attachment)
        try scene.runtime.check(list, pod.attachment)
        try scene.node.nft(damage)
        let error = try failure { try scene.runtime.check(list, pod.attachment) }
        #expect(error.code == 104 && error.details.contains("CNI-ADMIN"), "\(error)")
        try scene.node.exec("\(Requirements.bin)/swiftletctl", "repair")
        try scene.runtime.check(list, pod.attachment)
        try scene.iptables("-A", "CNI-ADMIN", "-j", "DROP", pod: ["", ""])
        for family in Family.allCases { expectNoAnswer(from: pod, Outside.host(family), 7) }
        // Somebody's accept that has come before the jump.
        try scene.node.nft("delete rule ip filter FORWARD handle \(try handle(of: "CNI-ADMIN", scene.node))")
        try scene.node.exec(
            "iptables-nft", "-A", "FORWARD", "-m", "comment", "--comment", "swiftlet: CNI-ADMIN comes first", "-j",
            "CNI-ADMIN")
        #expect(try failure { try scene.runtime.check(list, pod.attachment) }.code == 104)
        let second = try scene.node.pod()
        _ = try scene.runtime.add(list, second.attachment)
        try scene.runtime.check(list, pod.attachment)
    }

    private func handle(of target: String, _ node: Node) throws -> Int {
        let listing = try node.exec("nft", "-a", "list", "chain", "ip", "filter", "FORWARD")
        let line = try #require(listing.split(separator: "\n").first { $0.contains("jump \(target)") })
        return try #require(Int(line.split(separator: " ").last ?? ""))
    }

    @Test(arguments: ["FORWARD", "ACCEPT", "-j", "!x", "two words", String(repeating: "x", count: 29)])
    func namesThatIptablesWouldRefuseAreRefusedBefore(_ name: String) throws {
        let scene = try Scene()
        let pod = try scene.node.pod()
        let error = try failure {
            _ = try scene.runtime.add(scene.list(["iptablesAdminChainName": .string(name)]), pod.attachment)
        }
        #expect(error.code == 7 && error.msg.contains("iptablesAdminChainName"), "\(error)")
        #expect(try Scene.saved(scene.node) == scene.before)
    }

    /// Only who asks for it pays for it.
    @Test func withTheBackendFirewalldThereIsNone() throws {
        let scene = try Scene()
        let pod = try scene.node.pod()
        let list = try scene.list(["backend": "firewalld"])
        _ = try scene.runtime.add(list, pod.attachment)
        try scene.runtime.check(list, pod.attachment)
        #expect(try Scene.saved(scene.node) == scene.before)
    }
}
