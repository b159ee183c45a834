import Addresses
import Attachments
import IPAM
import InventorySupport
import Posix
import Testing

@testable import Inventory

/// What the kernel shows of a pod that lives outranks a file: its address is not taken for what somebody else has left.
@Suite struct UnreservedTests {
    /// Two pods, of which the first one's reservation is replaced.
    static func node(_ owner: AttachmentName?, isThere: Bool = true) -> MadeUpNode {
        var node = MadeUpNode()
        for number in 1...2 { node.attach(number) }
        var reservations = node.seen.stores[0].reservations
        reservations.removeFirst()
        if isThere {
            reservations.append(
                ListedReservation(
                    Reservation(unit: .host(MadeUpNode.address(1)), owner: owner?.attachment),
                    time: Timestamp(seconds: MadeUpNode.now - 600, nanoseconds: 0)))
        }
        node.seen.stores[0].reservations = reservations
        return node
    }

    static let lost = [UnreservedAddress(address: MadeUpNode.address(1))]

    @Test func aReservationThatIsMissingOrNamesNobodyIsThePods() {
        for node in [Self.node(nil), Self.node(nil, isThere: false)] {
            let orphans = node.snapshot.orphans
            #expect(orphans.map(\.reason) == [.notReserved] && orphans.map(\.isGone) == [false])
            #expect(orphans.map(\.id) == [MadeUpNode.id(1)] && orphans.first?.unreserved == Self.lost)
            #expect(orphans.first?.store == "/var/lib/cni/networks/pods")
        }
    }

    @Test func whomItNamesInsteadIsToldAndHasLeftNothing() {
        let orphans = Self.node(AttachmentName(network: "pods", containerID: "somebody", ifname: "eth0")).snapshot
            .orphans
        let somebody = AttachmentName(network: "pods", containerID: "somebody", ifname: "eth0")
        #expect(orphans.map(\.id) == [MadeUpNode.id(1)])
        #expect(
            orphans.first?.unreserved == [UnreservedAddress(address: MadeUpNode.address(1), namedOwner: somebody)])
    }

    @Test func anotherPodThatDoesNotHaveItLosesIt() {
        let snapshot = Self.node(MadeUpNode.id(2)).snapshot
        #expect(snapshot.orphans.map(\.id) == [MadeUpNode.id(1)])
        #expect(snapshot.attachments[1].reserved == [.host(MadeUpNode.address(2))])
    }

    /// Both have it, and who is right is not for us to say.
    @Test func aDuplicateIsNobodysLoss() {
        var node = Self.node(MadeUpNode.id(2))
        node.seen.namespaces[1].interfaces[1].addresses.append(CIDR(MadeUpNode.address(1), 24))
        #expect(node.snapshot.orphans.isEmpty)
    }

    /// Root in a pod can add addresses as it likes.
    @Test func aPodHasNoClaimToMoreThanItsReservation() {
        var node = MadeUpNode()
        node.attach(1)
        node.seen.namespaces[0].interfaces[1].addresses.append(CIDR("10.44.0.9/24")!)
        #expect(node.snapshot.orphans.isEmpty)
        // Nor where the reservation is lost: the MAC tells which one ADD gave.
        node.seen.stores[0].reservations = []
        #expect(node.snapshot.orphans.isEmpty)
        node.seen.namespaces[0].interfaces[1].mac = MACAddress("0a:58:0a:2c:00:02")
        #expect(node.snapshot.orphans.first?.unreserved == Self.lost)
    }

    /// Each family has a reservation of its own.
    @Test func oneFamilyIsLostByItself() throws {
        var node = MadeUpNode()
        node.attach(1)
        node.seen.configured[0].network.ranges.append(try RangeSet([Pool(subnet: CIDR("fd00:44::/64")!)]))
        node.seen.namespaces[0].interfaces[1].addresses.append(CIDR("fd00:44::2/64")!)
        #expect(node.snapshot.orphans.first?.unreserved.map(\.address) == [IPAddress("fd00:44::2")!])
        // What is in no range was never reserved.
        node.seen.namespaces[0].interfaces[1].addresses[1] = CIDR("fd00:99::2/64")!
        #expect(node.snapshot.orphans.isEmpty)
    }

    /// As old releases of the reference plugin wrote it: without the interface.
    @Test func aReservationOfTheContainerIsThePods() {
        let node = Self.node(
            AttachmentName(network: "pods", containerID: MadeUpNode.id(1).containerID, ifname: ""))
        #expect(node.snapshot.orphans.allSatisfy { $0.unreserved.isEmpty && !$0.isGone }, "\(node.snapshot.orphans)")
    }

    /// The alias in a pod is its root's; the node's link is not.
    @Test func aPodWithoutAVethOfOursHasNoClaim() {
        var node = Self.node(nil, isThere: false)
        node.seen.interfaces.removeAll { $0.name == "veth1" }
        node.seen.namespaces[0].interfaces[1].alias = "swiftlet \(MadeUpNode.id(1))"
        #expect(node.snapshot.orphans.allSatisfy { $0.unreserved.isEmpty })
    }
}
