import Testing
import TestSupport

@testable import NetlinkCodec

/// The attributes of an expression, for comparison with what is written out.
private func octets(_ expression: some NftEncodable) -> [UInt8] {
    var builder = MessageBuilder()
    expression.encode(&builder)
    return builder.bytes
}

private func readBack<Expression: NftEncodable>(_ expression: Expression) -> Bool {
    Expression(Attributes(octets(expression)[...])) == expression
}

/// Attributes are little-endian, as netlink is on this machine; their values are in network byte order.
@Suite(.enabled(if: isLittleEndian)) struct NftEncodableTests {
    @Test func anExpressionStandsInARuleUnderItsName() {
        var builder = MessageBuilder(firstSequence: 7)
        builder.addRule(NftRule([.of(NftReject.tcpReset)]), to: "c", of: NftTable(.inet, "t"))
        #expect(
            builder.bytes
                == hex(
                    """
                    44000000 060a 010c 07000000 00000000  // NFT_MSG_NEWRULE, REQUEST | CREATE | APPEND
                    01 00 0000                             // nfgenmsg: inet
                    0600 0100 7400 0000                    // NFTA_RULE_TABLE "t"
                    0600 0200 6300 0000                    // NFTA_RULE_CHAIN "c"
                    2000 0480                              // NFTA_RULE_EXPRESSIONS
                      1c00 0180                            // NFTA_LIST_ELEM
                        0b00 0100 72656a65637400 00        // NFTA_EXPR_NAME "reject"
                        0c00 0280                          // NFTA_EXPR_DATA
                          0800 0100 00000001               // NFTA_REJECT_TYPE NFT_REJECT_TCP_RST
                    """))
    }

    @Test func numbers() {
        #expect(
            octets(NftNumberGenerator(.random, modulus: 3, offset: 7))
                == hex(
                    """
                    0800 0100 00000001  // NFTA_NG_DREG 1
                    0800 0200 00000003  // NFTA_NG_MODULUS 3
                    0800 0300 00000001  // NFTA_NG_TYPE NFT_NG_RANDOM
                    0800 0400 00000007  // NFTA_NG_OFFSET 7
                    """))
        #expect(
            octets(NftHash(.octets(.first, length: 8, seed: 0xdead_beef), modulus: 16, offset: 1, into: .word(4)))
                == hex(
                    """
                    0800 0100 00000001  // NFTA_HASH_SREG 1
                    0800 0200 00000002  // NFTA_HASH_DREG 2
                    0800 0300 00000008  // NFTA_HASH_LEN 8
                    0800 0400 00000010  // NFTA_HASH_MODULUS 16
                    0800 0500 deadbeef  // NFTA_HASH_SEED
                    0800 0600 00000001  // NFTA_HASH_OFFSET 1
                    0800 0700 00000000  // NFTA_HASH_TYPE NFT_HASH_JENKINS
                    """))
        #expect(
            octets(NftHash(.symmetric, modulus: 4))
                == hex("0800 0200 00000001  0800 0400 00000004  0800 0700 00000001"))
    }

    @Test func lookups() {
        #expect(
            octets(NftFIB(.interface, of: [.source, .inputInterface]))
                == hex(
                    """
                    0800 0100 00000001  // NFTA_FIB_DREG 1
                    0800 0200 00000001  // NFTA_FIB_RESULT NFT_FIB_RESULT_OIF
                    0800 0300 00000009  // NFTA_FIB_FLAGS SADDR | IIF
                    """))
        #expect(
            octets(NftConnectionTuple(.sourceIPv4, .reply))
                == hex(
                    """
                    0800 0100 00000001  // NFTA_CT_DREG 1
                    0800 0200 00000013  // NFTA_CT_KEY NFT_CT_SRC_IP
                    0500 0300 01 000000 // NFTA_CT_DIRECTION IP_CT_DIR_REPLY
                    """))
        #expect(
            octets(NftConnectionMark(from: .word(1)))
                == hex(
                    """
                    0800 0200 00000003  // NFTA_CT_KEY NFT_CT_MARK
                    0800 0400 00000009  // NFTA_CT_SREG NFT_REG32_01
                    """))
        #expect(octets(NftNoTrack()).isEmpty)
    }

    @Test func statements() {
        #expect(
            octets(NftReject.icmpx(.administrativelyProhibited))
                == hex(
                    """
                    0800 0100 00000002   // NFTA_REJECT_TYPE NFT_REJECT_ICMPX_UNREACH
                    0500 0200 03 000000  // NFTA_REJECT_ICMP_CODE NFT_REJECT_ICMPX_ADMIN_PROHIBITED
                    """))
        #expect(octets(NftReject.icmp(code: 13)) == hex("0800 0100 00000000  0500 0200 0d 000000"))
        #expect(
            octets(NftLog(group: 7, prefix: "a: ", snapLength: 96, queueThreshold: 20))
                == hex(
                    """
                    0800 0200 613a2000   // NFTA_LOG_PREFIX "a: "
                    0600 0100 0007 0000  // NFTA_LOG_GROUP 7
                    0800 0300 00000060   // NFTA_LOG_SNAPLEN 96
                    0600 0400 0014 0000  // NFTA_LOG_QTHRESHOLD 20
                    """))
        #expect(
            octets(NftLimit(10, .octets, perSeconds: 60, burst: 20, isOver: true))
                == hex(
                    """
                    0c00 0100 000000000000000a  // NFTA_LIMIT_RATE 10
                    0c00 0200 000000000000003c  // NFTA_LIMIT_UNIT 60
                    0800 0300 00000014          // NFTA_LIMIT_BURST 20
                    0800 0400 00000001          // NFTA_LIMIT_TYPE NFT_LIMIT_PKT_BYTES
                    0800 0500 00000001          // NFTA_LIMIT_FLAGS NFT_LIMIT_F_INV
                    """))
        #expect(
            octets(NftCounter(packets: 5, octets: 300))
                == hex(
                    """
                    0c00 0100 000000000000012c  // NFTA_COUNTER_BYTES 300
                    0c00 0200 0000000000000005  // NFTA_COUNTER_PACKETS 5
                    """))
        #expect(
            octets(NftCounterReference("hits"))
                == hex(
                    """
                    0800 0100 00000001           // NFTA_OBJREF_IMM_TYPE NFT_OBJECT_COUNTER
                    0900 0200 6869747300 000000  // NFTA_OBJREF_IMM_NAME "hits"
                    """))
    }

    @Test func translations() {
        #expect(
            octets(NftTranslation(.destination, .ip, address: .first, port: .word(1), flags: .persistent))
                == hex(
                    """
                    0800 0100 00000001  // NFTA_NAT_TYPE NFT_NAT_DNAT
                    0800 0200 00000002  // NFTA_NAT_FAMILY NFPROTO_IPV4
                    0800 0300 00000001  // NFTA_NAT_REG_ADDR_MIN 1
                    0800 0500 00000009  // NFTA_NAT_REG_PROTO_MIN NFT_REG32_01
                    0800 0700 0000000b  // NFTA_NAT_FLAGS MAP_IPS | PROTO_SPECIFIED | PERSISTENT
                    """))
        #expect(octets(NftMasquerade()).isEmpty && octets(NftRedirect()).isEmpty)
        #expect(
            octets(NftMasquerade(port: .first, lastPort: .word(4), flags: .fullyRandom))
                == hex(
                    """
                    0800 0100 00000012  // NFTA_MASQ_FLAGS PROTO_SPECIFIED | PROTO_RANDOM_FULLY
                    0800 0200 00000001  // NFTA_MASQ_REG_PROTO_MIN 1
                    0800 0300 00000002  // NFTA_MASQ_REG_PROTO_MAX 2
                    """))
        #expect(
            octets(NftRedirect(port: .first, flags: .random))
                == hex(
                    """
                    0800 0100 00000001  // NFTA_REDIR_REG_PROTO_MIN 1
                    0800 0300 00000006  // NFTA_REDIR_FLAGS PROTO_SPECIFIED | PROTO_RANDOM
                    """))
    }

    @Test func setUpdates() {
        #expect(
            octets(NftSetUpdate(.update, "affinity", data: .word(4), timeout: 600_000))
                == hex(
                    """
                    0800 0400 00000001                     // NFTA_DYNSET_SREG_KEY 1
                    0800 0500 00000002                     // NFTA_DYNSET_SREG_DATA 2
                    0800 0300 00000001                     // NFTA_DYNSET_OP NFT_DYNSET_OP_UPDATE
                    0c00 0600 00000000000927c0             // NFTA_DYNSET_TIMEOUT 600000
                    0d00 0100 616666696e69747900 000000    // NFTA_DYNSET_SET_NAME "affinity"
                    """))
    }

    @Test func whatIsWrittenIsReadBack() {
        for register: NftRegister in [.first, .word(1), .word(15)] {
            for offset: UInt32 in [0, 1, .max] {
                #expect(readBack(NftNumberGenerator(.ascending, modulus: .max, offset: offset, into: register)))
                #expect(readBack(NftHash(.symmetric, modulus: 2, offset: offset, into: register)))
                for seed: UInt32? in [nil, 0, .max] {
                    #expect(readBack(NftHash(.octets(register, length: 64, seed: seed), modulus: 2, offset: offset)))
                }
            }
            for flags in 0..<UInt32(64) {
                for result in 1...3 as ClosedRange<UInt32> {
                    #expect(readBack(NftFIB(.init(rawValue: result)!, of: .init(rawValue: flags), into: register)))
                }
            }
            for part in [7, 10, 11, 12, 19, 20, 21, 22] as [UInt32] {
                for direction in [NftConnectionTuple.Direction.original, .reply] {
                    #expect(readBack(NftConnectionTuple(.init(rawValue: part)!, direction, into: register)))
                }
            }
            #expect(readBack(NftConnectionMark(from: register)))
            for operation in 0...2 as ClosedRange<UInt32> {
                for data in [nil, NftRegister.word(4)] {
                    for timeout: UInt64? in [nil, 1, .max] {
                        let update = NftSetUpdate(
                            .init(rawValue: operation)!, "s", key: register, data: data, timeout: timeout)
                        #expect(readBack(update))
                    }
                }
            }
        }
        for code in 0...UInt8.max { #expect(readBack(NftReject.icmp(code: code))) }
        for reason in 0...3 as ClosedRange<UInt8> { #expect(readBack(NftReject.icmpx(.init(rawValue: reason)!))) }
        for flags in [[], .random, .persistent, .fullyRandom, [.random, .persistent]] as [NftTranslationFlags] {
            for (first, last) in [(nil, nil), (NftRegister.first, nil), (.first, .word(4))]
                as [(NftRegister?, NftRegister?)]
            {
                #expect(readBack(NftMasquerade(port: first, lastPort: last, flags: flags)))
                #expect(readBack(NftRedirect(port: first, lastPort: last, flags: flags)))
                for side in [NftTranslation.Side.source, .destination] {
                    #expect(readBack(NftTranslation(side, .ip, address: first, lastAddress: last, flags: flags)))
                    #expect(
                        readBack(
                            NftTranslation(side, .ip6, address: .word(8), port: first, lastPort: last, flags: flags)))
                }
            }
        }
    }
}
