import TestSupport
import Testing

@testable import NetlinkCodec

/// What nft 1.0.6 sends for `tcp dport { 1-3, 5 }` and for `meta mark { 1, 2 }`; without the words for `typeof`.
@Suite(.enabled(if: isLittleEndian)) struct NftAnonymousSetTests {
    private let table = NftTable(.inet, "i")

    private func built(_ build: (inout MessageBuilder) -> Void) -> [UInt8] {
        var builder = MessageBuilder(firstSequence: 7)
        build(&builder)
        return builder.bytes
    }

    @Test func aSetOfIntervals() {
        let set = NftAnonymousSet(
            number: 5, key: .port, isHostOrder: false, isInterval: true,
            elements: [.init([0, 0], isEnd: true), .init([0, 1]), .init([0, 4], isEnd: true)])
        #expect(
            built { $0.addSet(set, to: table) }
                == hex(
                    """
                    64000000 090a 0104 07000000 00000000  // NFT_MSG_NEWSET, REQUEST | CREATE
                    01 00 0000
                    0600 0100 6900 0000                    // NFTA_SET_TABLE "i"
                    0c00 0200 5f5f736574256400             // NFTA_SET_NAME "__set%d"
                    0800 0300 00000007                     // ANONYMOUS | CONSTANT | INTERVAL
                    0800 0400 0000000d                     // NFTA_SET_KEY_TYPE: inet_service
                    0800 0500 00000002                     // NFTA_SET_KEY_LEN
                    0800 0a00 00000005                     // NFTA_SET_ID
                    0c00 0980 0800 0100 00000003           // NFTA_SET_DESC: NFTA_SET_DESC_SIZE
                    1000 0d00 0004 02000000 0204 01000000  // NFTA_SET_USERDATA: network order, merged
                    """))
        #expect(
            built { $0.addElements(of: set, in: table) }
                == hex(
                    """
                    74000000 0c0a 0104 07000000 00000000  // NFT_MSG_NEWSETELEM
                    01 00 0000
                    0600 0100 6900 0000
                    0c00 0200 5f5f736574256400
                    0800 0400 00000005                     // NFTA_SET_ELEM_LIST_SET_ID
                    4400 0380                              // NFTA_SET_ELEM_LIST_ELEMENTS
                      1800 0180
                        0800 0300 00000001                 // NFT_SET_ELEM_INTERVAL_END
                        0c00 0180 0600 0100 0000 0000
                      1000 0180
                        0c00 0180 0600 0100 0001 0000
                      1800 0180
                        0800 0300 00000001
                        0c00 0180 0600 0100 0004 0000
                    """))
    }

    @Test func aSetOfNumbersInHostOrder() {
        let set = NftAnonymousSet(
            number: 2, key: .mark, isHostOrder: true, isInterval: false, elements: [.init([1, 0, 0, 0])])
        let attributes = Attributes(built { $0.addSet(set, to: table) }.dropFirst(20))
        #expect(attributes[NFTA.setFlags]?.bigEndian32 == 3)
        #expect(attributes[NFTA.setKeyType]?.bigEndian32 == 19)
        #expect(attributes[NFTA.setKeyLength]?.bigEndian32 == 4)
        #expect(attributes[NFTA.setUserData].map { Array($0.bytes) } == [0, 4, 1, 0, 0, 0])
    }

    @Test func theExpressionsAroundThem() {
        func encoded(_ expression: NftExpression, asListed: Bool = false) -> [UInt8] {
            built { expression.encode(&$0, asListed: asListed) }
        }
        #expect(
            encoded(.networkOrder())
                == hex(
                    """
                    0e00 0100 627974656f72646572 00 0000  // NFTA_EXPR_NAME "byteorder"
                    2c00 0280
                      0800 0100 00000001 0800 0200 00000001
                      0800 0300 00000001 0800 0400 00000004 0800 0500 00000004
                    """))
        #expect(
            encoded(.anonymousLookup(4, inverted: true))
                == hex(
                    """
                    0b00 0100 6c6f6f6b7570 00 00           // "lookup"
                    2800 0280
                      0800 0200 00000001
                      0800 0500 00000001                   // NFT_LOOKUP_F_INV
                      0c00 0100 5f5f736574256400
                      0800 0400 00000004
                    """))
        #expect(encoded(.anonymousLookup(4), asListed: true) == encoded(.anonymousLookup(9), asListed: true))
        #expect(
            encoded(.anonymousLookup(4), asListed: true) != encoded(.anonymousLookup(4, inverted: true), asListed: true)
        )
        #expect(
            encoded(.outside(first: [0, 1], last: [0, 5]))
                == hex(
                    """
                    0a00 0100 72616e6765 00 0000          // "range"
                    2c00 0280
                      0800 0100 00000001 0800 0200 00000001
                      0c00 0380 0600 0100 0001 0000
                      0c00 0480 0600 0100 0005 0000
                    """))
    }
}
