import TestSupport

@testable import NetlinkCodec

extension Captured {
    /// Expressions of rules that nft 1.0.6 has made, as Linux 6.18 lists them.
    static let expressions: [([UInt8], NftListedExpression)] = [
        (
            hex("090001006d657461000000001400020008000200000000030800030000000001"),
            .setMeta(.mark, from: .first)
        ),
        (
            hex("090001006d657461000000001400020008000200000000030800010000000001"),
            .meta(.mark, into: .first)
        ),
        (
            hex("0e000100696d6d6564696174650000001800020008000100000000010c0002000800010005000000"),
            .immediate(.value([5, 0, 0, 0]), into: .first)
        ),
        (
            hex(
                """
                0c00010062697477697365003c00020008000100000000010800020000000001080003000000000408000600000000000c00
                040008000100ff0000000c0005000800010000000000
                """),
            .bitwise(keeping: [255, 0, 0, 0], flipping: [0, 0, 0, 0], from: .first, into: .first)
        ),
        (
            hex(
                """
                0e000100627974656f726465720000002c000200080001000000000108000200000000010800030000000001080004000000
                00040800050000000004
                """),
            .byteOrder(toNetwork: true, length: 4, size: 4, from: .first, into: .first)
        ),
        (
            hex("08000100636d700020000200080001000000000108000200000000050c0003000800010000000001"),
            .compare(.greaterOrEqual, [0, 0, 0, 1], .first)
        ),
        (
            hex("0c000100636f756e746572001c0002000c00010000000000000000020c0002000000000000000001"),
            .counter(packets: 1, octets: 2)
        ),
        (
            hex(
                """
                0c0001007061796c6f616400240002000800010000000001080002000000000208000300000000020800040000000002
                """),
            .payload(.transport, offset: 2, length: 2, into: .first)
        ),
        (
            hex(
                """
                0a00010072616e67650000002c000200080001000000000108000200000000010c00030006000100000100000c0004000600
                010004000000
                """),
            .range(isInside: false, first: [0, 1], last: [4, 0], .first)
        ),
        (
            hex(
                """
                0c0001007061796c6f6164003c00020008000500000000010800020000000001080003000000000008000400000000020800
                060000000001080007000000000a0800080000000000
                """),
            .setPayload(.network, offset: 0, length: 2, from: .first, NftChecksum(type: 1, offset: 10, flags: 0))
        ),
        (
            hex("0b00010072656a65637400000c0002000800010000000001"),
            .reject(type: 1, code: nil)
        ),
        (
            hex("07000100637400001400020008000100000000010800020000000000"),
            .connection(.state, direction: nil, into: .first)
        ),
        (
            hex("07000100637400001400020008000400000000010800020000000003"),
            .setConnection(.mark, direction: nil, from: .first)
        ),
        (
            hex("07000100637400001c000200080001000000000108000200000000130500030000000000"),
            .connection(.sourceIPv4, direction: 0, into: .first)
        ),
        (
            hex("0c0001006e6f747261636b00"),
            .noTrack
        ),
        (
            hex("08000100666962001c000200080001000000000108000200000000030800030000000002"),
            .fib(.addressType, .destination, into: .first)
        ),
        (
            hex(
                """
                0a0001006c696d6974000000340002000c00010000000000000000050c000200000000000000000108000300000000070800
                0400000000000800050000000001
                """),
            .limit(rate: 5, unit: 1, burst: 7, type: 0, inverted: true)
        ),
        (
            hex(
                """
                0b0001006c6f6f6b7570000024000200060001006d000000080002000000000108000300000000000800050000000000
                """),
            .lookup("m", inverted: false, .first, into: .verdict)
        ),
        (
            hex("0b0001006c6f6f6b757000001c0002000800010064796e0008000200000000010800050000000000"),
            .lookup("dyn", inverted: false, .first, into: nil)
        ),
        (
            hex(
                """
                0e000100696d6d6564696174650000002800020008000100000000001c0002001800020008000100fffffffc0a0002006f74
                686572000000
                """),
            .immediate(.verdict(.goto("other")), into: .verdict)
        ),
        (
            hex(
                """
                0b00010064796e736574000074000200080004000000000108000300000000010800010064796e000c000600000000000000
                0000440007000a0001006c696d6974000000340002000c00010000000000000000030c000200000000000000003c08000300
                00000005080004000000000008000500000000000800090000000000
                """),
            .dynamicSet(
                "dyn", operation: 1, key: .first, data: nil, timeout: 0, inverted: false,
                [.limit(rate: 3, unit: 60, burst: 5, type: 0, inverted: false)])
        ),
        (
            hex(
                """
                0a00010071756f7461000000240002000c00010000000000005000000c00040000000000000000000800020000000001
                """),
            .quota(5 << 20, consumed: 0, flags: 1)
        ),
        (
            hex("0e000100636f6e6e6c696d69740000001400020008000100000000030800020000000001"),
            .connectionLimit(3, inverted: true)
        ),
        (
            hex("0b0001006f626a72656600001400020006000200710000000800010000000002"),
            .object(type: .quota, "q")
        ),
        (
            hex("080001006c6f67001400020007000200782000000800050000000004"),
            .record("log", hex("0700020078200000 0800050000000004"))
        ),
        (
            hex(
                """
                0b0001006e756d67656e0000240002000800010000000001080002000000000408000300000000010800040000000000
                """),
            .load(
                "numgen", hex("0800010000000001 0800020000000004 0800030000000001 0800040000000000"), into: .first)
        ),
        (
            hex(
                """
                0900010068617368000000002c00020008000100000000020800020000000001080003000000000408000400000000040800
                070000000000
                """),
            .load(
                "hash",
                hex(
                    """
                    0800010000000002 0800020000000001 0800030000000004 0800040000000004 0800070000000000
                    """), into: .first)
        ),
        (
            hex("0b000100736f636b657400001400020008000100000000000800020000000001"),
            .load("socket", hex("0800010000000000 0800020000000001"), into: .first)
        ),
        (
            hex(
                """
                080001006e6174003c0002000800010000000001080002000000000208000300000000010800040000000001080005000000
                000208000600000000020800070000000003
                """),
            .nat(translation(true, address: .first, last: .first, port: .word(4), flags: 3))
        ),
        (
            hex("0a00010072656469720000001c000200080001000000000108000200000000010800030000000002"),
            .redirect(flags: 2, port: .first, lastPort: .first)
        ),
        (
            hex("090001006d617371000000000c0002000800010000000010"),
            .masquerade(flags: 16, port: nil, lastPort: nil)
        ),
        (
            hex(
                """
                080001006e6174002c0002000800010000000000080002000000000208000300000000010800040000000002080007000000
                0005
                """),
            .nat(translation(false, address: .first, last: .word(4), flags: 5))
        ),
    ]

    private static func translation(
        _ isDestination: Bool, address: NftRegister, last: NftRegister? = nil, port: NftRegister? = nil, flags: UInt32
    ) -> NftListedTranslation {
        var translation = NftListedTranslation(isDestination: isDestination, .ip, address: address, port: port)
        translation.lastAddress = last
        translation.lastPort = port
        translation.flags = flags
        return translation
    }
}
