import TestSupport
import Testing

@testable import NetlinkCodec

/// Counters, carrier and the namespace of the other end, as linux/if_link.h and linux/net_namespace.h have them.
@Suite(.enabled(if: isLittleEndian)) struct LinkStatusTests {
    private func message(_ type: UInt16, _ payload: [UInt8]) -> Message {
        Message(type: type, flags: 0, sequence: 1, payload: payload[...])
    }

    private func link(_ attributes: String) -> Message {
        message(16, hex("0000 0100 05000000 43000100 00000000 0900 0300 76657468 00000000" + attributes))
    }

    @Test func countersAreSeenFromBothEnds() throws {
        let counters = (1...24).map { String($0, radix: 16) }.map {
            String(repeating: "0", count: 2 - $0.count) + $0 + "00000000000000"
        }
        let status = try #require(
            LinkStatus(link("c400 1700" + counters.joined() + "0800 2500 03000000 0500 2100 01000000")))
        #expect(status.link.name == "veth" && status.link.index == 5)
        #expect(status.peerNamespaceID == 3 && status.hasCarrier)
        let counted = try #require(status.counters)
        #expect((counted.receivedPackets, counted.sentPackets) == (1, 2))
        #expect((counted.receivedOctets, counted.sentOctets) == (3, 4))
        #expect((counted.receiveErrors, counted.sendErrors, counted.receiveDrops, counted.sendDrops) == (5, 6, 7, 8))
        #expect(counted.fromOtherEnd.receivedOctets == 4 && counted.fromOtherEnd.fromOtherEnd == counted)
    }

    @Test func whatIsNotToldIsNotMadeUp() throws {
        let status = try #require(LinkStatus(link("")))
        #expect(status.counters == nil && status.peerNamespaceID == nil && !status.hasCarrier)
        #expect(LinkStatus(link("0800 1700 01000000"))?.counters == nil)
    }

    @Test func anXDPProgramIsSeen() throws {
        // IFLA_XDP with IFLA_XDP_ATTACHED, of a driver and none.
        #expect(LinkStatus(link("0c00 2b80 0500 0200 01000000"))?.hasXDP == true)
        #expect(LinkStatus(link("0c00 2b80 0500 0200 00000000"))?.hasXDP == false)
        #expect(LinkStatus(link(""))?.hasXDP == false)
    }

    @Test func aNamespaceHasANumberOrNone() throws {
        #expect(NamespaceID(message(88, hex("00000000 0800 0100 07000000")))?.number == 7)
        #expect(try #require(NamespaceID(message(88, hex("00000000 0800 0100 ffffffff")))).number == nil)
        #expect(NamespaceID(message(88, hex("00000000"))) == nil)
        #expect(NamespaceID(message(16, hex("00000000 0800 0100 07000000"))) == nil)
    }
}
