import ContainerRuntime
import Foundation
import Testing

/// `swiftletctl trace` names what keeps a packet away and says what mends it, or says what it has not looked at.
@Suite(.realKernel) struct PacketTraceFaultTests {
    static let cases = TraceFault.all.flatMap { fault in fault.families.map { (fault, $0) } }

    @Test(arguments: cases) func itNamesWhatKeepsThePacketAway(_ fault: TraceFault, _ family: Family) throws {
        let scene = try TraceScene()
        let (asker, name) = scene.asker(fault.from, family)
        let (address, port, endpoint) = scene.asked(fault.to, family)
        func asks(within patience: Duration) -> Answer? { try? asker.ask(address, port, within: patience) }
        if fault.isWarm { try #require(asks(within: .seconds(5)) != nil, "before the fault it arrives") }
        try fault.harm(scene, family)
        let server = scene.server(fault.to)
        #expect(asks(within: .milliseconds(250))?.server != server, "the fault keeps it away")
        let said = try scene.node.trace(name, endpoint, family.flag)
        switch fault.verdict {
        case .stops:
            #expect(said.code == 1 && said.verdict.contains(fault.text), "\(said.json.pretty)")
            let advice = try #require(said.json["advice"]?.string)
            try scene.follow(advice)
            let answer = asks(within: .seconds(5))
            #expect(answer?.server == server, "\(advice): \(said.verdict)")
            let mended = try scene.node.trace(name, endpoint, family.flag)
            #expect(mended.code == 0, "\(advice): \(mended.verdict)")
        case .notSeen:
            #expect(said.code == 2 && said.verdict.hasPrefix("as far as seen: "), "\(said.json.pretty)")
            #expect(said.notSeen.contains { $0.contains(fault.text) }, "\(said.notSeen)")
            let text = try scene.node.traceText(name, endpoint, family.flag)
            #expect(text.contains("\n? as far as seen: ") && !text.contains("\n✓ "), "\(text)")
            // What is really sent does not arrive.
            let live = try scene.node.trace(name, endpoint, family.flag, "--live")
            #expect(live.code == 1, "\(live.json.pretty)")
        }
    }

    /// What keeps nothing away is no fault.
    @Test(arguments: Family.allCases) func hairpinIsNeededOnlyWhereTheBridgeRewrites(_ family: Family) throws {
        let scene = try TraceScene()
        try scene.node.setBridgeNetfilter(family == .v4 ? "ip" : "ip6", "0")
        try scene.node.exec("bridge", "link", "set", "dev", scene.veth(0), "hairpin", "off")
        let (address, port, endpoint) = scene.asked(.published, family)
        expectAnswer(scene.pods[0].id, from: scene.pods[0], address, port)
        #expect(try scene.node.trace(scene.pods[0].id, endpoint, family.flag).code == 0)
    }

    @Test(arguments: Family.allCases) func whoPassesItOnMayHaveAnothersMAC(_ family: Family) throws {
        let scene = try TraceScene()
        let (asker, target) = (scene.pods[1], scene.address(0, family))
        try asker.set(
            "neigh", "replace", target, "lladdr", scene.node.mac("cbr0"), "dev", "eth0", "nud", "permanent")
        let said = try scene.node.trace(asker.id, endpoint(target, 80), family.flag)
        // Of IPv6, whoever is asked for the first time finds no way back: its neighbour discovery ends at the router.
        guard family == .v4 else { return #expect(said.code == 2, "\(said.json.pretty)") }
        expectAnswer(scene.pods[0].id, from: asker, target, 80)
        #expect(said.code == 0, "\(said.json.pretty)")
    }

    @Test func anotherDevicesRulesAreNoDoubt() throws {
        let scene = try TraceScene()
        try scene.node.nft(
            """
            add table netdev theirs
            add chain netdev theirs in { type filter hook ingress device \(scene.veth(2)) priority 0; policy drop; }
            """)
        #expect(try scene.node.trace(scene.pods[1].id, "\(scene.pods[0].id):80").code == 0)
        #expect(try scene.node.trace(scene.pods[1].id, "\(scene.pods[2].id):80").code == 2)
    }

    @Test func whatIsSentOutweighsWhatIsWalked() throws {
        let scene = try TraceScene()
        // The walk does not understand the rule that lets it through.
        try scene.node.exec("iptables", "-w", "-P", "FORWARD", "DROP")
        try scene.node.exec(
            "iptables", "-w", "-A", "FORWARD", "-m", "length", "--length", "1:2000", "-j", "ACCEPT")
        let endpoint = "\(Outside.host(.v4)):7"
        let walked = try scene.node.trace(scene.pods[1].id, endpoint)
        #expect(walked.code == 1 && walked.verdict.hasPrefix("as far as seen: stops in node"), "\(walked.verdict)")
        let live = try scene.node.trace(scene.pods[1].id, endpoint, "--live")
        #expect(live.code == 0 && live.json["arrives"] == false && live.json["live"]?["isAnswered"] == true)
    }

    @Test func countersTellWhereItIsLost() throws {
        let scene = try TraceScene()
        // Nobody else is to send anything: everybody knows everybody for ever, and IPv6 is off.
        expectAnswer(scene.pods[2].id, from: scene.pods[1], scene.address(2, .v4), 80)
        expectAnswer(scene.pods[1].id, from: scene.pods[2], scene.address(1, .v4), 80)
        for (number, pod) in scene.pods.enumerated() {
            try pod.setSysctl("ipv6/conf/eth0/disable_ipv6", "1")
            let (bridge, gateway) = number == 2 ? ("cbr1", "10.45.0.1") : ("cbr0", "10.44.0.1")
            try pod.set(
                "neigh", "replace", gateway, "lladdr", scene.node.mac(bridge), "dev", "eth0", "nud", "permanent")
            try scene.node.set(
                "neigh", "replace", scene.address(number, .v4), "lladdr", pod.mac(), "dev", bridge, "nud", "permanent")
        }
        for bridge in ["cbr0", "cbr1"] { try scene.node.setSysctl("ipv6/conf/\(bridge)/disable_ipv6", "1") }
        try scene.node.exec("iptables-legacy", "-w", "-I", "FORWARD", "-i", "cbr0", "-o", "cbr1", "-j", "DROP")
        let veth = try scene.veth(2)
        // The last segments of the connections above count as well, as long as they take.
        var lost: String?
        for _ in 0..<5 where lost?.hasSuffix("but not to cbr1 in node") != true {
            let there = try scene.node.trace(scene.pods[1].id, "\(scene.pods[2].id):80", "--live")
            lost = try #require(there.json["live"]?["lostAt"]?.string, "\(there.json.pretty)")
        }
        #expect(lost == "the packet comes as far as cbr0 in node, but not to cbr1 in node")
        let back = try scene.node.trace(scene.pods[2].id, "\(scene.pods[1].id):80", "--live")
        let answer = try #require(back.json["live"]?["lostAt"]?.string, "\(back.json.pretty)")
        #expect(answer.hasPrefix("the answer comes as far as ") && answer.hasSuffix("\(veth) in node"), "\(answer)")
        // An empty datagram need not be answered, but it has to get there.
        let datagram = try scene.node.trace(
            scene.pods[1].id, "\(scene.pods[2].id):80", "--protocol", "udp", "--live")
        #expect(datagram.code == 1, "\(datagram.json.pretty)")
    }

    @Test func withoutRootItSaysSo() throws {
        let scene = try TraceScene()
        let outcome = try Launcher(prefix: ["nsenter", "--net=\(scene.node.path)"], timeout: .seconds(60)).run(
            "/usr/bin/setpriv",
            arguments: ["--reuid=65534", "--clear-groups", TraceAnswer.program, "trace", scene.pods[1].id, "internet"],
            environment: [:])
        #expect(outcome.exit == .code(64))
        #expect(outcome.errorText.contains("needs root") && !outcome.errorText.contains("gone"), "\(outcome.errorText)")
    }
}
