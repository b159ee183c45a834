import ContainerRuntime
import Foundation
import Testing

/// A pod reaches itself by its own Service: netfilter sends the packet back by the bridge port that it came in by.
@Suite(.realKernel) struct OwnServiceTests {
    /// A pod that is the only one behind a Service, on a node whose netfilter sees bridged packets.
    struct Scene {
        let node: Node
        let pod: Pod
        let runtime: CNIRuntime
        let list: NetworkList
        let server: Responder
        let hosts: [String]

        init(_ list: (Node) throws -> NetworkList) throws {
            node = try Node()
            for family in ["ip", "ip6"] { try node.setBridgeNetfilter(family, "1") }
            pod = try node.pod()
            self.list = try list(node)
            runtime = node.runtime(wrapper: node.withOwnVarLib)
            hosts = try runtime.add(self.list, pod.attachment).result.hosts
            server = try Responder("pod", in: pod, 80)
            for host in hosts {
                let (family, service) = (Family(of: host), Scene.service(Family(of: host)))
                let word = family == .v4 ? "ip" : "ip6"
                let target = family == .v4 ? host : "[\(host)]"
                // As kube-proxy does it.
                try node.nft(
                    """
                    table \(word) kube-proxy {
                        chain services {
                            type nat hook prerouting priority dstnat;
                            \(word) daddr \(service) meta l4proto { tcp, udp } dnat to \(target)
                        }
                        chain masquerading {
                            type nat hook postrouting priority srcnat;
                            \(word) saddr \(host) \(word) daddr \(host) masquerade
                        }
                    }
                    """)
            }
        }

        static func service(_ family: Family) -> String { family == .v4 ? "10.96.0.1" : "fd00:96::1" }

        var families: [Family] { hosts.map { Family(of: $0) } }
    }

    static let keys: [String: JSONValue] = ["isDefaultGateway": true]

    @Test func swiftletLetsItByDefault() throws {
        let scene = try Scene { try $0.network($0.swiftlet(Node.dualStack)) }
        try #require(scene.families.count == 2)
        for family in scene.families {
            for transport in [Transport.tcp, .udp] {
                expectAnswer("pod", from: scene.pod, Scene.service(family), 80, transport)
            }
        }
        try scene.runtime.check(scene.list, scene.pod.attachment)
    }

    @Test func bridgeDoesWhereItIsAsked() throws {
        let scene = try Scene {
            try $0.network($0.bridge(Self.keys.merging(["hairpinMode": true]) { $1 }, ipam: Node.dualStack))
        }
        for family in scene.families { expectAnswer("pod", from: scene.pod, Scene.service(family), 80) }
    }

    /// As the reference does, and to see that hairpin mode is what it takes.
    @Test func bridgeDoesNotByDefaultNorSwiftletWhereItIsOff() throws {
        let scenes = [
            try Scene { try $0.network($0.bridge(Self.keys, ipam: Node.dualStack)) },
            try Scene { try $0.network($0.swiftlet(Node.dualStack.merging(["hairpinMode": false]) { $1 })) },
        ]
        for scene in scenes { expectNoAnswer(from: scene.pod, Scene.service(.v4), 80) }
    }

    /// The two exclude each other, but only what is written is a contradiction.
    @Test func aPromiscuousBridgeDoesWithout() throws {
        let node = try Node()
        let pod = try node.pod()
        let keys: [String: JSONValue] = ["subnet": "10.44.0.0/24", "promiscMode": true]
        _ = try node.runtime().add(node.network(node.swiftlet(keys)), pod.attachment)
        let port = try #require(try node.ports(of: "cbr0").first)
        #expect(try node.link(port)?["linkinfo"]?["info_slave_data"]?["hairpin"] == false)
    }

    static let files = ConfigurationFileTests.cases.map(\.0).filter { $0 != "10-l2.conflist" }

    @Test(arguments: Set(files).sorted()) func everyConfigurationToCopyLetsIt(_ file: String) throws {
        let scene = try Scene { _ in try NetworkList.load(file: ConfigurationFileTests.directory + "/" + file) }
        #expect(!scene.families.isEmpty)
        for family in scene.families { expectAnswer("pod", from: scene.pod, Scene.service(family), 80) }
    }

    /// A pod sees neither its own broadcasts as a duplicate of its address, nor its own solicitations.
    @Test func nobodyTakesItselfForADuplicate() throws {
        let node = try Node()
        let pod = try node.pod()
        let keys = Node.dualStack.merging(["enabledad": true]) { $1 }
        _ = try node.runtime().add(node.network(node.swiftlet(keys)), pod.attachment)
        try eventually("the address has passed", within: .seconds(10)) { try pod.unusableAddresses("eth0") == [] }
    }
}
