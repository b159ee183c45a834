import Addresses
import Testing
import TestSupport

@testable import NetlinkCodec

/// Reads a datagram in every way that there is. Whatever it holds: nothing may trap.
private func readEverything(_ datagram: ArraySlice<UInt8>) {
    guard let messages = Message.parse(datagram) else { return }
    for message in messages { readEverything(message) }
}

private func readEverything(_ message: Message) {
    if let link = Link(message) { _ = (link.name, link.isUp, link.mac?.description) }
    if let address = InterfaceAddress(message) { _ = (address.address.description, address.isUsable) }
    if let route = Route(message) { _ = route.description }
    if let rule = RoutingRule(message) { _ = rule.source?.network }
    if let neighbour = Neighbour(message) { _ = neighbour.address.description }
    if let status = LinkStatus(message) { _ = status.counters?.fromOtherEnd }
    _ = NamespaceID(message)?.number
    if let answer = RouteAnswer(message) { _ = (answer.gateway?.description, answer.mtu) }
    if let entry = ForwardingEntry(message) { _ = entry.mac.description }
    if let event = NftTraceEvent(message) { _ = (event.table.description, event.verdict) }
    for element in NftListedElement.list(message) { _ = (element.key, element.data, element.comment) }
    if let rule = NftListedRule(message) { _ = rule.expressions.map { $0.name } }
    readWhatNodesNeed(message)
    if let port = PortVLANs(message) { _ = port.vlans }
    if let qdisc = Qdisc(message) { _ = (qdisc.tokenBucket, qdisc.serves(TokenBucket(rate: 1, burst: .max, limit: 1))) }
    if let filter = TrafficFilter(message) { _ = (filter.matchesEverything, filter.redirection) }
    if let connection = Connection(message) {
        _ = (connection.original.description, connection.reply.family)
        var builder = MessageBuilder()
        builder.deleteConnection(connection)
    }
    if let statistics = ConnectionStatistics(message) { _ = statistics.entries }
    if let answer = Acknowledgement(message) { _ = answer.text }
    let attributes = Attributes(message.payload)
    for (type, value) in zip(attributes.types, attributes.all) {
        _ = (value.uint8, value.uint16, value.uint32, value.uint64, value.text)
        _ = attributes.nested(type).types
    }
}

private func readWhatNodesNeed(_ message: Message) {
    if let device = VXLANLink(message) { _ = (device.link.name, device.vxlan.local?.description) }
    if let entry = TunnelEntry(message) { _ = (entry.mac.description, entry.destination?.description) }
    if let entry = RouteEntry(message) {
        var builder = MessageBuilder()
        builder.addRoute(entry)
    }
    // Of the others nothing looks at the type.
    guard message.type >= 0x100 else { return }
    _ = (NftSetOptions(message), NftNamedCounter(message)?.comment)
    var builder = MessageBuilder()
    _ = builder.addElements(NftSetElement.list(message)[...], to: "s", of: NftTable(.inet, "t"))
    guard let rule = NftListedRule(message) else { return }
    _ = (rule.expressions(NftNumberGenerator.self), rule.expressions(NftHash.self), rule.expressions(NftFIB.self))
    _ = (rule.expressions(NftConnectionTuple.self), rule.expressions(NftConnectionMark.self))
    _ = (rule.expressions(NftNoTrack.self), rule.expressions(NftReject.self), rule.expressions(NftLog.self))
    _ = (rule.expressions(NftLimit.self), rule.expressions(NftCounter.self))
    _ = (rule.expressions(NftCounterReference.self), rule.expressions(NftTranslation.self))
    _ = (rule.expressions(NftMasquerade.self), rule.expressions(NftRedirect.self), rule.expressions(NftSetUpdate.self))
}

/// The same octets for every kind of message that something here reads.
private func readAsEveryType(_ datagram: [UInt8]) {
    readEverything(datagram[...])
    guard datagram.count >= 16 else { return }
    for type: UInt16 in [2, 3, 16, 17, 20, 24, 28, 36, 44, 0x100, 0x105, 0xa00, 0xa09, 0xa11, 0xa12] {
        let flags: UInt16 = type < 16 ? 0x300 : 0
        readEverything(Message(type: type, flags: flags, sequence: 1, payload: datagram[16...]))
        readEverything(Message(type: type, flags: 0x200, sequence: 1, payload: datagram[16...]))
    }
}

@Suite struct RobustnessTests {
    @Test func randomOctetsNeverTrap() {
        var random = SplitMix64(seed: 20)
        for _ in 0..<20_000 { readAsEveryType(random.bytes(Int.random(in: 0...96, using: &random))) }
    }

    @Test func everyTruncationOfEveryAnswerIsReadWithoutTrapping() {
        for datagram in Captured.all + CapturedNode.all {
            for length in 0...datagram.count { readAsEveryType(Array(datagram[..<length])) }
        }
    }

    /// A datagram cut within a message is no datagram: half an answer is not taken for a whole one.
    @Test func aTruncatedDatagramIsRefused() {
        for length in 1..<Captured.port.count {
            #expect(Message.parse(Captured.port[..<length]) == nil)
        }
        #expect(Message.parse([])?.isEmpty == true)
    }

    @Test func everyLengthInAHeaderIsTakenOrRefused() {
        let size = Captured.noSuchLink.count
        for length in 0...65535 {
            var datagram = Captured.noSuchLink
            datagram[0] = UInt8(length & 0xff)
            datagram[1] = UInt8(length >> 8)
            // What is left over behind a shorter message is no message: its length leads outside.
            if let messages = Message.parse(datagram[...]) {
                #expect((16...size).contains(length))
                messages.forEach(readEverything)
            } else if length == size {
                Issue.record("the true length is refused")
            }
        }
        for length: UInt32 in [.max, .max - 1, .max - 3, 1 << 31, 1 << 31 - 1, 65536] {
            var builder = MessageBuilder()
            builder.append(length)
            #expect(Message.parse((builder.bytes + [UInt8](repeating: 0, count: 60))[...]) == nil)
        }
    }

    @Test func everyLengthOfAnAttributeIsTakenOrLeftOut() {
        for length in 0...65535 {
            let bytes = [UInt8(length & 0xff), UInt8(length >> 8), 3, 0] + [UInt8](repeating: 0x41, count: 28)
            let attributes = Attributes(bytes[...])
            let expected = (4...32).contains(length) ? length - 4 : nil
            guard attributes[3]?.bytes.count == expected else {
                Issue.record("length \(length)")
                continue
            }
        }
    }

    @Test func everyLengthOfTheRepeatedRequestIsTakenOrGivesNoText() {
        for length in 0...65535 {
            var datagram = Captured.refusedWhole
            datagram[20] = UInt8(length & 0xff)
            datagram[21] = UInt8(length >> 8)
            guard let answer = Message.parse(datagram[...]).flatMap({ Acknowledgement($0[0]) }) else {
                Issue.record("the error itself is readable with \(length)")
                continue
            }
            if answer.errorNumber != 22 { Issue.record("the error with \(length)") }
            if (37...40).contains(length) { #expect(answer.text == "mtu less than device minimum") }
        }
    }

    @Test func everyChangedOctetOfEveryAnswerIsReadWithoutTrapping() {
        var random = SplitMix64(seed: 21)
        for datagram in Captured.all + CapturedNode.all {
            for position in datagram.indices {
                for octet in [0, 0xff, UInt8(truncatingIfNeeded: random.next())] {
                    var changed = datagram
                    changed[position] = octet
                    readEverything(changed[...])
                }
            }
        }
    }

    @Test func theEndOfARangeOfVLANsWithoutItsBeginningIsNotFatal() {
        var builder = MessageBuilder()
        builder.append(UInt32(7))
        for _ in 0..<3 { builder.append(UInt32(0)) }
        builder.nested(IFLA.afSpec) {
            $0.attribute(IFLA.bridgeVlanInfo, [0x10, 0, 9, 0])
            $0.attribute(IFLA.bridgeVlanInfo, [0x10, 0, 3, 0])
            $0.attribute(IFLA.bridgeVlanInfo, [0x10, 0])
        }
        let message = Message(type: RouteMessageType.newLink, flags: 0, sequence: 0, payload: builder.bytes[...])
        let vlans = PortVLANs(message)?.vlans
        #expect(vlans?.allSatisfy { $0.first <= $0.last } == true)
    }

    @Test(arguments: [1, 2, 4095, 4096, -4096, Int32.max, Int32.min] as [Int32])
    func onlyANegatedErrorNumberIsOne(_ number: Int32) {
        var builder = MessageBuilder()
        builder.append(number)
        for _ in 0..<4 { builder.append(UInt32(0)) }
        let message = Message(type: Message.errorType, flags: 0, sequence: 0, payload: builder.bytes[...])
        #expect(Acknowledgement(message) == nil)
    }

    @Test func prefixesLongerThanTheFamilyAreRefused() {
        for length in 0...255 {
            var address = MessageBuilder()
            for octet in [2, UInt8(length), 0, 0, 20, 0, 0, 0] as [UInt8] { address.append(octet) }
            address.attribute(IFA.local, [10, 1, 0, 5])
            let message = Message(
                type: RouteMessageType.newAddress, flags: 0, sequence: 0, payload: address.bytes[...])
            #expect((InterfaceAddress(message) != nil) == (length <= 32))
        }
    }
}
