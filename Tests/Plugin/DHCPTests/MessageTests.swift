import Addresses
import Posix
import Testing
import TestSupport

@testable import DHCP

/// Messages as they are on the wire, octet by octet.
@Suite struct MessageTests {
    static let mac = MACAddress("02:00:5e:10:00:01")!

    /// An acknowledgement as dnsmasq 2.90 sends it.
    static let acknowledgement =
        hex(
            """
            02 01 06 00             // reply, Ethernet, six octets, no hops
            3d 1f a0 0e             // transaction
            00 00 00 00             // seconds, flags
            00 00 00 00             // ciaddr
            0a 63 00 33             // yiaddr 10.99.0.51
            0a 63 00 01             // siaddr 10.99.0.1
            00 00 00 00             // giaddr
            02 00 5e 10 00 01       // chaddr
            """) + [UInt8](repeating: 0, count: 10 + 64 + 128)
        + hex(
            """
            63 82 53 63             // magic
            35 01 05                // DHCPACK
            36 04 0a 63 00 01       // server
            33 04 00 00 00 78       // lease: 120 s
            3a 04 00 00 00 3c       // T1: 60 s
            3b 04 00 00 00 69       // T2: 105 s
            01 04 ff ff ff 00       // mask
            1c 04 0a 63 00 ff       // broadcast address
            06 08 0a 63 00 01 08 08 08 08   // name servers
            0f 03 6c 61 6e          // domain lan
            03 04 0a 63 00 01       // router
            ff
            """)

    @Test func anAcknowledgementIsReadAsDnsmasqWritesIt() throws {
        let message = try #require(Message(Self.acknowledgement))
        #expect(message.isReply && message.kind == .acknowledge && message.transaction == 0x3d1f_a00e)
        #expect(message.hardwareAddress == Self.mac)
        let lease = try Lease(message, since: 1000)
        #expect(lease.address == CIDR("10.99.0.51/24") && lease.server == IPAddress("10.99.0.1"))
        #expect(lease.gateway == IPAddress("10.99.0.1"))
        #expect(lease.routes == [.init(destination: CIDR("0.0.0.0/0")!, gateway: IPAddress("10.99.0.1"))])
        #expect(lease.nameServers.map(\.description) == ["10.99.0.1", "8.8.8.8"] && lease.domain == "lan")
        #expect([lease.renewal, lease.rebinding, lease.expiry] == [61_000, 106_000, 121_000])
    }

    @Test func aDiscoverIsWrittenOctetByOctet() {
        var message = Message(.discover, transaction: 0x0102_0304, from: Self.mac)
        message.seconds = 5
        message.wantsBroadcast = true
        message.options[.clientIdentifier] = [0] + Array("a/b/c".utf8)
        message.options[.parameterRequestList] = [1, 3]
        let start = hex("01 01 06 00 01 02 03 04 00 05 80 00") + [UInt8](repeating: 0, count: 16) + Self.mac.bytes
        let options = hex("63 82 53 63 35 01 01 37 02 01 03 3d 06 00 61 2f 62 2f 63 ff")
        let expected = start + [UInt8](repeating: 0, count: 236 - start.count) + options
        #expect(message.encoded == expected + [UInt8](repeating: 0, count: 300 - expected.count))
        #expect(Message(message.encoded) == message)
    }

    @Test func longOptionsAreWrittenInPartsAndJoinedAgain() {
        var message = Message(.request, transaction: 1, from: Self.mac)
        message.options[.userClass] = (0..<600).map { UInt8(truncatingIfNeeded: $0) }
        #expect(Message(message.encoded) == message)
    }

    @Test func optionsInTheFieldsForNamesAreRead() throws {
        var octets = Self.acknowledgement.dropLast() + hex("34 01 03 ff")
        octets.replaceSubrange(108..<118, with: hex("2a 04 01 02 03 04 ff 00 00 00"))
        octets.replaceSubrange(44..<48, with: hex("0c 01 78 ff"))
        let message = try #require(Message(Array(octets)))
        #expect(message.options[OptionCode(42)] == [1, 2, 3, 4] && message.options[.hostName] == [0x78])
    }

    @Test func aDatagramHasRightChecksums() {
        let packet = Datagram.packet([1, 2, 3])
        // 20 octets of IPv4, 8 of UDP, both sums worked out by hand (RFC 1071).
        #expect(
            packet
                == hex(
                    """
                    45 10 00 1f 00 00 00 00 40 11 7a bf 00 00 00 00 ff ff ff ff
                    00 44 00 43 00 0b fb 4f 01 02 03
                    """))
    }

    @Test func onlyWhatAServerSendsIsTaken() {
        var packet = Datagram.packet([1, 2, 3], from: IPAddress("10.0.0.1")!, to: IPAddress("10.0.0.2")!)
        // A client's, from its port to the server's.
        #expect(Datagram.content(of: packet) == nil)
        (packet[21], packet[23]) = (67, 68)
        #expect(Datagram.content(of: packet) == [1, 2, 3])
        // Padded, as short Ethernet frames are.
        #expect(Datagram.content(of: packet + [0, 0, 0]) == [1, 2, 3])
        var damaged = packet
        damaged[8] ^= 1
        #expect(Datagram.content(of: damaged) == nil)
        for length in 0..<packet.count { #expect(Datagram.content(of: Array(packet[..<length])) == nil) }
    }

    @Test func classlessRoutesStandForAllOthers() throws {
        var message = try #require(Message(Self.acknowledgement))
        message.options[.staticRoutes] = hex("ac 10 00 00 0a 63 00 02")
        #expect(
            try Lease(message, since: 0).routes.map { "\($0.destination) \($0.gateway!)" }
                == ["172.16.0.0/16 10.99.0.2", "0.0.0.0/0 10.99.0.1"])
        message.options[.classlessRoutes] = hex("00 0a 63 00 09  18 c0 a8 07 0a 63 00 08  20 01 02 03 04 00 00 00 00")
        #expect(
            try Lease(message, since: 0).routes.map { "\($0.destination) \($0.gateway?.description ?? "-")" }
                == ["0.0.0.0/0 10.99.0.9", "192.168.7.0/24 10.99.0.8", "1.2.3.4/32 -"])
        // Cut off, it says nothing.
        message.options[.classlessRoutes] = hex("18 c0 a8 07 0a 63 00")
        #expect(try Lease(message, since: 0).routes.count == 2)
    }

    @Test func timesThatMakeNoSenseAreReplaced() throws {
        var message = try #require(Message(Self.acknowledgement))
        for (t1, t2, expected) in [
            (nil, nil, [60, 105]), (200, 10, [5, 10]), (0, 0, [60, 105]), (10, 130, [10, 105]),
        ] as [(UInt32?, UInt32?, [Int])] {
            message.options[.renewalTime] = t1?.octets
            message.options[.rebindingTime] = t2?.octets
            let lease = try Lease(message, since: 0)
            #expect([lease.renewal, lease.rebinding] == expected.map { $0 * 1000 })
        }
        message.options[.leaseTime] = UInt32.max.octets
        #expect(try Lease(message, since: 0).renewal == Lease.never)
    }

    @Test(
        arguments: [
            (OptionCode.subnetMask, nil, "Subnet Mask not found"),
            (.subnetMask, [255, 0, 255, 0], "subnet mask 255.0.255.0"),
            (.leaseTime, nil, "how long"), (.leaseTime, [0, 0, 0, 0], "how long"),
            (.serverIdentifier, nil, "who it is"),
        ] as [(OptionCode, [UInt8]?, String)])
    func whatALeaseLacksIsSaid(_ code: OptionCode, _ value: [UInt8]?, _ words: String) throws {
        var message = try #require(Message(Self.acknowledgement))
        message.options[code] = value
        let problem = #expect(throws: Failure.self) { try Lease(message, since: 0) }
        #expect(problem?.description.contains(words) == true)
    }

    @Test func whateverComesNothingTraps() {
        var random = SplitMix64(seed: 7)
        var understood = 0
        for round in 0..<20_000 {
            var octets = Self.acknowledgement
            if round.isMultiple(of: 2) { octets.replaceSubrange(240..., with: random.bytes(Int(random.next() % 200))) }
            for _ in 0..<Int(random.next() % 6) {
                octets[Int(random.next() % UInt64(octets.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            octets.removeLast(Int(random.next() % 20) % octets.count)
            if let message = Message(octets) {
                understood += 1
                _ = try? Lease(message, since: 0)
                _ = Message(message.encoded)
            }
            _ = Datagram.content(of: octets)
            _ = Datagram.content(of: random.bytes(Int(random.next() % 80)))
        }
        #expect(understood > 1000)
    }
}
