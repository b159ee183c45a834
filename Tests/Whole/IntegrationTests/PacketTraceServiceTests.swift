import ContainerRuntime
import Foundation
import Testing

/// `swiftletctl trace` to a Service says what becomes of every packet to it, whichever endpoint chance gives it.
@Suite(.realKernel) struct PacketTraceServiceTests {
    /// The pods behind the Service: one on the bridge of the pods that ask, one on another.
    private func scene(
        _ mode: KubeProxy.Mode, _ family: Family, endpoints: [Int] = [0, 2], bridged: Bool
    ) throws -> (TraceScene, KubeProxy) {
        let scene = try TraceScene()
        for tables in ["ip", "ip6"] { try scene.node.setBridgeNetfilter(tables, bridged ? "1" : "0") }
        let proxy = KubeProxy(
            family: family, endpoints: endpoints.map { scene.address($0, family) }, node: Outside.node(family))
        try proxy.install(mode, on: scene.node)
        return (scene, proxy)
    }

    /// Who answers how often, of some tries.
    private func answers(_ asker: some Namespace, _ address: String, _ port: UInt16, tries: Int = 16) -> [String: Int] {
        var answers: [String: Int] = [:]
        for _ in 0..<tries {
            let name = (try? asker.ask(address, port, within: .milliseconds(300)))?.server ?? "nobody"
            answers[name, default: 0] += 1
        }
        return answers
    }

    /// The walk says of a Service what packets find out.
    private func expectTruth(
        _ scene: TraceScene, _ asker: some Namespace, _ name: String, _ address: String, _ port: UInt16,
        _ family: Family, arrives: Bool, to endpoints: [Int], _ comment: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let answers = answers(asker, address, port)
        let said = try scene.node.trace(name, endpoint(address, port), family.flag)
        let names = Set(answers.keys)
        #expect(names.contains("nobody") != arrives, "\(comment) \(answers)", sourceLocation: sourceLocation)
        #expect(said.code == (arrives ? 0 : 1), "\(comment) \(said.json.pretty)", sourceLocation: sourceLocation)
        #expect(!said.verdict.contains("nft insert") && said.json["advice"]?.string?.contains("nft insert") == false)
        guard arrives else { return }
        #expect(names == Set(endpoints.map { scene.pods[$0].id }), "\(comment)", sourceLocation: sourceLocation)
        for pod in endpoints {
            #expect(
                said.verdict.contains("delivered to \(scene.pods[pod].id)"), "\(said.verdict)",
                sourceLocation: sourceLocation)
        }
    }

    @Test(arguments: KubeProxy.Mode.allCases, Family.allCases)
    func everyEndpointIsWalkedTo(_ mode: KubeProxy.Mode, _ family: Family) throws {
        let (scene, proxy) = try scene(mode, family, bridged: true)
        try expectTruth(
            scene, scene.pods[1], scene.pods[1].id, proxy.clusterIP, 80, family, arrives: true, to: [0, 2], "cluster IP"
        )
        try expectTruth(
            scene, scene.node, "node", proxy.clusterIP, 80, family, arrives: true, to: [0, 2], "from the node")
        let port = mode == .map ? 80 : proxy.nodePort
        try expectTruth(
            scene, scene.outside, Outside.host(family), Outside.node(family), port, family, arrives: true, to: [0, 2],
            "node port")
        // One of them by chance, and it is not the fault of any of the rules.
        let said = try scene.node.trace("internet", endpoint(Outside.node(family), port), family.flag)
        #expect(said.code == 0 && said.verdict.contains("by all 2 ways that chance may take"), "\(said.verdict)")
        let sent = try scene.node.trace(scene.pods[1].id, endpoint(proxy.clusterIP, 80), family.flag, "--live")
        #expect(sent.code == 0 && sent.json["live"]?["isAnswered"] == true, "\(sent.json.pretty)")
    }

    @Test(arguments: [KubeProxy.Mode.nftables, .iptables], Family.allCases)
    func aPodThatAsksItselfNeedsHairpin(_ mode: KubeProxy.Mode, _ family: Family) throws {
        for bridged in [false, true] {
            let (scene, proxy) = try scene(mode, family, endpoints: [1], bridged: bridged)
            let pod = scene.pods[1]
            for hairpin in ["off", "on"] {
                try scene.node.exec("bridge", "link", "set", "dev", scene.veth(1), "hairpin", hairpin)
                let arrives = !bridged || hairpin == "on"
                try expectTruth(
                    scene, pod, pod.id, proxy.clusterIP, 80, family, arrives: arrives, to: [1],
                    "br_netfilter \(bridged), hairpin \(hairpin)")
                guard !arrives else { continue }
                let said = try scene.node.trace(pod.id, endpoint(proxy.clusterIP, 80), family.flag)
                #expect(said.verdict.contains("hairpin is off there"), "\(said.verdict)")
                #expect(said.json["advice"]?.string == "bridge link set dev \(try scene.veth(1)) hairpin on")
            }
        }
    }

    @Test(arguments: [KubeProxy.Mode.nftables, .iptables], Family.allCases)
    func oneOfSeveralWaysIsEnoughToStopSome(_ mode: KubeProxy.Mode, _ family: Family) throws {
        // Of three endpoints the pod itself is one.
        let (scene, proxy) = try scene(mode, family, endpoints: [0, 1, 2], bridged: true)
        let pod = scene.pods[1]
        try scene.node.exec("bridge", "link", "set", "dev", scene.veth(1), "hairpin", "off")
        try expectTruth(scene, pod, pod.id, proxy.clusterIP, 80, family, arrives: false, to: [], "one in three")
        let said = try scene.node.trace(pod.id, endpoint(proxy.clusterIP, 80), family.flag)
        #expect(said.verdict.hasPrefix("by 1 of 3 ways that chance may take: "), "\(said.verdict)")
        let text = try scene.node.traceText(pod.id, endpoint(proxy.clusterIP, 80), family.flag)
        #expect(
            text.contains("1x ✗ stops in node") && text.contains("1x ✓ delivered to \(scene.pods[0].id)"), "\(text)")
    }

    /// Without br_netfilter, what a neighbour on the bridge answers passes the rules by.
    @Test(arguments: [KubeProxy.Mode.nftables, .iptables])
    func anAnswerThatPassesTheRulesByIsNone(_ mode: KubeProxy.Mode) throws {
        let (scene, proxy) = try scene(mode, .v4, endpoints: [0], bridged: false)
        let pod = scene.pods[1]
        try expectTruth(scene, pod, pod.id, proxy.clusterIP, 80, .v4, arrives: false, to: [], "one bridge")
        let advice = try #require(try scene.node.trace(pod.id, endpoint(proxy.clusterIP, 80)).json["advice"]?.string)
        #expect(advice.contains("sysctl -w net.bridge.bridge-nf-call-iptables=1"), "\(advice)")
        try scene.node.setBridgeNetfilter("ip", "1")
        try expectTruth(scene, pod, pod.id, proxy.clusterIP, 80, .v4, arrives: true, to: [0], "with br_netfilter")
    }

    @Test func whatKubeProxyRejectsIsNoFaultOfItsRules() throws {
        let (scene, proxy) = try scene(.nftables, .v4, bridged: true)
        for (address, port) in [(proxy.clusterIP, UInt16(81)), (KubeProxy.unused(.v4), 80)] {
            expectNoAnswer(from: scene.pods[1], address, port)
            let said = try scene.node.trace(scene.pods[1].id, endpoint(address, port))
            #expect(said.code == 1 && said.verdict.contains("chain cluster-ips-check"), "\(said.verdict)")
            #expect(said.json["advice"]?.string?.contains("kube-proxy's rule for Services") == true)
        }
    }

    /// A node that is not looked at may do anything.
    @Test func nothingIsSaidOfAnotherMachine() throws {
        let scene = try TraceScene()
        // Of this one the other end of the cable is not seen.
        let said = try scene.node.trace(scene.pods[0].id, "internet")
        #expect(
            said.code == 0 && said.verdict.hasPrefix("as far as seen: leaves the node by uplink"), "\(said.verdict)")
        #expect(!said.verdict.contains("the answer comes back"))
        let text = try scene.node.traceText(scene.pods[0].id, "internet")
        #expect(text.contains("\n? as far as seen: "), "\(text)")
        let back = try scene.node.trace("internet", "node:8080")
        #expect(back.code == 0 && !back.verdict.contains("the answer comes back"), "\(back.verdict)")
    }
}
