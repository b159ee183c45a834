import TestSupport
import Testing

@testable import NetlinkCodec

/// Token buckets, ingress filters and redirection as linux/pkt_sched.h and linux/pkt_cls.h have them.
@Suite(.enabled(if: isLittleEndian)) struct TrafficControlTests {
    private func built(_ build: (inout MessageBuilder) -> Void) -> [UInt8] {
        var builder = MessageBuilder(firstSequence: 7)
        build(&builder)
        return builder.bytes
    }

    private func message(_ datagram: [UInt8]) throws -> Message {
        try #require(Message.parse(datagram[...])?.first)
    }

    @Test func aTokenBucketIsTheRootOfItsLink() {
        let bucket = TokenBucket(rate: 12_500_000, burst: 250_000, limit: 562_500)
        #expect(
            built { $0.addTokenBucket(bucket, on: 3) }
                == hex(
                    """
                    60000000 2400 0106 07000000 00000000  // RTM_NEWQDISC, REQUEST | CREATE | EXCL
                    00000000 03000000 00000100 ffffffff 00000000  // tcmsg: index 3, handle 1:, TC_H_ROOT
                    0800 0100 74626600                     // TCA_KIND "tbf"
                    3400 0280                              // TCA_OPTIONS
                      2800 0100                            // TCA_TBF_PARMS
                        00 01 0000 0000 0000 20bcbe00      // rate: Ethernet, 12500000 octets a second
                        00 00 0000 0000 0000 00000000      // no peak rate
                        44950800 b4c40400 00000000         // limit, 20 ms in ticks, no MTU
                      0800 0600 90d00300                   // TCA_TBF_BURST 250000
                    """))
    }

    /// The kernel tells it in ticks of 64 ns.
    @Test(arguments: [
        TokenBucket(rate: 12_500_000, burst: 250_000, limit: 562_500), TokenBucket(rate: 1, burst: 200, limit: 300),
        TokenBucket(rate: 1 << 33, burst: 1 << 26, limit: 1 << 27),
    ])
    func aTokenBucketReadsBackWithAboutItsBurst(_ bucket: TokenBucket) throws {
        var datagram = built { $0.addTokenBucket(bucket, on: 3) }
        let qdisc = try #require(Qdisc(message(datagram)))
        let found = try #require(qdisc.tokenBucket)
        #expect(found.rate == bucket.rate && found.limit == bucket.limit)
        // A tick's worth, and what is lost by division.
        let tolerance = Int(bucket.rate / 15_000_000) + 1
        #expect(abs(Int(found.burst) - Int(bucket.burst)) <= tolerance)
        datagram = built { $0.addIngress(on: 3) }
        #expect(try Qdisc(message(datagram))?.tokenBucket == nil)
    }

    @Test func aRateOfMoreThan32BitsIsToldAsAnAttribute() {
        let bucket = TokenBucket(rate: 1 << 33, burst: 1 << 20, limit: 1 << 21)
        let bytes = built { $0.addTokenBucket(bucket, on: 3) }
        let end = hex(
            """
            00 01 0000 0000 0000 ffffffff
            00 00 0000 0000 0000 00000000
            00002000 73070000 00000000
            0c00 0400 0000000002000000  // TCA_TBF_RATE64
            0800 0600 00001000
            """)
        #expect(bytes.suffix(end.count) == end[...])
    }

    @Test func whatComesInIsLedOutByAnotherLink() {
        #expect(
            built { $0.addIngress(on: 3) }
                == hex(
                    """
                    30000000 2400 0106 07000000 00000000
                    00000000 03000000 0000ffff f1ffffff 00000000  // handle ffff:, TC_H_INGRESS
                    0c00 0100 696e677265737300             // TCA_KIND "ingress"
                    """))
        #expect(
            built { $0.redirectIngress(of: 3, to: 9) }
                == hex(
                    """
                    8c000000 2c00 0106 07000000 00000000  // RTM_NEWTFILTER
                    00000000 03000000 00000000 0000ffff 00030100  // parent ffff:, ETH_P_ALL, priority 1
                    0800 0100 75333200                     // TCA_KIND "u32"
                    6000 0280                              // TCA_OPTIONS
                      2400 0500                            // TCA_U32_SEL: terminal, one key that asks for nothing
                        01 00 01 00 0000 0000 0000 0000 00000000
                        00000000 00000000 00000000 00000000
                      3800 0780                            // TCA_U32_ACT
                        3400 0180                          // the first
                          0b00 0100 6d697272656400 00      // TCA_ACT_KIND "mirred"
                          2400 0280                        // TCA_ACT_OPTIONS
                            2000 0200                      // TCA_MIRRED_PARMS
                              00000000 00000000 04000000 00000000 00000000 01000000 09000000
                    """))
    }

    @Test func questionsNameLinkAndPlace() {
        #expect(
            built { $0.getQdisc(.ingress, of: 3) }
                == hex(
                    """
                    24000000 2600 0d00 07000000 00000000  // RTM_GETQDISC, REQUEST | ACK | ECHO
                    00000000 03000000 00000000 f1ffffff 00000000
                    """))
        #expect(
            built { $0.dumpIngressFilters(of: 3) }
                == hex(
                    """
                    24000000 2e00 0103 07000000 00000000  // RTM_GETTFILTER, dump
                    00000000 03000000 00000000 0000ffff 00000000
                    """))
        #expect(
            built { $0.deleteQdisc(.root, on: 3) }
                == hex(
                    """
                    24000000 2500 0100 07000000 00000000  // RTM_DELQDISC
                    00000000 03000000 00000100 ffffffff 00000000
                    """))
    }

    /// What Linux 6.18 answered for `tbf rate 100mbit burst 250000 limit 562500`, without the counters.
    static let captured = hex(
        """
        60000000 2400 0000 07000000 00000000
        00000000 03000000 00000100 ffffffff 03000000
        0800 0100 74626600
        2c00 0200
          2800 0100
            00 01 0000 0000 0000 20bcbe00  00 00 0000 0000 0000 00000000
            44950800 b4c40400 00000000
        0500 0c00 00 000000
        """)

    @Test func aTokenBucketIsToldFromOthers() throws {
        let qdisc = try #require(Qdisc(message(Self.captured)))
        #expect(qdisc.interface == 3 && qdisc.kind == "tbf" && !qdisc.isDefault)
        let bucket = TokenBucket(rate: 12_500_000, burst: 250_000, limit: 562_500)
        #expect(qdisc.serves(bucket))
        var others = [bucket, bucket, bucket, bucket]
        others[0].rate += 1
        others[1].burst += 1000
        others[2].burst -= 1000
        others[3].limit += 1
        for other in others { #expect(!qdisc.serves(other)) }
    }
}
