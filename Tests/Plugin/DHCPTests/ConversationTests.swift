import Addresses
import CNI
import Posix
import Testing
import TestSupport

@testable import DHCP

/// What is said on the socket, against what Go's net/rpc (1.19) says: captured from a client and a server with the types of
/// the reference plugins 1.1.
@Suite struct ConversationTests {
    static let call = hex(
        """
        2f ff81 03 01 01 07 52657175657374 01 ff82 00 01 02         // type Request: two fields
        01 0d 536572766963654d6574686f64 01 0c 00                   // ServiceMethod string
        01 03 536571 01 06 00 00 00                                 // Seq uint
        12 ff82 01 0d 444843502e416c6c6f63617465 00                 // DHCP.Allocate, 0
        5a ff83 03 01 01 07 436d6441726773 01 ff84 00 01 06         // type CmdArgs: six fields
        01 0b 436f6e7461696e65724944 01 0c 00  01 05 4e65746e73 01 0c 00  01 06 49664e616d65 01 0c 00
        01 04 41726773 01 0c 00  01 04 50617468 01 0c 00  01 09 537464696e44617461 01 0a 00 00 00
        20 ff84 01 03 706f64 01 0c 2f72756e2f6e65746e732f61 01 04 65746830 03 02 7b7d 00
        """)
    static let second = hex("13 ff82 01 0c 444843502e52656c65617365 01 01 00  08 ff84 01 03 706f64 00")
    static let answer = hex(
        """
        3aff8503010108526573706f6e736501ff86000103010d536572766963654d6574686f64010c00010353657101060001054572726f72010c000000
        12ff86010d444843502e416c6c6f6361746500
        51ff8703010106526573756c7401ff88000105010a434e4956657273696f6e010c00010a496e746572666163657301ff8c000103495073
        01ff92000106526f7574657301ff96000103444e5301ff98000000
        20ff8b020101115b5d2a6d61696e2e496e7465726661636501ff8c0001ff8a0000
        29ff89030102ff8a00010301044e616d65010c0001034d6163010c00010753616e64626f78010c000000
        1fff91020101105b5d2a6d61696e2e4950436f6e66696701ff920001ff8e0000
        33ff8d030102ff8e0001030109496e7465726661636501040001074164647265737301ff9000010747617465776179010a000000
        23ff8f0301010549504e657401ff9000010201024950010a0001044d61736b010a000000
        1cff950201010d5b5d2a6d61696e2e526f75746501ff960001ff940000
        1cff93030102ff94000102010344737401ff900001024757010a000000
        46ff9703010103444e5301ff98000104010b4e616d657365727665727301ff9a000106446f6d61696e010c00010653656172636801ff9a
        0001074f7074696f6e7301ff9a000000
        16ff99020101085b5d737472696e6701ff9a00010c0000
        33ff8803010201040a0102030104ffffff000001040a010201000101010104000000000104000000000001040a01020100010000
        """)

    @Test func aGoClientsCallsAreUnderstood() throws {
        var conversation = ServerConversation()
        let (calls, output) = try conversation.receive(RPC.greeting + Self.call + Self.second)
        #expect(output == Array("HTTP/1.0 200 Connected to Go RPC\n\n".utf8))
        #expect(calls.map(\.method) == ["DHCP.Allocate", "DHCP.Release"] && calls.map(\.number) == [0, 1])
        #expect(calls[0].arguments.containerID == "pod" && calls[0].arguments.netns == "/run/netns/a")
        #expect(calls[0].arguments.ifname == "eth0" && calls[0].arguments.configuration == Array("{}".utf8))
        #expect(calls[1].arguments.containerID == "pod" && calls[1].arguments.netns == "")
    }

    @Test func callsAreUnderstoodHoweverTheyAreCutUp() throws {
        var conversation = ServerConversation()
        var methods: [String] = []
        for octet in RPC.greeting + Self.call + Self.second {
            methods += try conversation.receive([octet]).calls.map(\.method)
        }
        #expect(methods == ["DHCP.Allocate", "DHCP.Release"])
    }

    @Test func aGoServersAnswerIsUnderstood() throws {
        var decoder = GobDecoder()
        var received = Self.answer
        let header = try #require(try decoder.next(&received, limit: 4096))
        #expect(header["ServiceMethod"]?.text == "DHCP.Allocate" && header["Error"] == nil)
        let result = try CNIResult(#require(try decoder.next(&received, limit: 4096)))
        #expect(result.ips == [.init(address: CIDR("10.1.2.3/24")!, gateway: IPAddress("10.1.2.1"))])
        #expect(result.routes == [.init(destination: CIDR("0.0.0.0/0")!, gateway: IPAddress("10.1.2.1"))])
        #expect(received.isEmpty)
    }

    /// The same octets as Go's, which a Go server has understood.
    @Test func ourCallIsWrittenAsGosIs() {
        var encoder = GobEncoder()
        var arguments = CallArguments()
        arguments.containerID = "pod"
        arguments.netns = "/run/netns/a"
        arguments.ifname = "eth0"
        arguments.configuration = Array("{}".utf8)
        let header = GobValue.fields(["ServiceMethod": .text("DHCP.Allocate"), "Seq": .uint(0)])
        #expect(
            encoder.encode(header, as: RPC.request) + encoder.encode(arguments.gob, as: RPC.arguments) == Self.call)
    }

    @Test func resultsComeBackAsTheyWere() throws {
        let result = CNIResult(
            ips: [.init(address: CIDR("192.168.200.7/22")!, gateway: IPAddress("192.168.200.1"))],
            routes: [
                .init(destination: CIDR("0.0.0.0/0")!, gateway: IPAddress("192.168.200.1"), priority: 300),
                .init(destination: CIDR("10.0.0.0/8")!),
            ], dns: .init(nameservers: ["1.1.1.1", "2.2.2.2"], domain: "lan"))
        var encoder = GobEncoder()
        var decoder = GobDecoder()
        // Twice: types are described once.
        for _ in 0..<2 {
            var octets = encoder.encode(result.gob, as: RPC.result)
            #expect(try CNIResult(#require(try decoder.next(&octets, limit: 65536))) == result)
        }
    }

    @Test func numbersAreThoseOfTheGobSpecification() {
        #expect(GobEncoder.uint(7) == [7] && GobEncoder.uint(256) == [0xfe, 1, 0])
        #expect(GobEncoder.int(-129) == [0xfe, 1, 1] && GobEncoder.int(-65) == [0xff, 0x81])
    }

    @Test func anotherProtocolIsHungUpOn() {
        for greeting in ["GET / HTTP/1.1\r\n\r\n", String(repeating: "x", count: 5000)] {
            var conversation = ServerConversation()
            #expect(throws: Failure.self) { try conversation.receive(Array(greeting.utf8)) }
        }
        var conversation = ServerConversation()
        #expect(throws: Failure.self) { try conversation.receive(RPC.greeting + [0xfc, 0x7f, 0xff, 0xff, 0xff]) }
    }

    @Test func whateverComesNothingTraps() {
        var random = SplitMix64(seed: 3)
        var refused = 0
        for _ in 0..<20_000 {
            var octets = Bool.random(using: &random) ? Self.call : Self.answer
            for _ in 0..<(1 + random.next() % 4) {
                octets[Int(random.next() % UInt64(octets.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            var decoder = GobDecoder()
            do {
                while let value = try decoder.next(&octets, limit: 4096) {
                    _ = try? CNIResult(value)
                    _ = CallArguments(value)
                }
            } catch { refused += 1 }
        }
        #expect(refused > 1000)
    }
}
