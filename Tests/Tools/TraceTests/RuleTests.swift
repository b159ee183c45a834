import Addresses
import Inventory
import ListedRules
import NetlinkCodec
import PacketRules
import Testing

@testable import Trace

/// Rules decide as the kernel's do, and what they cannot decide from here is said.
@Suite struct RuleTests {
    private let mark5: [UInt8] = [5, 0, 0, 0]

    /// From the first pod to the node, whose rules these are.
    func report(_ rules: ListedRules, pod: ListedRules = ListedRules()) throws -> Report {
        var world = FakeWorld()
        world.rulesets = [0: rules.ruleset, 1: pod.ruleset]
        return try Report(Question(from: world.endpoint(1), to: world.endpoint(0, port: 80)), in: world)
    }

    /// From the first pod to a port of the node that is the second pod's.
    func published(_ rules: ListedRules) throws -> Report {
        try report(
            rules.chain(
                .prerouting, type: "nat", priority: -100, .header(16, 4), .equal(IPAddress("10.44.0.1")!.bytes),
                .value(IPAddress("10.44.0.3")!.bytes), .destinationNAT
            ).chain(.postrouting, type: "nat", priority: 100, .masquerade))
    }

    func remarks(_ report: Report) -> [String] { (report.hops + report.answer).flatMap { $0.remarks } }

    @Test func connectionTrackingLooksAtItsOwnPriority() throws {
        func arrives(_ priority: Int32, _ state: UInt8) throws -> Bool {
            try report(
                ListedRules().chain(
                    .prerouting, priority: priority, .tracked(.state), .equal([state, 0, 0, 0]), .drop)
            ).arrives
        }
        #expect(try !arrives(-300, 1), "it has not looked yet")
        #expect(try arrives(-150, 1))
        #expect(try arrives(-300, 8))
        #expect(try !arrives(-150, 8))
    }

    @Test func whatIsNotTrackedHasNoStateAndIsNotRewritten() throws {
        let untracked = ListedRules().chain(.prerouting, priority: -300, .noTrack)
        #expect(try report(untracked).arrives)
        #expect(try !report(untracked.chain(.input, .tracked(.state), .equal([64, 0, 0, 0]), .drop)).arrives)
        #expect(try published(ListedRules()).verdict.contains("delivered to two"))
        #expect(try published(untracked).verdict.contains("delivered to node"))
    }

    @Test func anAnswerIsPutBackWhereTheKernelDoesIt() throws {
        func rule(_ priority: Int32) -> ListedRules {
            ListedRules().chain(
                .prerouting, priority: priority, .header(16, 4), .equal(IPAddress("10.44.0.2")!.bytes), .drop)
        }
        #expect(try published(rule(-300)).arrives)
        #expect(try published(rule(-101)).arrives)
        #expect(try published(rule(-50)).verdict.contains("the answer stops in node"))
    }

    @Test func anAnswerHasTheMarkOfItsConnection() throws {
        let marking = ListedRules().chain(.prerouting, priority: -150, .value(mark5), .setConnectionMark)
        #expect(try !report(marking.chain(.input, .tracked(.mark), .equal(mark5), .drop)).arrives)
        let answer = try report(marking.chain(.output, .tracked(.mark), .equal(mark5), .drop))
        #expect(answer.verdict.contains("the answer stops in node"))
        let early = ListedRules().chain(.prerouting, priority: -300, .value(mark5), .setConnectionMark)
        #expect(try report(early.chain(.input, .tracked(.mark), .equal(mark5), .drop)).arrives)
    }

    @Test func aMarkEndsWithItsNamespace() throws {
        let marking = ListedRules().chain(.output, .value(mark5), .setMark)
        let dropping = ListedRules().chain(.prerouting, .load(.mark), .equal(mark5), .drop)
        #expect(try report(dropping, pod: marking).arrives)
        let own = marking.chain(.postrouting, .load(.mark), .equal(mark5), .drop)
        #expect(try !report(ListedRules(), pod: own).arrives)
    }

    @Test func onlyChainsOfTypeRouteRouteAgain() throws {
        for (type, arrives) in [("filter", true), ("route", false)] {
            var world = FakeWorld()
            world.refusedMark = 5
            world.rulesets[1] =
                ListedRules().chain(.output, type: type, priority: -150, .value(mark5), .setMark).ruleset
            let report = try Report(Question(from: world.endpoint(1), to: world.endpoint(0, port: 80)), in: world)
            #expect(report.arrives == arrives, "\(type)")
        }
    }

    @Test func whatRulesAddToASetIsNotKnownLater() throws {
        let rules = ListedRules().set("seen")
        let dropping = rules.chain(.input, .header(12, 4), .isIn("seen"), .drop)
        #expect(try report(dropping).arrives && remarks(report(dropping)).isEmpty)
        let adding = rules.chain(.prerouting, .header(12, 4), .update("seen", .limit(over: false)))
        let both = adding.chain(.input, .header(12, 4), .isIn("seen"), .drop)
        #expect(try remarks(report(both)).contains { $0.contains("looks into seen") })
        // The answer's way knows it too.
        let answer = adding.chain(.output, .header(16, 4), .isIn("seen"), .drop)
        #expect(try remarks(report(answer)).contains { $0.contains("looks into seen") })
    }

    @Test func whatIsForwardedHasPassedARouter() throws {
        func forwarded(_ limit: UInt8) throws -> Bool {
            try published(ListedRules().chain(.forward, .header(8, 1), .equal([limit]), .drop)).arrives
        }
        #expect(try !forwarded(63))
        #expect(try forwarded(64))
        #expect(try !report(ListedRules().chain(.input, .header(8, 1), .equal([64]), .drop)).arrives)
    }

    @Test func whatGoesToItselfGoesOutAndComesIn() throws {
        func report(_ rules: ListedRules) throws -> Report {
            var world = FakeWorld()
            world.spaces[0].append(Interface(index: 1, name: "lo"))
            world.rulesets[0] = rules.ruleset
            let node = Endpoint(.node, name: "node", place: 0, addresses: [IPAddress("10.44.0.1")!], port: 80)
            return try Report(Question(from: node, to: node), in: world)
        }
        #expect(try report(ListedRules()).arrives)
        for point in [NftChain.Point.postrouting, .prerouting] {
            #expect(try !report(ListedRules().chain(point, .drop)).arrives)
        }
        // By lo it is the same connection still: nothing is rewritten that was decided when it was sent.
        let late = ListedRules().chain(
            .prerouting, type: "nat", .value(IPAddress("10.44.0.3")!.bytes), .destinationNAT)
        #expect(try report(late).verdict.contains("delivered to node"))
        let state = ListedRules().chain(.prerouting, priority: -300, .tracked(.state), .equal([1, 0, 0, 0]), .drop)
        #expect(try report(state).arrives)
    }

    @Test func whatIsForwardedStillHasItsWayIn() throws {
        let name = Array("cbr0".utf8) + [UInt8](repeating: 0, count: 12)
        let rules = ListedRules().chain(.postrouting, .load(.inputInterfaceName), .equal(name), .drop)
        #expect(try !published(rules).arrives)
        #expect(try report(rules).arrives, "the node's own answer has none")
    }

    @Test func masqueradingTakesTheAddressThatFitsTheNextHop() throws {
        var world = FakeWorld()
        world.spaces[0][0].addresses.insert(CIDR("192.0.2.9/24")!, at: 0)
        world.rulesets[0] = ListedRules().chain(.postrouting, type: "nat", .masquerade).ruleset
        world.routes[0] = [(CIDR("10.44.0.0/24")!, RouteAnswer(interface: 2, source: IPAddress("192.0.2.9")!))]
        let report = try Report(
            Question(
                from: Endpoint(.node, name: "node", place: 0, addresses: [IPAddress("192.0.2.9")!]),
                to: world.endpoint(2, port: 80)), in: world)
        #expect(report.hops.contains { $0.text.hasPrefix("source becomes 10.44.0.1 ") })
    }

    @Test func rulesThatNobodyLooksAtAreNamed() throws {
        var world = FakeWorld()
        world.rulesets[2] = Ruleset()
        world.rulesets[2]?.tablesOfARP = ["guard"]
        let report = try Report(Question(from: world.endpoint(1), to: world.endpoint(2, port: 80)), in: world)
        #expect(remarks(report).contains { $0.contains("table arp guard in two") })
    }
}
