import ContainerRuntime
import Foundation
import Testing

/// Another boot frees what an earlier one has left, and nothing else does: no restart, no clock, no foreign file.
@Suite(.realKernel) struct RebootTests {
    /// Room for five pods.
    static let small: [String: JSONValue] = ["subnet": "10.44.0.0/29", "capabilities": ["portMappings": true]]

    /// A machine before and after a reboot: the kernel's things are gone, and the disk is the same.
    struct Machine {
        let before: Node
        let after: Node

        init() throws { (before, after) = (try Node(), try Node()) }

        func list(_ name: String = "net") throws -> NetworkList {
            let disk: [String: JSONValue] = ["dataDir": .string(before.data)]
            return try before.network(before.swiftlet(RebootTests.small.merging(disk) { $1 }), name: name)
        }

        /// The runtime keeps its results on the disk too.
        func restarted() throws -> CNIRuntime {
            var runtime = try after.runtime(boot: 2)
            runtime.cacheDirectory = before.directory + "/results"
            return runtime
        }
    }

    @Test func anotherBootFreesStaleReservationsAndNothingElse() throws {
        let machine = try Machine()
        let (before, after) = (machine.before, machine.after)
        let (list, other) = (try machine.list(), try machine.list("other"))
        let first = try before.runtime(boot: 1)
        let old = try before.pods(4)
        for (number, pod) in old.enumerated() {
            _ = try first.add(list, pod.with(ports: hostPort(Int64(8000 + number), .tcp)))
        }
        let elsewhere = try before.pod(ifname: "eth1")
        let kept = try first.add(other, elsewhere.attachment).result.hosts[0]
        try before.reserve("README", "not a reservation")

        // Down and up. Before anything else, the reference makes a reservation.
        for pod in old + [elsewhere] { try pod.end() }
        let second = try machine.restarted()
        let hostLocal = try before.network(
            before.plugin("host-local", ipam: ["subnet": "10.44.0.0/29"]), version: "1.0.0")
        let reference = try after.runtime(path: [Requirements.referenceBin], boot: 2)
        let foreign = PodAttachment(containerID: "foreign", netns: "/run/netns/none", ifname: "eth0")
        let taken = try #require(
            try JSONValue(parsing: reference.run(.add, hostLocal.plugins[0], in: hostLocal, foreign).outcome.stdout)
                .hosts.first)

        // The ports and the addresses of the old ones, for new ones.
        let new = try after.pods(4)
        var addresses: Set<String> = [taken]
        for (number, pod) in new.enumerated() {
            let result = try second.add(list, pod.with(ports: hostPort(Int64(8000 + number), .tcp))).result
            addresses.formUnion(result.hosts)
        }
        #expect(addresses == Set((2...6).map { "10.44.0.\($0)" }))
        #expect(try before.reservation(taken) == "foreign\r\neth0")
        let late = try after.pod()
        #expect(try failure { _ = try second.add(list, late.attachment) }.code == 102)
        #expect(try before.reservation("README") == "not a reservation")
        #expect(try before.reservation(kept, network: "other") == "\(elsewhere.id)\r\neth1")

        // Only now the runtime detaches what it remembers of the last boot, by results that name these addresses.
        for pod in old { try second.del(list, pod.attachment) }
        let server = try Responder("new", in: new[3], 80, [.tcp])
        for (number, pod) in new.enumerated() {
            try second.check(list, pod.with(ports: hostPort(Int64(8000 + number), .tcp)))
            try pod.ping("10.44.0.1")
        }
        expectAnswer(server.name, from: after, "10.44.0.1", 8003)
        try second.gc(list, valid: new.map(\.valid) + [ValidAttachment(containerID: "foreign", ifname: "eth0")])
        #expect(try before.reservations().count == 6)

        // The other network's turn comes with its first operation.
        try second.del(other, PodAttachment(containerID: "nobody", netns: nil))
        #expect(try before.reservations("other") == [])
    }

    @Test func aRestartOfTheRuntimeFreesNothing() throws {
        let node = try Node()
        let list = try node.network(node.swiftlet(Self.small))
        let pods = try node.pods(5)
        let attachments = pods.enumerated().map { $1.with(ports: hostPort(Int64(8000 + $0), .tcp)) }
        let results = try attachments.map { try node.runtime(boot: 1).add(list, $0).result }
        let late = try node.pod()
        let before = try Snapshot(node, pods + [late])
        // A new one, which has forgotten all results.
        var restarted = try node.runtime(boot: 1)
        restarted.cacheDirectory = node.directory + "/new"
        try restarted.status(list)
        #expect(try failure { _ = try restarted.add(list, late.attachment) }.code == 102)
        try restarted.gc(list, valid: pods.map(\.valid))
        for (attachment, result) in zip(attachments, results) {
            try restarted.check(list, attachment, prevResult: result)
        }
        expectSame(try Snapshot(node, pods + [late]), as: before, allowingTables: false)
        for attachment in attachments { try restarted.del(list, attachment) }
        try node.expectNoRules()
    }

    /// Seconds since 1970: the beginning, the moment of the store's seal, and 2100.
    @Test(arguments: [0, 410_227_200, 4_102_444_800]) func timesOfFilesDecideNothing(_ time: Int) throws {
        let node = try Node()
        let list = try node.network(node.swiftlet(Self.small))
        let runtime = node.runtime()
        let pods = try node.pods(4)
        let attachments = pods.enumerated().map { $1.with(ports: hostPort(Int64(8000 + $0), .tcp)) }
        func setTimes() throws {
            try node.shell(
                #"[ ! -e "$3" ] || find "$2" "$3" -exec touch -h -d "@$1" {} +"#, "\(time)", node.data, node.records())
        }
        var addresses = try attachments.prefix(2).flatMap { try runtime.add(list, $0).result.hosts }
        try setTimes()
        try runtime.check(list, attachments[0])
        try setTimes()
        addresses += try runtime.add(list, attachments[2]).result.hosts
        try setTimes()
        try runtime.del(list, attachments[0])
        try setTimes()
        try runtime.gc(list, valid: [pods[2].valid])
        #expect(try node.reservations() == [addresses[2]])
        try setTimes()
        try runtime.check(list, attachments[2])
        addresses += try runtime.add(list, attachments[3]).result.hosts
        #expect(Set(addresses).count == 4)
        try setTimes()
        for attachment in attachments { try runtime.del(list, attachment) }
        try node.expectNoRules()
    }

    @Test func aClockThatJumpsBackADayChangesNothing() throws {
        let node = try Node()
        let list = try node.network(node.swiftlet(Self.small))
        let tomorrow = node.runtime(wrapper: ["unshare", "--time", "--boottime", "86400", "--monotonic", "86400"])
        let pods = try node.pods(3)
        let attachments = pods.enumerated().map { $1.with(ports: hostPort(Int64(8000 + $0), .tcp)) }
        for attachment in attachments.prefix(2) { _ = try tomorrow.add(list, attachment) }
        let before = try Snapshot(node, pods)
        let today = node.runtime()
        for attachment in attachments.prefix(2) { try today.check(list, attachment) }
        try today.gc(list, valid: pods.map(\.valid))
        expectSame(try Snapshot(node, pods), as: before, allowingTables: false)
        _ = try today.add(list, attachments[2])
        #expect(try node.reservations().count == 3)
        for attachment in attachments.reversed() { try today.del(list, attachment) }
        try node.expectNoRules()
    }

    @Test func reservationsOfOldReleasesAndOfTheReferenceAreKeptAndFreedLikeOurOwn() throws {
        let node = try Node()
        let hostLocal = try node.network(node.plugin("host-local", ipam: ["subnet": "10.44.0.0/29"]), version: "1.0.0")
        let foreign = PodAttachment(containerID: "foreign", netns: "/run/netns/none", ifname: "eth0")
        _ = try node.runtime(path: [Requirements.referenceBin]).add(hostLocal, foreign)
        // Old releases wrote the container's ID alone, with or without an end of line.
        try node.reserve("10.44.0.3", "old")
        try node.reserve("10.44.0.4", "older\n")
        let list = try node.network(node.swiftlet(Self.small))
        let pods = try node.pods(3)
        #expect(try node.runtime().add(list, pods[0].attachment).result.hosts == ["10.44.0.5"])
        #expect(try node.runtime().add(list, pods[1].attachment).result.hosts == ["10.44.0.6"])
        #expect(try failure { _ = try node.runtime().add(list, pods[2].attachment) }.code == 102)
        let valid = ["foreign", "older"].map { ValidAttachment(containerID: $0, ifname: "eth0") }
        try node.runtime().gc(list, valid: [pods[0].valid] + valid)
        #expect(try node.reservations() == ["10.44.0.2", "10.44.0.4", "10.44.0.5"])
        for id in ["foreign", "older"] {
            try node.runtime().del(list, PodAttachment(containerID: id, netns: nil))
        }
        #expect(try node.reservations() == ["10.44.0.5"])
    }
}
