import Addresses
import Testing

@testable import NetlinkCodec

private func message(_ datagram: [UInt8]) throws -> Message { try #require(Message.parse(datagram[...])?.first) }

private func only<Expression: NftEncodable>(_ datagram: [UInt8], _ type: Expression.Type) throws -> Expression {
    let rule = try #require(NftListedRule(try message(datagram)))
    let found = rule.expressions(type)
    try #require(found.count == 1)
    return found[0]
}

/// What other programs have made is read as what it is.
@Suite(.enabled(if: isLittleEndian)) struct CapturedNodeTests {
    @Test func aVXLANDevice() throws {
        let device = try #require(VXLANLink(try message(CapturedNode.vxlan)))
        var expected = VXLAN(id: 42, local: IPAddress("192.168.7.1"), underlay: 3, port: 8472)
        expected.ttl = 9
        expected.underlay = device.vxlan.underlay
        #expect(device.vxlan == expected && device.vxlan.underlay != nil)
        #expect(device.link.name == "vx4" && device.link.mac == MACAddress("02:00:00:00:00:2a"))
        #expect(VXLANLink(try message(Captured.bridge)) == nil)
    }

    @Test func aForwardingEntryOfATunnel() throws {
        let entry = try #require(TunnelEntry(try message(CapturedNode.tunnelEntry)))
        let expected = TunnelEntry(
            MACAddress("02:00:00:00:00:99")!, at: IPAddress("192.168.7.3")!, interface: entry.interface, id: 77,
            port: 4790)
        #expect(entry == expected)
    }

    @Test func routes() throws {
        let entries = try #require(Message.parse(CapturedNode.routes[...])).compactMap { RouteEntry($0) }
        #expect(
            entries.map(\.route.destination) == ["10.102.0.0/16", "10.103.0.0/16", "10.105.0.0/16"].map { CIDR($0)! })
        #expect(entries.map(\.type) == [.unicast, .blackhole, .unicast])
        #expect(entries.allSatisfy { $0.route.origin == 77 && !$0.hasOtherNextHops })
        let encapsulation = try #require(entries[0].encapsulation)
        #expect(encapsulation.destination == IPAddress("192.168.7.9") && encapsulation.ttl == 11)
        #expect(encapsulation.source == IPAddress("192.168.7.1") && encapsulation.id == 77)
        #expect(encapsulation.flags == .key)
        #expect(entries[2].route.gateway == IPAddress("fe80::9") && entries[2].encapsulation == nil)
    }

    @Test func expressions() throws {
        let number = try only(CapturedNode.numberGenerator, NftNumberGenerator.self)
        #expect(number == NftNumberGenerator(.random, modulus: 3, offset: 1))
        let hash = try only(CapturedNode.hash, NftHash.self)
        #expect(hash.modulus == 8 && hash.offset == 2)
        guard case .octets(_, let length, let seed) = hash.source else { throw Unexpected() }
        #expect(length == 8 && seed == 1)
        #expect(
            try only(CapturedNode.fib, NftFIB.self) == NftFIB(.interface, of: [.source, .inputInterface, .exists]))
        #expect(try only(CapturedNode.tuple, NftConnectionTuple.self) == NftConnectionTuple(.sourceIPv4))
        #expect(try only(CapturedNode.tuple, NftConnectionMark.self) == NftConnectionMark())
        let statements = CapturedNode.statements
        #expect(try only(statements, NftNoTrack.self) == NftNoTrack())
        #expect(
            try only(statements, NftLog.self) == NftLog(group: 7, prefix: "a: ", snapLength: 96, queueThreshold: 20))
        #expect(
            try only(statements, NftLimit.self) == NftLimit(10, perSeconds: 60, burst: 20, isOver: true))
        #expect(try only(statements, NftCounter.self) == NftCounter(packets: 5, octets: 300))
        #expect(try only(statements, NftCounterReference.self) == NftCounterReference("hits"))
        let update = try only(CapturedNode.update, NftSetUpdate.self)
        #expect(update.operation == .update && update.set == "affinity" && update.timeout == 600_000)
        #expect(update.data != nil && update.data != update.key)
        #expect(try only(CapturedNode.reset, NftReject.self) == .tcpReset)
    }

    @Test func translations() throws {
        let translation = try only(CapturedNode.translation, NftTranslation.self)
        #expect(translation.side == .destination && translation.family == .ip && translation.flags == .persistent)
        #expect(translation.address == .first && translation.port != nil)
        #expect(translation.lastAddress == nil && translation.lastPort == nil)
        let redirect = try only(CapturedNode.redirect, NftRedirect.self)
        #expect(redirect.flags == .random && redirect.port != nil && redirect.lastPort != nil)
        let masquerade = try only(CapturedNode.masquerade, NftMasquerade.self)
        #expect(masquerade.flags == .fullyRandom && masquerade.port != nil && masquerade.lastPort != nil)
    }

    @Test func setsElementsAndCounters() throws {
        let options = try #require(NftSetOptions(try message(CapturedNode.set)))
        #expect(options == NftSetOptions(hasTimeouts: true, timeout: 60_000, isDynamic: true, size: 1024))
        let element = try #require(NftSetElement.list(try message(CapturedNode.element)).first)
        #expect(element.element.key == [10, 0, 0, 1, 0, 80, 0, 0] && element.element.comment == "a/b")
        #expect(element.element.data == .value([5, 0, 0, 0]))
        #expect(element.timeout == 30_000)
        let left = try #require(element.expiration)
        #expect((1...30_000).contains(left))
        let range = NftSetElement.list(try message(CapturedNode.range))
        // nft puts an end of ranges at the lowest address as well, before which there is none.
        let lowest = NftSetElement(NftElement(key: [0, 0, 0, 0]), isRangeEnd: true)
        let expected = NftSetElement.range(NftElement(key: [10, 0, 0, 0]), through: [10, 255, 255, 255])
        #expect(Set(range) == Set(expected + [lowest]))
        #expect(
            NftNamedCounter(try message(CapturedNode.counter))
                == NftNamedCounter("hits", NftCounter(packets: 3, octets: 180)))
    }
}

private struct Unexpected: Error {}
