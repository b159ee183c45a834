import Addresses
import IPAM
import Inventory
import InventorySupport
import Posix
import Reclaiming
import Testing

@Suite struct ReclaimTests {
    /// What is gone for certain is freed once it is old enough that no ADD can be at work on it; what lives, never.
    @Test(arguments: [0, 59, 60, 61, 3600])
    func whatIsGoneIsChosenByItsAge(_ grace: Int) {
        var node = MadeUpNode()
        for number in 1...4 { node.attach(number) }
        node.end(2)
        node.end(3)
        // One that only a reservation tells of, made a minute ago like the others.
        node.reserve(5)
        let reclaim = Reclaim(node.snapshot, grace: grace)
        let gone = [2, 3, 5].map { MadeUpNode.id($0) }
        #expect(reclaim.chosen.map(\.id) == (grace <= 60 ? gone : []))
        #expect(reclaim.recent.map(\.id) == (grace <= 60 ? [] : gone))
    }

    /// No plugin makes a link or a directory in a reservation's place, and none takes it away.
    @Test func whatIsNoFileIsNotFreed() {
        var node = MadeUpNode()
        let time = Timestamp(seconds: MadeUpNode.now - 600, nanoseconds: 0)
        node.seen.stores[0].reservations = [3, 4].map {
            ListedReservation(
                Reservation(unit: .host(MadeUpNode.address($0)), owner: nil), time: time, isOfEarlierBoot: false)
        }
        node.seen.stores[0].notFiles = [.host(MadeUpNode.address(4))]
        #expect(Reclaim(node.snapshot, grace: 0).chosen.map(\.reserved) == [[.host(MadeUpNode.address(3))]])
    }
}
