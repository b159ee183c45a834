import ContainerRuntime
import Foundation
import Testing

/// What the pods of a network share, masquerade and isolation, is there for as long as somebody needs it, whoever else
/// comes and goes, and whatever happens to the records.
@Suite(.realKernel) struct SharedRulesTests {
    let node: Node

    init() throws { node = try Node() }

    /// A network whose pods have nothing of their own in the rules; two of one number are on the same bridge and subnet.
    func network(_ name: String, _ number: Int = 1) throws -> NetworkList {
        try node.network(
            node.swiftlet([
                "bridge": .string("cbr\(number)"), "ipMasq": true, "ingressPolicy": "same-bridge",
                // Each has half of the subnet.
                "ranges": [
                    [
                        [
                            "subnet": .string("10.\(number).0.0/24"),
                            "rangeStart": .string("10.\(number).0.\(name < "net-2" ? 2 : 100)"),
                            "rangeEnd": .string("10.\(number).0.\(name < "net-2" ? 99 : 200)"),
                        ]
                    ]
                ],
            ]), name: name)
    }

    func ctl(_ arguments: String...) throws -> String {
        try run(["nsenter", "--net=\(node.path)", "\(Requirements.bin)/swiftletctl"] + arguments)
    }

    func damageRecord(of pod: Pod, _ command: String) throws {
        let file = try #require(try node.recordPaths().first { $0.hasSuffix("/\(pod.id):eth0") })
        try node.shell(command, "\(node.records())/\(file)")
    }

    @Test func theLastPodsOfTwoNetworksLeaveAtOnceWithoutATrace() throws {
        let pods = try node.pods(2)
        let lists = try [network("net-1", 1), network("net-2", 2)]
        for _ in 0..<25 {
            for (list, pod) in zip(lists, pods) { _ = try node.runtime().add(list, pod.attachment) }
            for result in inParallel(2, { try node.runtime().del(lists[$0], pods[$0].attachment) }) {
                _ = try result.get()
            }
            try #require(try node.ruleset().own.map(\.description) == [])
        }
    }

    /// Its elements are there already when it comes, and just about to be taken away.
    @Test func aPodThatComesWhileAnotherNetworkEndsHasItsRules() throws {
        let pods = try node.pods(2)
        let (first, second) = try (network("net-1"), network("net-2"))
        _ = try node.runtime().add(first, pods[0].attachment)
        // The last message before the record goes is the batch.
        let strace = Strace(node)
        try node.runtime(wrapper: strace.tracing("sendto,unlinkat,unlink")).del(first, pods[0].attachment)
        let calls = try strace.lines().prefix { !$0.contains("\(pods[0].id):eth0") }
        let batch = calls.count { $0.contains(" sendto(") }
        try #require(batch > 2)

        _ = try node.runtime().add(first, pods[0].attachment)
        let injector = FaultInjector(node)
        let holding = try injector.holding("sendto", batch)
        let (isDeleting, hasAdded) = (Flag(), Flag())
        let results = inParallel(3) { number in
            switch number {
            case 0: try node.runtime(wrapper: holding).del(first, pods[0].attachment)
            case 1:
                defer { hasAdded.raise() }
                try eventually("DEL is about to send its batch") { isDeleting.isRaised }
                _ = try node.runtime().add(second, pods[1].attachment)
            default:
                try injector.whileHeld {
                    isDeleting.raise()
                    try eventually("ADD waits for DEL, or does not") {
                        try hasAdded.isRaised || LockHolders.processes(of: node, waiting: true).count > 0
                    }
                }
            }
        }
        for result in results { try result.get() }
        try node.runtime().check(second, pods[1].attachment)
        #expect(try Set(node.ruleset().own.map(\.owner)) == ["net-2"])
    }

    @Test func whatAnotherNetworkCountsOnStaysWhenItsMakerEnds() throws {
        let pods = try node.pods(2)
        let (first, second) = try (network("net-1"), network("net-2"))
        _ = try node.runtime().add(first, pods[0].attachment)
        _ = try node.runtime().add(second, pods[1].attachment)
        try damageRecord(of: pods[0], #"rm "$1""#)
        try node.runtime().gc(first, valid: [])
        try node.runtime().check(second, pods[1].attachment)
        #expect(try Set(node.ruleset().own.map(\.owner)) == ["net-2"])
    }

    @Test(arguments: [#"truncate -s 20 "$1""#, #": >"$1""#, #"echo [] >"$1""#, #"ln -sf /dev/null "$1""#])
    func anUnreadableRecordTakesNothingFromLivingPods(_ damage: String) throws {
        let pods = try node.pods(2)
        let lists = try [network("net-1", 1), network("net-2", 2)]
        for (list, pod) in zip(lists, pods) { _ = try node.runtime().add(list, pod.attachment) }
        let shared = try node.ownElements(of: "net-1")
        #expect(shared.count == 4)
        try damageRecord(of: pods[0], damage)
        try node.runtime().del(lists[1], pods[1].attachment)
        #expect(try node.ownElements(of: "net-1") == shared)
        #expect(try node.ownElements(of: "net-2") == [])
        #expect(throws: (any Error).self) { try ctl("repair") }
        #expect(try node.ownElements(of: "net-1") == shared)
        try node.runtime().del(lists[0], pods[0].attachment)
        #expect(try node.ruleset().own.map(\.description) == [] && node.recordPaths() == [])
    }

    @Test func livingPodsKeepWhatTheyShareThoughAllRecordsAreGone() throws {
        let pods = try node.pods(2)
        let list = try network("net-1")
        for pod in pods { _ = try node.runtime().add(list, pod.attachment) }
        let shared = try node.ownElements(of: "net-1")
        try FileManager.default.removeItem(atPath: node.records())
        try node.runtime().gc(list, valid: pods.map(\.valid))
        _ = try ctl("repair")
        #expect(try node.ownElements(of: "net-1") == shared && shared.count == 4)
        try node.runtime().gc(list, valid: [])
        #expect(try node.ruleset().own.map(\.description) == [])
    }

    @Test func otherFilesAmongTheRecordsAreNoRecords() throws {
        let pods = try node.pods(2)
        let lists = try [network("net-1", 1), network("net-2", 2)]
        for (list, pod) in zip(lists, pods) { _ = try node.runtime().add(list, pod.attachment) }
        for place in ["", "/net-1", "/net-1/swiftlet"] {
            try node.shell(#"echo >"$1/README""#, "\(node.records())\(place)")
        }
        _ = try ctl("repair")
        for (list, pod) in zip(lists, pods) {
            try node.runtime().check(list, pod.attachment)
            try node.runtime().gc(list, valid: [pod.valid])
            try node.runtime().del(list, pod.attachment)
        }
        #expect(try node.ruleset().own.map(\.description) == [])
        #expect(try node.recordPaths().filter { $0.contains(":") } == [])
    }

    /// Packets for 127.0.0.0/8 come in by the bridge since somebody had a host port there.
    @Test func nobodyReachesTheNodesLoopbackAfterAFlush() throws {
        let pod = try node.pod()
        let list = try HealingTests.network(node)
        _ = try node.runtime().add(list, pod.with(ports: hostPorts(8080)))
        try node.runtime().del(list, pod.attachment)
        #expect(try node.sysctl("ipv4/conf/cbr0/route_localnet") == "1")
        let guardTable = try node.exec("nft", "list", "table", "ip", "swiftlet")
        try node.exec("nft", "flush", "ruleset")
        #expect(throws: (any Error).self) { try ctl("rules", "--check") }
        _ = try node.runtime().add(list, pod.attachment)
        #expect(try node.exec("nft", "list", "table", "ip", "swiftlet") == guardTable)
        try node.exec("nft", "delete", "table", "ip", "swiftlet")
        #expect(throws: (any Error).self) { try ctl("rules", "--check") }
        #expect(try ctl("repair").contains("127.0.0.0/8"))
        #expect(try node.exec("nft", "list", "table", "ip", "swiftlet") == guardTable)
        _ = try ctl("rules", "--check")
    }

    @Test(arguments: ["inet swiftlet", "ip swiftlet", "inet swiftlet_isolation", "bridge swiftlet"])
    func aTableThatIsSwitchedOffIsFoundAndSwitchedOn(_ table: String) throws {
        let pod = try node.pod()
        let list = try HealingTests.network(node)
        _ = try node.runtime().add(list, pod.with(ports: hostPorts(8080)))
        try node.nft("add table \(table) { flags dormant; }")
        let error = try failure { try node.runtime().check(list, pod.with(ports: hostPorts(8080))) }
        #expect(error.code == 104 && error.msg.contains("table \(table) is switched off"), "\(error)")
        #expect(try ctl("repair").contains("switched off"))
        try node.runtime().check(list, pod.with(ports: hostPorts(8080)))
        #expect(try !node.exec("nft", "list", "table", "inet", "swiftlet").contains("dormant"))
    }

    @Test func missingTablesThatPodsNeedAreDifferences() throws {
        let pod = try node.pod()
        _ = try node.runtime().add(try network("net-1"), pod.attachment)
        _ = try ctl("rules", "--check")
        try node.exec("nft", "delete", "table", "inet", "swiftlet_isolation")
        let error = try #require(throws: CommandError.self) { try ctl("rules", "--check") }
        #expect("\(error)".contains("inet swiftlet_isolation"), "\(error)")
    }

    /// `repair` has seen its record, and DEL comes before it acts.
    @Test func repairBringsNobodyBack() throws {
        let pods = try node.pods(2)
        let list = try HealingTests.network(node)
        for (pod, port) in zip(pods, [8080, 8081] as [Int64]) {
            _ = try node.runtime().add(list, pod.with(ports: hostPorts(port)))
        }
        try node.exec("nft", "flush", "ruleset")
        let injector = FaultInjector(node)
        let holding = try injector.holding("flock", 1)
        let results = inParallel(2) { number in
            if number == 0 {
                return try run(
                    ["nsenter", "--net=\(node.path)"] + holding + ["\(Requirements.bin)/swiftletctl", "repair"])
            }
            try injector.whileHeld { for pod in pods { try node.runtime().del(list, pod.attachment) } }
            return ""
        }
        #expect(try !results[0].get().contains("net/"))
        _ = try results[1].get()
        #expect(try node.ruleset().own.map(\.description) == [] && node.recordPaths() == [])
    }
}
