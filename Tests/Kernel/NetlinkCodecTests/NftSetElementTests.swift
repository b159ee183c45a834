import Testing
import TestSupport

@testable import NetlinkCodec

private func built(_ build: (inout MessageBuilder) -> Void) -> [UInt8] {
    var builder = MessageBuilder(firstSequence: 7)
    build(&builder)
    return builder.bytes
}

private let table = NftTable(.inet, "t")

@Suite(.enabled(if: isLittleEndian)) struct NftSetElementTests {
    @Test func aMapWithTimeoutsThatRulesFill() {
        let set = NftSet("m", NftType(.ipv4, .port), .value(NftType(.mark)))
        let options = NftSetOptions(
            hasTimeouts: true, timeout: 60_000, collectionInterval: 1000, isDynamic: true, size: 1024)
        #expect(
            built { $0.addSet(set, options, to: table, number: 3) }
                == hex(
                    """
                    80000000 090a 0104 07000000 00000000  // NFT_MSG_NEWSET, REQUEST | CREATE
                    01 00 0000                             // nfgenmsg: inet
                    0600 0100 7400 0000                    // NFTA_SET_TABLE "t"
                    0600 0200 6d00 0000                    // NFTA_SET_NAME "m"
                    0800 0300 00000038                     // NFTA_SET_FLAGS MAP | TIMEOUT | EVAL
                    0800 0400 000001cd                     // NFTA_SET_KEY_TYPE ipv4_addr . inet_service
                    0800 0500 00000008                     // NFTA_SET_KEY_LEN 8
                    0800 0600 00000013                     // NFTA_SET_DATA_TYPE mark
                    0800 0700 00000004                     // NFTA_SET_DATA_LEN 4
                    0c00 0980                              // NFTA_SET_DESC
                      0800 0100 00000400                   // NFTA_SET_DESC_SIZE 1024
                    0800 0a00 00000003                     // NFTA_SET_ID 3
                    0a00 0d00 01 04 01000000 0000          // NFTA_SET_USERDATA: data in host byte order
                    0c00 0b00 000000000000ea60             // NFTA_SET_TIMEOUT 60000
                    0800 0c00 000003e8                     // NFTA_SET_GC_INTERVAL 1000
                    """))
    }

    /// Only ranges of several fields are concatenations to the kernel.
    @Test func flagsOfIntervals() {
        #expect(NftSet("s", NftType(.ipv4), isInterval: true).flags == 0x4)
        #expect(NftSet("s", NftType(.ipv4, .port), isInterval: true).flags == 0x84)
        #expect(NftSet("s", NftType(.ipv4, .port)).flags == 0)
    }

    @Test func anElementWithATimeoutAndAComment() {
        let element = NftSetElement(
            NftElement(key: [10, 0, 0, 1], data: .verdict(.accept), comment: "a"), timeout: 30_000)
        #expect(
            built { _ = $0.addElements([element], to: "m", of: table, exclusive: true) }
                == hex(
                    """
                    5c000000 0c0a 0106 07000000 00000000  // NFT_MSG_NEWSETELEM, REQUEST | EXCL | CREATE
                    01 00 0000
                    0600 0100 7400 0000                    // NFTA_SET_ELEM_LIST_TABLE "t"
                    0600 0200 6d00 0000                    // NFTA_SET_ELEM_LIST_SET "m"
                    3800 0380                              // NFTA_SET_ELEM_LIST_ELEMENTS
                      3400 0180                            // NFTA_LIST_ELEM
                        0c00 0180                          // NFTA_SET_ELEM_KEY
                          0800 0100 0a000001               // NFTA_DATA_VALUE 10.0.0.1
                        1000 0280                          // NFTA_SET_ELEM_DATA
                          0c00 0280                        // NFTA_DATA_VERDICT
                            0800 0100 00000001             // NFTA_VERDICT_CODE NF_ACCEPT
                        0800 0600 00 02 6100               // NFTA_SET_ELEM_USERDATA: comment "a"
                        0c00 0400 0000000000007530         // NFTA_SET_ELEM_TIMEOUT 30000
                    """))
    }

    @Test func aRangeOfOneFieldIsItsFirstKeyAndTheOneBehindIt() {
        let first = NftElement(key: [10, 0, 0, 0], comment: "a")
        #expect(
            NftSetElement.range(first, through: [10, 255, 255, 255])
                == [NftSetElement(first), NftSetElement(NftElement(key: [11, 0, 0, 0]), isRangeEnd: true)])
        #expect(
            NftSetElement.range(NftElement(key: [0, 80]), through: [0, 80]).last
                == NftSetElement(NftElement(key: [0, 81]), isRangeEnd: true))
        let rest = NftElement(key: [240, 0, 0, 0])
        #expect(NftSetElement.range(rest, through: [255, 255, 255, 255]) == [NftSetElement(rest)])
    }

    @Test func everyElementIsReadBack() throws {
        for keyEnd in [nil, [9, 9, 9, 9]] as [[UInt8]?] {
            for data in [nil, .value([1, 2, 3, 4]), .verdict(.drop), .verdict(.goto("c"))] as [NftData?] {
                for (timeout, expiration) in [(nil, nil), (1, nil), (UInt64.max, 5)] as [(UInt64?, UInt64?)] {
                    for isEnd in [false, true] {
                        let element = NftSetElement(
                            NftElement(key: [1, 2, 3, 4], keyEnd: keyEnd, data: data, comment: "a/b"),
                            timeout: timeout, expiration: expiration, isRangeEnd: isEnd)
                        let octets = built { _ = $0.addElements([element], to: "m", of: table) }
                        let message = try #require(Message.parse(octets[...])?.first)
                        #expect(NftSetElement.list(message) == [element])
                    }
                }
            }
        }
    }

    /// An attribute's length has 16 bits: the list goes on in the next message, and no element is lost or cut.
    @Test func manyElementsTakeSeveralMessages() throws {
        let comment = String(repeating: "c", count: NftElement.maximumCommentLength)
        let elements = (0..<2000).map { number in
            NftSetElement(
                NftElement(key: withUnsafeBytes(of: UInt32(number).bigEndian) { Array($0) }, comment: comment))
        }
        var builder = MessageBuilder()
        var rest = elements[...]
        while !rest.isEmpty { rest = builder.addElements(rest, to: "s", of: table) }
        let messages = try #require(Message.parse(builder.bytes[...]))
        #expect((10...12).contains(messages.count))
        #expect(messages.flatMap(NftSetElement.list) == elements)
        var deletion = MessageBuilder()
        rest = elements[...]
        while !rest.isEmpty { rest = deletion.deleteElements(rest, of: "s", in: table) }
        let keys = try #require(Message.parse(deletion.bytes[...])).flatMap(NftSetElement.list).map(\.element.key)
        #expect(keys == elements.map(\.element.key))
    }

    @Test func addCounter() throws {
        let counter = NftNamedCounter("hits", NftCounter(packets: 3, octets: 180), comment: "a")
        let octets = built { $0.addCounter(counter, to: table) }
        #expect(
            octets
                == hex(
                    """
                    54000000 120a 0104 07000000 00000000  // NFT_MSG_NEWOBJ, REQUEST | CREATE
                    01 00 0000
                    0600 0100 7400 0000                    // NFTA_OBJ_TABLE "t"
                    0900 0200 6869747300 000000            // NFTA_OBJ_NAME "hits"
                    0800 0300 00000001                     // NFTA_OBJ_TYPE NFT_OBJECT_COUNTER
                    1c00 0480                              // NFTA_OBJ_DATA
                      0c00 0100 00000000000000b4           // NFTA_COUNTER_BYTES 180
                      0c00 0200 0000000000000003           // NFTA_COUNTER_PACKETS 3
                    0800 0800 00 02 6100                   // NFTA_OBJ_USERDATA: comment "a"
                    """))
        #expect(NftNamedCounter(try #require(Message.parse(octets[...])?.first)) == counter)
        #expect(
            built { $0.getCounter("hits", of: table, resets: true) }
                == hex(
                    """
                    30000000 150a 0100 07000000 00000000  // NFT_MSG_GETOBJ_RESET
                    01 00 0000
                    0600 0100 7400 0000  0900 0200 6869747300 000000  0800 0300 00000001
                    """))
    }

    @Test func messagesAreFoundByTheirNumbers() {
        var builder = MessageBuilder(firstSequence: .max - 1)
        for _ in 0..<4 { builder.getGeneration() }
        #expect(builder.sequences == [.max - 1, .max, 0, 1])
        for (position, number) in builder.sequences.enumerated() { #expect(builder.position(of: number) == position) }
        for number: UInt32 in [2, 3, .max - 2, 1 << 31] { #expect(builder.position(of: number) == nil) }
        #expect(MessageBuilder().position(of: 1) == nil)
    }
}
