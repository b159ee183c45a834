import Addresses
import Testing
import TestSupport

@testable import NetlinkCodec

/// What goes to and comes from the kernel is told in the names of its headers.
@Suite(.enabled(if: isLittleEndian)) struct MessageTextTests {
    private func texts(_ build: (inout MessageBuilder) -> Void, isNetfilter: Bool = false) throws -> [MessageText] {
        var builder = MessageBuilder()
        build(&builder)
        return try #require(Message.parse(builder.bytes[...])).map { MessageText($0, isNetfilter: isNetfilter) }
    }

    @Test func aVethIsToldWithBothItsEnds() throws {
        let mac = try #require(MACAddress("02:00:00:00:00:21"))
        let text = try texts {
            $0.createVeth(VethEnd(name: "veth0"), peer: VethEnd(name: "eth0", mac: mac), mtu: 1400, master: 7)
        }[0]
        #expect(text.type == "RTM_NEWLINK" && text.flags == "request,excl,create")
        #expect(
            text.content == "family=0 type=0 index=0 flags=0 change=0 ifname=veth0 mtu=1400 master=7 "
                + "linkinfo={kind=veth data={1={family=0 type=0 index=0 flags=0 change=0 ifname=eth0 "
                + "address=02:00:00:00:00:21 mtu=1400}}}")
    }

    @Test func anAddressAndARouteAreToldAsPeopleWriteThem() throws {
        let texts = try texts {
            $0.addAddress(CIDR("10.1.0.5/16")!, to: 3, detectDuplicates: true)
            $0.addRoute(Route(to: CIDR("fd00::/64")!, via: IPAddress("fd01::1")!, interface: 3, mtu: 1400))
        }
        #expect(texts.map(\.type) == ["RTM_NEWADDR", "RTM_NEWROUTE"])
        #expect(texts[0].content.contains("prefixlen=16") && texts[0].content.contains("local=10.1.0.5"))
        for part in ["dst_len=64", "dst=fd00::", "gateway=fd01::1", "oif=3", "metrics={mtu=1400}"] {
            #expect(texts[1].content.contains(part), "\(part) in \(texts[1].content)")
        }
    }

    @Test func aQuestionIsToldFromAChange() throws {
        let texts = try texts {
            $0.dumpLinks(kind: "veth")
            $0.deleteLink(.index(7))
        }
        #expect(
            texts.map(\.type) == ["RTM_GETLINK", "RTM_DELLINK"] && texts.map(\.flags) == ["request,dump", "request"])
    }

    @Test func whatTheKernelSaysIsToldInTheSameWay() throws {
        let link = MessageText(try #require(Message.parse(Captured.port[...])?.first), isNetfilter: false)
        #expect(link.type == "RTM_NEWLINK")
        for part in ["index=20", "ifname=veth0", "master=2", "ifalias=swiftlet net/pod-1/eth0", "kind=veth"] {
            #expect(link.content.contains(part), "\(part) in \(link.content)")
        }
    }

    @Test func elementsAreToldWithWhoseTheyAre() throws {
        let table = NftTable(.inet, "swiftlet", comment: "ours")
        let name = Array("veth0".utf8) + [UInt8](repeating: 0, count: 11)
        let element = NftElement(
            key: name + [10, 0, 0, 2], data: .verdict(.goto("pod")), comment: "net/pod-1/eth0")
        let texts = try texts(
            {
                $0.beginBatch(generation: 5)
                $0.addTable(table)
                $0.addChain(NftChain("in", .init("filter", .input, priority: -10)), to: table)
                $0.addElements([element], to: "guarded", of: table, exclusive: true)
                $0.deleteElements([element], of: "guarded", in: table)
                $0.endBatch()
            }, isNetfilter: true)
        #expect(
            texts.map(\.type) == [
                "NFNL_MSG_BATCH_BEGIN", "NFT_MSG_NEWTABLE", "NFT_MSG_NEWCHAIN", "NFT_MSG_NEWSETELEM",
                "NFT_MSG_DELSETELEM", "NFNL_MSG_BATCH_END",
            ])
        #expect(texts[0].content == "family=0 version=0 generation=5")
        #expect(texts[1].content == "family=1 version=0 name=swiftlet flags=0 comment=ours")
        #expect(texts[2].content.contains("hook={hooknum=1 priority=-10} policy=1 type=filter"))
        #expect(texts[3].flags == "request,excl,create")
        #expect(
            texts[3].content == "family=1 version=0 table=swiftlet set=guarded elements={{key={veth0.0x0a000002} "
                + "data={verdict={code=-4 chain=pod}} comment=net/pod-1/eth0}}")
    }

    @Test func whatHasNoNameStandsByItsNumber() throws {
        let texts = try texts {
            $0.message(20, flags: 1) {
                for _ in 0..<8 { $0.append(UInt8(0)) }
                $0.attribute(99, [1, 2, 3, 4, 5])
            }
            $0.message(9999, flags: 1) { $0.append(UInt32(1)) }
            $0.message(16, flags: 1) { $0.append(UInt32(1)) }
        }
        #expect(texts[0].content.hasSuffix("99=0x01020304.0x05"))
        #expect(texts[1].type == "9999" && texts[1].content == "")
        // Too short for its fixed part.
        #expect(texts[2].type == "RTM_NEWLINK" && texts[2].content.hasPrefix("family="))
    }

    @Test func aBatchOfAnySizeHasAShortText() throws {
        let elements = (0..<10_000).map {
            NftElement(key: [10, 0, UInt8($0 / 256 % 256), UInt8($0 % 256)], comment: "c")
        }
        let texts = try texts(
            {
                $0.addElements(elements[...2000], to: "set", of: NftTable(.inet, "t"))
            }, isNetfilter: true)
        #expect(texts[0].content.utf8.count < 9000)
    }

    /// Whatever the octets are, nothing crashes, and nothing grows without end.
    @Test func hostileOctetsHaveAText() {
        var generator = SplitMix64(seed: 7)
        for _ in 0..<3000 {
            let count = Int.random(in: 0...200, using: &generator)
            let payload = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) & 0x3f }
            let types: [UInt16] = [16, 20, 24, 28, 32, 36, 44, 0xa00, 0xa03, 0xa06, 0xa09, 0xa0c, 0x100]
            var builder = MessageBuilder()
            builder.message(types.randomElement(using: &generator)!, flags: .random(in: 0...0xffff, using: &generator))
            {
                for octet in payload { $0.append(octet) }
            }
            for message in Message.parse(builder.bytes[...]) ?? [] {
                for isNetfilter in [false, true] {
                    #expect(MessageText(message, isNetfilter: isNetfilter).content.utf8.count < 9000)
                }
            }
        }
    }
}
