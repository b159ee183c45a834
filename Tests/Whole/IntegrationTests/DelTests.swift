import ContainerRuntime
import Foundation
import Testing

/// DEL takes everything away that ADD made, whatever is missing by then.
@Suite(.realKernel) struct DelTests {
    static let types = ["swiftlet", "bridge", "layer 2"]

    static func plugin(_ node: Node, _ type: String) -> JSONValue {
        switch type {
        case "swiftlet": node.swiftlet(Node.dualStack)
        case "bridge": node.gatewayBridge()
        default: node.bridge(ipam: nil)
        }
    }

    /// Attaches, lets something happen, runs DEL in some way, and expects nothing to be left on the node.
    func expectGone(
        _ type: String, version: String = "1.1.0", after happening: (Node, Pod) throws -> Void = { _, _ in },
        _ del: (CNIRuntime, NetworkList, Pod) throws -> Void
    ) throws {
        let node = try Node()
        let (neighbour, pod) = (try node.pod(), try node.pod())
        let list = try node.network(Self.plugin(node, type), version: version)
        _ = try node.runtime().add(list, neighbour.attachment)
        let before = try Snapshot(node, [neighbour])
        _ = try node.runtime().add(list, pod.attachment)
        try happening(node, pod)
        try del(node.runtime(), list, pod)
        expectSame(try Snapshot(node, [neighbour]), as: before, type)
        try node.runtime().check(list, neighbour.attachment)
    }

    @Test(arguments: types) func withTheNamespaceGone(_ type: String) throws {
        try expectGone(type, after: { try $1.end() }) { try $0.del($1, $2.attachment) }
    }

    @Test(arguments: types) func withTheNamespaceReplacedByAFile(_ type: String) throws {
        try expectGone(
            type,
            after: { _, pod in
                try run("umount", pod.path)
            }
        ) { try $0.del($1, $2.attachment) }
    }

    @Test(arguments: types) func withCniNetnsEmptyOrUnset(_ type: String) throws {
        for netns in ["", nil] as [String?] {
            try expectGone(type) { runtime, list, pod in
                try runtime.del(list, pod.with(netns: .some(netns)))
                #expect(try isUntouched(pod))
            }
        }
    }

    @Test(arguments: types) func withoutPrevResult(_ type: String) throws {
        try expectGone(type) { runtime, list, pod in
            var forgetful = runtime
            forgetful.cacheDirectory = nil
            try forgetful.del(list, pod.attachment)
        }
    }

    @Test func withAPrevResultThatIsBroken() throws {
        for broken in [
            #"{"cniVersion":"9.9.9"}"#, #"{"cniVersion":"1.1.0","ips":[{"address":"none"}]}"#,
            #"{"cniVersion":"1.1.0","ips":7}"#,
        ] {
            try expectGone("swiftlet") { runtime, list, pod in
                try runtime.del(list, pod.attachment, prevResult: try JSONValue(parsing: broken))
            }
        }
    }

    @Test(arguments: types) func withNothingAtHand(_ type: String) throws {
        try expectGone(type, after: { try $1.end() }) { runtime, list, pod in
            var forgetful = runtime
            forgetful.cacheDirectory = nil
            try forgetful.del(list, pod.with(netns: .some(nil)))
        }
    }

    @Test(arguments: types) func asOftenAsOneLikes(_ type: String) throws {
        try expectGone(type) { runtime, list, pod in
            for _ in 0..<3 { try runtime.del(list, pod.attachment) }
            try pod.end()
            try runtime.del(list, pod.attachment)
        }
    }

    @Test(arguments: types) func ofWhatWasNeverAdded(_ type: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let before = try Snapshot(node, [pod])
        let runs = try node.runtime().del(node.network(Self.plugin(node, type)), pod.attachment)
        #expect(runs[0].outcome.text == "" && runs[0].outcome.errorText == "")
        expectSame(try Snapshot(node, [pod]), as: before)
    }

    @Test(arguments: types) func withTheBridgeGone(_ type: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(Self.plugin(node, type))
        _ = try node.runtime().add(list, pod.attachment)
        try node.set("link", "del", type == "swiftlet" ? "cbr0" : "cni0")
        try node.runtime().del(list, pod.attachment)
        #expect(try node.veths() == [])
        #expect(try isUntouched(pod))
        #expect(try node.reservations() == [])
    }

    @Test func withTheReservationGone() throws {
        try expectGone(
            "swiftlet",
            after: { node, pod in
                try FileManager.default.removeItem(atPath: node.data + "/net/10.44.0.3")
                try FileManager.default.removeItem(
                    atPath: node.data + "/net/fd00_44__3".replacingOccurrences(of: "_", with: ":"))
            }
        ) { try $0.del($1, $2.attachment) }
    }

    @Test func withTheDataDirectoryGone() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet())
        _ = try node.runtime().add(list, pod.attachment)
        try FileManager.default.removeItem(atPath: node.data)
        try node.runtime().del(list, pod.attachment)
        #expect(try node.veths() == [])
    }

    @Test func theAddressIsFreedEvenIfTheLinkCannotBeRemoved() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet())
        _ = try node.runtime().add(list, pod.attachment)
        let strace = Strace(node)
        // The first thing sent is the question after the link.
        let error = try failure {
            try node.runtime(wrapper: strace.failing("sendto", "EPERM", 1)).del(list, pod.attachment)
        }
        #expect(error.msg.contains("look up link"))
        #expect(try node.reservations() == [])
        try node.runtime().del(list, pod.attachment)
        #expect(try node.veths() == [])
    }

    @Test func theLinkIsRemovedEvenIfTheAddressCannotBeFreed() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet())
        _ = try node.runtime().add(list, pod.attachment)
        let script = #"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#
        let readOnly = node.runtime(wrapper: ["unshare", "--mount", "sh", "-c", script, node.data])
        let error = try failure { try readOnly.del(list, pod.attachment) }
        #expect(error.code == 101)
        #expect(try isUntouched(pod))
        #expect(try node.reservations() == ["10.44.0.2"])
        try node.runtime().del(list, pod.attachment)
        #expect(try node.reservations() == [])
    }

    @Test func ofOneInterfaceLeavesTheOther() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet())
        let second = PodAttachment(containerID: pod.id, netns: pod.path, ifname: "eth1")
        _ = try node.runtime().add(list, pod.attachment)
        _ = try node.runtime().add(
            try node.network(node.swiftlet(["subnet": "10.44.0.0/24", "isDefaultGateway": false])), second)
        try node.runtime().del(list, second)
        #expect(try pod.link("eth0") != nil && pod.link("eth1") == nil)
        try node.runtime().check(list, pod.attachment)
    }

    @Test func theLinkIsGoneWhenItReturns() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet())
        // Before the kernel has freed it, but not before nobody can see it any more.
        for _ in 0..<20 {
            _ = try node.runtime().add(list, pod.attachment)
            try node.runtime().del(list, pod.attachment)
            #expect(try node.veths() == [])
            #expect(try pod.link("eth0") == nil)
        }
    }

    @Test func aLinkOfAnotherOwnerByThatNameIsLeftAlone() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet())
        _ = try node.runtime().add(list, pod.attachment)
        let veth = try node.veths()[0]
        try node.set("link", "set", veth, "alias", "swiftlet other/one/eth0")
        let error = try failure { try node.runtime().del(list, pod.attachment) }
        #expect(error.msg.contains("belongs to swiftlet other/one/eth0"))
        #expect(try node.veths() == [veth])
    }
}
