import Addresses
import Testing
import TestSupport

@testable import NetlinkCodec

/// What Linux 6.18 answered on x86-64, in an empty network namespace with `lo` up and these rules:
///
///     table inet t {
///         chain o { type filter hook output priority -300; ct zone set 7; }
///         chain n { type nat hook output priority -100; udp dport 53 dnat ip to 127.0.0.9:5353; }
///     }
///
/// after a datagram from 127.0.0.1 port 4000 to port 53 there, and one from ::1 to itself with the same ports.
extension Captured {
    static let connection = hex(
        """
        ac00000000012200070000002f120000020000003400018014000180080001007f000001080002007f0000011c000280
        0500010011000000060002000fa0000006000300003500003400028014000180080001007f000009080002007f000001
        1c00028005000100110000000600020014e90000060003000fa00000060012000007000008000300000001a808000800
        0000000008000c00172cbb1308000b0000000001080007000000001d
        """)

    static let connection6 = hex(
        """
        dc00000000012200070000002f1200000a0000004c0001802c0001801400030000000000000000000000000000000001
        14000400000000000000000000000000000000011c0002800500010011000000060002000fa000000600030000350000
        4c0002802c00018014000300000000000000000000000000000000011400040000000000000000000000000000000001
        1c00028005000100110000000600020000350000060003000fa000000600120000070000080003000000018808000800
        0000000008000c00a177c14a08000b0000000001080007000000001d
        """)

    /// IPCTNL_MSG_CT_GET_STATS.
    static let statistics = hex("2400000005010200070000002f1200000000000008000100000000020800020000040000")
}

@Suite(.enabled(if: isLittleEndian)) struct ConntrackTests {
    private let local = IPAddress("127.0.0.1")!
    private let local6 = IPAddress("::1")!

    private func connection(_ datagram: [UInt8]) -> Connection? {
        Message.parse(datagram[...]).flatMap { Connection($0[0]) }
    }

    private func built(_ build: (inout MessageBuilder) -> Void) -> [UInt8] {
        var builder = MessageBuilder(firstSequence: 7)
        build(&builder)
        return builder.bytes
    }

    @Test func anEntryIsReadWithBothTuplesItsNumberAndItsZone() throws {
        let entry = try #require(connection(Captured.connection))
        #expect(entry.original == ConnectionTuple(17, from: local, 4000, to: local, 53))
        #expect(entry.reply == ConnectionTuple(17, from: IPAddress("127.0.0.9")!, 5353, to: local, 4000))
        #expect(entry.id == 0x172c_bb13)
        #expect(entry.zone == 7)
        #expect(entry.original.description == "protocol 17 from 127.0.0.1 port 4000 to 127.0.0.1 port 53")
        let entry6 = try #require(connection(Captured.connection6))
        #expect(entry6.original == ConnectionTuple(17, from: local6, 4000, to: local6, 53))
        #expect(entry6.reply == ConnectionTuple(17, from: local6, 53, to: local6, 4000))
        #expect(entry6.id == 0xa177_c14a && entry6.zone == 7)
    }

    @Test func theNumberOfEntriesIsRead() throws {
        let message = try #require(Message.parse(Captured.statistics[...]))[0]
        #expect(ConnectionStatistics(message)?.entries == 2)
        #expect(Connection(message) == nil)
        let entry = try #require(Message.parse(Captured.connection[...]))[0]
        #expect(ConnectionStatistics(entry) == nil)
    }

    /// Nothing half-read: what an entry is deleted by must be whole.
    @Test func whatIsNotAWholeTupleIsNoEntry() throws {
        // The types of: a tuple, its addresses, one address, its transport, protocol, ports; the number.
        let required = [20, 24, 28, 36, 44, 48, 56, 64, 72, 76, 80, 88, 96, 100, 108, 116, 148]
        for position in required {
            var changed = Captured.connection
            changed[position + 2] = 0x3f
            #expect(connection(changed) == nil, "without the attribute at \(position)")
        }
        // An address that is of the other family, by its type: two of one family are one tuple.
        var mixed = Captured.connection
        mixed[30] = 3
        #expect(connection(mixed) == nil)
    }

    @Test func dumpOfOnePort() {
        #expect(
            built { $0.dumpConnections(ConnectionFilter(.v6, protocolNumber: 17, destinationPorts: [53])) }
                == hex(
                    """
                    38000000 0101 0103 07000000 00000000  // IPCTNL_MSG_CT_GET, REQUEST | ROOT | MATCH
                    0a 00 0000                             // nfgenmsg: AF_INET6
                    1800 0180                              // CTA_TUPLE_ORIG
                      1400 0280                            // CTA_TUPLE_PROTO
                        0500 0100 11 000000                // CTA_PROTO_NUM
                        0600 0300 0035 0000                // CTA_PROTO_DST_PORT
                    0c00 1980                              // CTA_FILTER
                      0800 0100 28000000                   // CTA_FILTER_ORIG_FLAGS: the number, the port
                    """))
    }

    @Test func dumpOfOnePortAtOneAddress() {
        let filter = ConnectionFilter(.v4, protocolNumber: 17, destinationPorts: [53], destination: local)
        #expect(
            built { $0.dumpConnections(filter) }
                == hex(
                    """
                    44000000 0101 0103 07000000 00000000
                    02 00 0000
                    2400 0180                              // CTA_TUPLE_ORIG
                      0c00 0180                            // CTA_TUPLE_IP
                        0800 0200 7f000001                 // CTA_IP_V4_DST
                      1400 0280
                        0500 0100 11 000000
                        0600 0300 0035 0000
                    0c00 1980
                      0800 0100 2a000000                   // the address as well
                    """))
    }

    /// Several ports cannot be told, and an IPv6 address must not be.
    @Test func dumpOfSeveralPortsAtOneIPv6Address() {
        let filter = ConnectionFilter(.v6, protocolNumber: 6, destinationPorts: [53, 54], destination: local6)
        #expect(
            built { $0.dumpConnections(filter) }
                == hex(
                    """
                    30000000 0101 0103 07000000 00000000
                    0a 00 0000
                    1000 0180
                      0c00 0280
                        0500 0100 06 000000
                    0c00 1980
                      0800 0100 08000000
                    """))
    }

    @Test func deletionNamesTheTupleTheNumberAndTheZone() throws {
        let entry = try #require(connection(Captured.connection))
        #expect(
            built { $0.deleteConnection(entry) }
                == hex(
                    """
                    58000000 0201 0100 07000000 00000000  // IPCTNL_MSG_CT_DELETE, REQUEST
                    02 00 0000
                    3400 0180                              // CTA_TUPLE_ORIG
                      1400 0180
                        0800 0100 7f000001
                        0800 0200 7f000001
                      1c00 0280
                        0500 0100 11 000000
                        0600 0200 0fa0 0000
                        0600 0300 0035 0000
                    0800 0c00 172cbb13                     // CTA_ID
                    0600 1200 0007 0000                    // CTA_ZONE
                    """))
        // Without the zone's attribute, it is the default one.
        var plain = Captured.connection
        plain[126] = 0x3f
        let inNoZone = try #require(connection(plain))
        #expect(inNoZone.zone == 0)
        #expect(built { $0.deleteConnection(inNoZone) }.count == 0x58 - 8)
    }

    @Test func statisticsAreAskedForWithoutAFamily() {
        #expect(
            built { $0.getConnectionStatistics() } == hex("14000000 0501 0100 07000000 00000000  00 00 0000"))
    }

    @Test func aFilterMatchesWhatItNamesAndNothingElse() throws {
        let entry = try #require(connection(Captured.connection))
        let other = IPAddress("127.0.0.9")!
        func matches(_ family: IPFamily, _ number: UInt8, _ ports: Set<UInt16>, _ address: IPAddress? = nil) -> Bool {
            ConnectionFilter(family, protocolNumber: number, destinationPorts: ports, destination: address)
                .matches(entry)
        }
        #expect(matches(.v4, 17, [53]) && matches(.v4, 17, [1, 53], local))
        #expect(!matches(.v6, 17, [53]) && !matches(.v4, 6, [53]) && !matches(.v4, 17, [54]) && !matches(.v4, 17, []))
        // Not by where it was led, nor by where it came from.
        #expect(!matches(.v4, 17, [53], other) && !matches(.v4, 17, [5353]) && !matches(.v4, 17, [4000]))
    }
}
