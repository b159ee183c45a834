import Addresses
import Attachments
import Inventory
import InventorySupport
import Testing

@testable import Presentation

/// What people see: aligned, short, and complete.
@Suite struct StatusTextTests {
    @Test func itIsATableWithTotals() {
        var node = MadeUpNode()
        node.attach(1)
        node.attach(2)
        node.end(2)
        #expect(
            node.snapshot.statusText() == """
                pods  bridge cbr0  10.44.0.1/24  /etc/cni/net.d/10-pods.conflist
                  10.44.0.0/24  █░░░░░░░░░░░░░░░░░░░  2 of 253 used, 251 free
                  POD          NETNS  IF    ADDRESSES  KIND  ON     MTU   AGE  IN      OUT
                  container-1  pod-1  eth0  10.44.0.2  veth  veth1  1500  1m   1.2 MB  0 B
                    ORPHAN       IF    AGE  WHAT IS LEFT  WHY
                  ! container-2  eth0  1m   10.44.0.3     the pod's network namespace is gone
                  `swiftletctl gc` frees what pods that are gone have left

                node-1: 1 network, 1 pod, 1 address, 1 orphan
                """)
    }

    @Test func colorsAreThereOnlyForThoseWhoWantThem() {
        var node = MadeUpNode()
        node.attach(1)
        #expect(!node.snapshot.statusText().contains("\u{1b}"))
        #expect(node.snapshot.statusText(TextStyle(isColored: true)).contains("\u{1b}[1mpods\u{1b}[0m"))
    }

    @Test func anEmptyNodeSaysSo() {
        var seen = Observations()
        seen.node = "node-1"
        #expect(Snapshot(seen).statusText() == "node-1: 0 networks, 0 pods, 0 addresses, no orphans")
    }

    @Test(arguments: [
        (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1234, "1.2 kB"), (999_999, "999 kB"), (1_000_000, "1 MB"),
        (123_456_789, "123 MB"), (UInt64.max, "18.4 EB"),
    ])
    func octetsAreShort(_ count: UInt64, _ text: String) { #expect(Words.octets(count) == text) }

    @Test(arguments: [(-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (7200, "2h"), (200_000, "2d")])
    func agesAreShort(_ seconds: Int, _ text: String) { #expect(Words.age(seconds) == text) }

    @Test(
        arguments: [
            (0, 10, "░░░░░"), (1, 1000, "█░░░░"), (5, 10, "███░░"), (999, 1000, "████░"), (10, 10, "█████"),
            (12, 10, "█████"),
        ] as [(UInt64, UInt64, String)])
    func aBarShowsWhetherThereIsAnyAndWhetherItIsFull(_ used: UInt64, _ size: UInt64, _ bar: String) {
        #expect(Words.bar(used, of: size, width: 5) == bar)
    }

    @Test func idsAreCutToWhatTellsThemApart() {
        var snapshot = Snapshot()
        let long = ["aaaaaaaaaaaaaaaa1", "aaaaaaaaaaaaaaaab", "bbbbbbbbbbbbbbbbbbbbb", "web"]
        snapshot.attachments = long.map {
            Attachment(id: AttachmentName(network: "n", containerID: $0, ifname: "eth0"))
        }
        let short = snapshot.shortIDs
        #expect(Set(short.values).count == 4)
        #expect(short["web"] == "web" && short[long[2]] == "bbbbbbbbbbbb" && short[long[0]] == long[0])
    }
}
