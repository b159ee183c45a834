import ContainerRuntime
import Foundation
import Testing

/// The binaries are replaced under running pods: the reference's by ours, and ours by the reference's.
@Suite(.realKernel) struct SwapTests {
    @Test(arguments: SwapChain.allCases) func podsOfTheReferenceGoOnUnderOurs(_ chain: SwapChain) throws {
        let scene = try SwapScene(chain)
        try scene.node.install(pluginsOf: Requirements.referenceBin)
        // What stays of the reference's plugins when their last pod has gone: a bridge, chains that all pods share.
        let first = try scene.attach(hostPort: 8079)
        try scene.detach(first)
        let before = try Snapshot(scene.node)

        let old = [try scene.attach(hostPort: 8080), try scene.attach(hostPort: 8081)]
        for pod in old { try scene.expectServing(pod, "under the reference") }
        let flow =
            chain.publishesPorts
            ? try DatagramFlow(from: scene.outside, port: 40_000, to: Outside.node(.v4), 8080) : nil
        let answer = try flow?.ask()

        try scene.node.install(pluginsOf: Requirements.bin)
        for pod in old {
            try scene.runtime().check(scene.list, pod.attachment)
            try scene.expectServing(pod, "after the swap")
        }
        try scene.runtime().status(chain.network(scene.node, version: "1.1.0"))
        let new = try scene.attach(hostPort: 8082)
        try scene.expectServing(new, "a pod of ours")
        for pod in old { try scene.expectServing(pod, "beside a pod of ours") }
        #expect(try flow?.ask() == answer)

        // Its port, and perhaps its address, are the next one's.
        try scene.detach(old[0])
        let heir = try scene.attach(hostPort: 8080)
        try scene.expectServing(heir, "the port of a pod of the reference")
        try scene.expectServing(old[1], "after another one's DEL")

        for pod in [old[1], new, heir] { try scene.detach(pod) }
        // The bridge has its MAC pinned now, and the store an index.
        let bridge = [" cni7 ", "\"cni7\"", "file net/.swiftlet"]
        expectSame(try Snapshot(scene.node).without(bridge), as: before.without(bridge))
    }

    /// What DEL of the reference leaves of our packet rules, the tool takes away.
    @Test(arguments: SwapChain.allCases) func podsOfOursGoOnUnderTheReference(_ chain: SwapChain) throws {
        let scene = try SwapScene(chain)
        try scene.node.install(pluginsOf: Requirements.referenceBin)
        try scene.node.install(pluginsOf: Requirements.bin)
        let old = [try scene.attach(hostPort: 8080), try scene.attach(hostPort: 8081)]
        for pod in old { try scene.expectServing(pod, "under ours") }

        try scene.node.install(pluginsOf: Requirements.referenceBin)
        for pod in old {
            // Those behind it look for rules in iptables; and its macvlan looks for routes that sbr has moved.
            if chain != .onWire {
                _ = try scene.runtime().run(
                    .check, scene.list.plugins[0], in: scene.list, pod.attachment, prevResult: pod.result)
            }
            try scene.expectServing(pod, "after the swap")
        }
        let new = try scene.attach(hostPort: 8082)
        try scene.expectServing(new, "a pod of the reference")
        for pod in old { try scene.expectServing(pod, "beside a pod of the reference") }

        try scene.detachAgainIfNeeded(old[0])
        try scene.forgetGone()
        let heir = try scene.attach(hostPort: 8080)
        try scene.expectServing(heir, "the port of a pod of ours")
        try scene.expectServing(old[1], "after another one's DEL")

        for pod in [old[1], new, heir] { try scene.detachAgainIfNeeded(pod) }
        try scene.forgetGone()
        #expect(try scene.node.ruleset().own.map(\.description) == [])
        #expect(try scene.node.recordPaths() == [])
        #expect(try scene.node.reservations() == [])
        #expect(try scene.node.veths() == ["uplink"])
    }

    @Test(arguments: [true, false]) func loopbackGoesOn(_ oursFirst: Bool) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(["type": "loopback"], version: Requirements.referenceVersion)
        let attachment = PodAttachment(containerID: pod.id, netns: pod.path, ifname: "lo")
        let directories = [Requirements.bin, Requirements.referenceBin]
        for directory in oursFirst ? directories : directories.reversed() {
            try node.install(pluginsOf: directory)
            let runtime = node.runtime(path: [try node.pluginDirectory()])
            if try !pod.isUp("lo") { _ = try runtime.add(list, attachment) }
            try pod.ping("127.0.0.1")
            try runtime.check(list, attachment)
        }
        try node.runtime(path: [try node.pluginDirectory()]).del(list, attachment)
        #expect(try !pod.isUp("lo"))
    }

    @Test func rulesOfTheReferenceGoWithNeitherNamespaceNorResult() throws {
        let scene = try SwapScene(.dualStack)
        try scene.node.install(pluginsOf: Requirements.referenceBin)
        let pods = [try scene.attach(hostPort: 8080), try scene.attach(hostPort: 8081)]
        #expect(try scene.detours() == [4, 4])
        try pods[0].pod.end()
        try scene.node.install(pluginsOf: Requirements.bin)
        var runtime = try scene.runtime()
        runtime.cacheDirectory = nil
        try runtime.del(scene.list, PodAttachment(containerID: pods[0].pod.id, netns: ""))
        #expect(try scene.detours() == [2, 2])
        try runtime.del(scene.list, pods[1].attachment)
        #expect(try scene.detours() == [0, 0])
    }

    @Test func rulesOfTheReferenceAreCollectedWithTheirPods() throws {
        let scene = try SwapScene(.dualStack)
        try scene.node.install(pluginsOf: Requirements.referenceBin)
        let dead = try scene.attach(hostPort: 8080)
        let alive = try scene.attach(hostPort: 8081)
        // Another network's pods, and chains that only look alike, are nobody's business.
        let other = try scene.node.pod()
        let others = try scene.node.network(
            scene.node.bridge(["bridge": "cni8", "ipMasq": true], ipam: ["subnet": "10.55.0.0/24"]), name: "net2",
            version: Requirements.referenceVersion)
        _ = try scene.runtime().add(others, other.attachment)
        try scene.node.exec("iptables-nft", "-t", "nat", "-N", "CNI-DN-of-mine")
        #expect(try scene.detours() == [5, 5])
        try dead.pod.end()
        try scene.node.install(pluginsOf: Requirements.bin)
        try scene.runtime().gc(
            scene.chain.network(scene.node, version: "1.1.0"), valid: [alive.pod.valid])
        #expect(try scene.detours() == [3, 3])
        try scene.forget(dead)
        try scene.expectServing(alive, "after GC")
    }

    /// Those that the reference writes by itself since 1.6, where it has no iptables.
    @Test(arguments: ["DEL", "GC"]) func rulesOfTheReferencesNftablesGoToo(_ command: String) throws {
        let node = try Node()
        let pods = try node.pods(2)
        func hash(_ text: String) throws -> String {
            String(try run(["sha512sum"], stdin: text).prefix(16))
        }
        func comments(_ pod: Pod) throws -> (masquerade: String, port: String) {
            let mark = "\(try hash("net"))-\(try hash("eth0:\(pod.id)"))"
            return ("\"\(mark), net: net, if: eth0, id: \(pod.id)\"", "\"\(pod.id)\"")
        }
        let (first, second) = (try comments(pods[0]), try comments(pods[1]))
        try node.nft(
            """
            table inet cni_plugins_masquerade {
                chain masq_checks {
                    ip saddr == 10.44.0.2 ip daddr != 10.44.0.0/24 masquerade comment \(first.masquerade)
                    ip saddr == 10.44.0.3 ip daddr != 10.44.0.0/24 masquerade comment \(second.masquerade)
                    ip saddr == 10.55.0.3 ip daddr != 10.55.0.0/24 masquerade comment "0123456789abcdef-0, net: other"
                }
                chain postrouting {
                    type nat hook postrouting priority 100
                    goto masq_checks
                }
            }
            table ip cni_hostport {
                chain hostports {
                    tcp dport 8080 dnat to 10.44.0.2:80 comment \(first.port)
                    tcp dport 8081 dnat to 10.44.0.3:80 comment \(second.port)
                }
                chain masquerading {
                    type nat hook postrouting priority 100
                    ip saddr 127.0.0.1 ip daddr 10.44.0.2 masquerade comment \(first.port)
                }
            }
            table ip6 cni_hostport {
                chain hostip_hostports {
                    ip6 daddr 2001:db8::1 tcp dport 8080 dnat to [fd00:44::2]:80 comment \(first.port)
                }
            }
            """)
        let list = try node.network(
            node.gatewayBridge(["ipMasq": true]), ["type": "portmap", "capabilities": ["portMappings": true]])
        let before = try node.ruleset().objects
        let masquerade = try before.filter { $0.contains(try hash("eth0:\(pods[0].id)")) }
        let ports = before.filter { $0.contains(#""comment":\#(first.port)"#) }
        #expect(masquerade.count == 1 && ports.count == 3)
        if command == "DEL" {
            try node.runtime().del(list, pods[0].attachment)
            #expect(try Set(node.ruleset().objects) == Set(before).subtracting(masquerade + ports))
        } else {
            // Those of ports do not say of which network they are.
            try node.runtime().gc(list, valid: [pods[1].valid])
            #expect(try Set(node.ruleset().objects) == Set(before).subtracting(masquerade))
        }
    }
}
