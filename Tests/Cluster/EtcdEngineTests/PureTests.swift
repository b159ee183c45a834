import Addresses
import ClusterEngine
import ClusterState
import EngineHTTP
import Foundation
import Testing

@testable import EtcdEngine

@Suite struct SubnetRangeTests {
    @Test func everySubnetIsInsideAndFoundAgain() {
        for range in [range("10.244.0.0/16", 24), range("fd00::/48", 54), range("10.0.0.0/24", 24)] {
            var seen: Set<CIDR> = []
            for index in 0..<range.count {
                let subnet = range.subnet(index)
                #expect(range.index(of: subnet) == index && range.range.contains(subnet.last))
                seen.insert(subnet)
            }
            #expect(seen.count == Int(range.count))
        }
    }

    @Test func theLastOfTwoToTheSixtyFourthIsReached() {
        let large = range("fd00::/48", 112)
        #expect(large.subnet(large.count - 1) == CIDR("fd00::ffff:ffff:ffff:ffff:0/112")!)
    }

    @Test func whatIsNoneOfItsSubnetsHasNoIndex() {
        let range = range("10.244.0.0/16", 24)
        for text in ["10.245.0.0/24", "10.244.0.0/25", "10.244.0.1/24", "fd00::/24"] {
            #expect(range.index(of: CIDR(text)!) == nil)
        }
    }

    @Test func theLastFreeSubnetIsFoundFromAnywhereAndAFullRangeHasNone() {
        let range = range("10.0.0.0/28", 32)
        for free in 0..<UInt128(16) {
            let taken = Set((0..<UInt128(16)).filter { $0 != free })
            for start in [0, 3, 15, UInt64.max] {
                #expect(range.free(from: start, taken: taken) == range.subnet(free))
            }
        }
        #expect(range.free(from: 5, taken: Set(0..<16)) == nil)
    }

    @Test func rangesThatCannotBeDividedAreRefused() {
        for (text, length) in [("10.0.0.1/16", 24), ("10.0.0.0/16", 15), ("10.0.0.0/16", 33), ("fd00::/16", 128)] {
            #expect(throws: EngineFailure.self) { try SubnetRange(CIDR(text)!, subnetLength: length) }
        }
    }
}

@Suite struct SubnetChoiceTests {
    @Test func whatANodeHadComesFirstIfItIsASubnetOfTheRange() {
        let ranges = [range("10.244.0.0/16", 24), range("fd00::/48", 64)]
        let wishes = ["10.9.9.0/24", "10.244.7.0/24", "fd00:0:0:5::/64", "10.244.8.0/24"].map { CIDR($0)! }
        #expect(SubnetChoice(ranges, node: "n", wishes: wishes).chosen == [wishes[1], wishes[2]])
    }

    @Test func withoutWishesTheFirstChoiceFollowsFromTheNameAndSpreads() {
        let ranges = [range("10.0.0.0/8", 24)]
        func choice(_ name: String) -> CIDR { SubnetChoice(ranges, node: name, wishes: []).chosen[0] }
        #expect(choice("node-1") == choice("node-1"))
        #expect(Set((0..<1000).map { choice("node-\($0)") }).count > 950)
    }

    @Test func aTakenSubnetIsReplacedByAFreeOneUntilThereIsNone() {
        var choice = SubnetChoice([range("10.0.0.0/22", 24)], node: "n", wishes: [])
        var taken: Set<CIDR> = []
        for _ in 0..<3 {
            taken.insert(choice.chosen[0])
            let hasFree = choice.replace(choice.chosen[0], taken: taken)
            #expect(hasFree)
            #expect(!taken.contains(choice.chosen[0]))
        }
        taken.insert(choice.chosen[0])
        let hasFree = choice.replace(choice.chosen[0], taken: taken)
        #expect(!hasFree)
    }
}

@Suite struct RecordTests {
    @Test func recordsAreReadAsWrittenAndSameValuesGiveSameOctets() throws {
        let addresses = [IPAddress("192.0.2.1")!, IPAddress("2001:db8::1")!]
        let subnets = [CIDR("10.244.3.0/24")!]
        let record = NodeRecord("n", addresses, subnets, instance: "i", identity: "m")
        #expect(record.encoded == record.encoded)
        let node = try NodeRecord(record.encoded).node(named: "n", age: 7)
        #expect(node == ClusterNode("n", addresses: addresses, subnets: subnets, age: 7))
    }

    @Test func fieldsOfLaterVersionsAreIgnoredAndUnknownVersionsRefused() throws {
        #expect(try SubnetRecord(Data(#"{"version":1,"node":"n","new":[1]}"#.utf8)).node == "n")
        #expect(throws: BadRecord.self) { try SubnetRecord(Data(#"{"version":2,"node":"n"}"#.utf8)) }
    }

    @Test(arguments: [
        "", "x", "[]", "{}", "null", #"{"version":"1"}"#, #"{"version":1}"#, #"{"version":1,"name":5}"#,
        #"{"version":1e99}"#, String(repeating: "[", count: 60000), String(repeating: " ", count: 70000),
    ])
    func garbageIsNoRecord(_ text: String) {
        #expect(throws: BadRecord.self) { try NodeRecord(Data(text.utf8)) }
    }

    @Test func addressesAndSubnetsThatAreNoneMakeARecordBad() throws {
        var record = NodeRecord("n", [], [], instance: "", identity: "")
        #expect(throws: BadRecord.self) { try record.node(named: "other", age: 0) }
        record.addresses = ["192.0.2"]
        #expect(throws: BadRecord.self) { try record.node(named: "n", age: 0) }
        record.addresses = []
        record.subnets = ["10.0.0.1/24"]
        #expect(throws: BadRecord.self) { try record.node(named: "n", age: 0) }
        record.subnets = Array(repeating: "10.0.0.0/24", count: 100)
        #expect(throws: BadRecord.self) { try record.node(named: "n", age: 0) }
    }

    @Test func theOrderOfRangesMakesNoDifference() {
        let ranges = [range("10.244.0.0/16", 24), range("fd00::/48", 64)]
        #expect(NetworkConfiguration(ranges) == NetworkConfiguration(ranges.reversed()))
        #expect(throws: EngineFailure.self) { try NetworkConfiguration([]).check() }
        #expect(throws: EngineFailure.self) {
            try NetworkConfiguration([range("10.0.0.0/8", 24), range("10.1.0.0/16", 24)]).check()
        }
    }
}

@Suite struct EtcdSettingsTests {
    private func settings(_ server: String = "https://192.0.2.1:2379") -> EtcdSettings {
        EtcdSettings(EngineAccess([server]), network: "net", node: "n", ranges: [range("10.244.0.0/16", 24)])
    }

    @Test func usualSettingsAreValid() throws {
        try settings().validate()
        try settings("http://[2001:db8::1]:2379").validate()
    }

    @Test(arguments: ["", "192.0.2.1:2379", "https://", "https://192.0.2.1:2379/", "ftp://192.0.2.1"])
    func whatIsNoClientURLIsRefused(_ server: String) {
        #expect(throws: EngineFailure.self) { try settings(server).validate() }
    }

    @Test func valuesThatCannotBeAreRefused() {
        for change: @Sendable (inout EtcdSettings) -> Void in [
            { $0.network = "a/b" }, { $0.node = "" }, { $0.ranges = [] }, { $0.claimSeconds = 5 },
            { $0.presenceSeconds = 1 }, { $0.user = "u" }, { $0.access.servers = [] },
        ] {
            var settings = settings()
            change(&settings)
            #expect(throws: EngineFailure.self) { try settings.validate() }
        }
    }
}

@Suite struct EtcdKeysTests {
    let keys = EtcdKeys(network: "net")

    @Test func subnetsStandInOneLevelAndAreReadBack() {
        for text in ["10.244.3.0/24", "fd00:1:2:3::/64", "::/0"] {
            let subnet = CIDR(text)!
            let key = keys.subnet(subnet)
            #expect(!key.dropFirst(keys.subnets.count).contains("/"))
            #expect(keys.subnet(ofKey: key) == subnet)
        }
        for text in ["", "10.0.0.0", "10.0.0.1-24", "10.0.0.0-33", "a/10.0.0.0-24", "10.0.0.0-"] {
            #expect(keys.subnet(ofKey: keys.subnets + text) == nil)
        }
    }

    @Test func namesThatCouldLeaveTheirFolderAreNone() {
        for name in ["", "..", ".hidden", "a/b", "a b", "ä", "a\n", String(repeating: "a", count: 254)] {
            #expect(!EtcdKeys.isName(name))
            #expect(keys.nodeName(keys.nodes + name) == nil)
        }
        #expect(keys.nodeName(keys.node("node-1.example_net")) == "node-1.example_net")
    }

    @Test func thePrefixEndsBeforeTheNextFolder() {
        #expect(EtcdClient.end(ofPrefix: "/a/") == Array("/a0".utf8))
    }
}

@Suite struct ClaimCertaintyTests {
    @Test func certaintyEndsBeforeTheLeaseCountedFromTheRequest() {
        let asked = ContinuousClock.now
        let certainty = ClaimCertainty(asked: asked, seconds: 600)
        #expect(certainty.holds(at: asked))
        #expect(certainty.holds(at: asked + .seconds(590)))
        #expect(!certainty.holds(at: asked + .seconds(599)))
    }

    @Test func leasesAreRenewedSeveralTimesBeforeTheyEndAndAtLeastEachMinute() {
        #expect(ClaimCertainty.interval(4) == .seconds(1))
        #expect(ClaimCertainty.interval(86400) == .seconds(60))
    }
}

@Suite struct EventOutletTests {
    private func events(_ work: (EventOutlet) -> Void) async -> [EngineEvent] {
        let outlet = EventOutlet()
        work(outlet)
        outlet.send(.removed("end"))
        var events: [EngineEvent] = []
        for await event in outlet.events {
            if event == .removed("end") { break }
            events.append(event)
        }
        return events
    }

    private let slow = EngineFailure(.slow, "slow")
    private let gone = EngineFailure(.gone, "gone")

    @Test func aTroubleIsToldOnceAndItsEndWhenNoOtherIsLeft() async {
        let told = await events { outlet in
            outlet.trouble(slow, in: .claim)
            outlet.trouble(slow, in: .claim)
            outlet.trouble(gone, in: .watch)
            outlet.fine(.watch)
            outlet.certain()
            outlet.certain()
        }
        #expect(told == [.trouble(slow), .trouble(gone), .recovered])
    }

    @Test func oneCauseThatSeveralPartsSufferFromIsToldOnce() async {
        let told = await events { outlet in
            outlet.trouble(slow, in: .claim)
            outlet.trouble(slow, in: .watch)
            outlet.fine(.watch)
            outlet.certain()
        }
        #expect(told == [.trouble(slow), .recovered])
    }

    @Test func theEndOfDoubtIsToldAlthoughAnotherTroubleGoesOn() async {
        let told = await events { outlet in
            outlet.trouble(gone, in: .entries)
            outlet.doubt(slow)
            outlet.fine(.watch)
            outlet.certain()
            outlet.fine(.entries)
        }
        #expect(told == [.trouble(gone), .claimInDoubt(slow), .recovered, .trouble(gone), .recovered])
    }
}

@Suite struct NodeTableTests {
    private func entry(_ node: ClusterNode, _ modified: Int64, instance: String = "other") -> NodeTable.Entry {
        NodeTable.Entry(name: node.name, modified: modified, record: .success((node, instance)))
    }

    @Test func onlyRealChangesAreToldAndForeignEntriesUnderThisNamesAreNotTakenForThisNodes() async {
        let outlet = EventOutlet()
        let table = NodeTable(own: "me", instance: "mine", outlet)
        let me = ClusterNode("me", addresses: [], subnets: [CIDR("10.0.1.0/24")!])
        let other = ClusterNode("other", addresses: [], subnets: [CIDR("10.0.2.0/24")!])
        let stranger = ClusterNode("me", addresses: [], subnets: [CIDR("10.0.3.0/24")!])
        table.wrote(me, at: 5)
        #expect(!table.replace([entry(me, 5, instance: "mine"), entry(other, 4)], at: 5))
        #expect(!table.change(entry(other, 6)))
        #expect(table.change(entry(stranger, 7)))
        #expect(table.change(NodeTable.Entry(name: "me", modified: 8)))
        #expect(!table.change(NodeTable.Entry(name: "me", modified: 3)))
        #expect(!table.change(entry(me, 8, instance: "mine")))
        #expect(!table.change(NodeTable.Entry(name: "other", modified: 9)))
        #expect(!table.replace([entry(me, 10, instance: "mine")], at: 10))
        outlet.send(.recovered)
        var told: [EngineEvent] = []
        for await event in outlet.events {
            if event == .recovered { break }
            told.append(event)
        }
        #expect(told == [.nodes([me, other]), .removed("other")])
    }
}
