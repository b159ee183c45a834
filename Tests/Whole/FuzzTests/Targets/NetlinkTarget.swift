import Addresses

@testable import NetlinkCodec

extension FuzzTarget {
    /// A datagram of the kernel, and its content as that of every kind of message that something here reads.
    static let netlink = FuzzTarget(name: "netlink") { octets in
        for message in Message.parse(octets[...]) ?? [] { try read(message) }
        guard octets.count >= Message.headerSize else { return }
        let payload = octets[Message.headerSize...]
        for type in readTypes {
            try read(Message(type: type, flags: 0x300, sequence: 1, payload: payload))
            try read(Message(type: type, flags: 0x200, sequence: 1, payload: payload))
        }
    }

    /// Control, links, addresses, routes, neighbours, rules, queueing, filters, connection tracking, nf_tables.
    private static let readTypes: [UInt16] = [
        2, 3, 16, 17, 20, 24, 28, 32, 36, 44, 0x100, 0x105, 0xa00, 0xa09, 0xa11, 0xa12,
    ]

    private static func read(_ message: Message) throws {
        if let link = Link(message) { _ = (link.name, link.isUp, link.mac?.description, link.isActivePort) }
        if let address = InterfaceAddress(message) { _ = (address.address.description, address.isUsable) }
        if let route = Route(message) { _ = route.description }
        if let rule = RoutingRule(message) { _ = rule.source?.description }
        if let neighbour = Neighbour(message) { _ = neighbour.address.description }
        if let status = LinkStatus(message) { _ = status.counters?.fromOtherEnd }
        _ = NamespaceID(message)?.number
        if let answer = RouteAnswer(message) { _ = (answer.gateway?.description, answer.source?.description) }
        if let entry = ForwardingEntry(message) { _ = entry.mac.description }
        if let port = PortVLANs(message) {
            try require(port.vlans.allSatisfy { $0.first <= $0.last }, "VLANs \(port.vlans)")
        }
        if let qdisc = Qdisc(message) {
            _ = (qdisc.tokenBucket, qdisc.serves(TokenBucket(rate: 1, burst: .max, limit: 1)))
        }
        if let filter = TrafficFilter(message) { _ = (filter.matchesEverything, filter.redirection) }
        if let connection = Connection(message) {
            var builder = MessageBuilder()
            builder.deleteConnection(connection)
            _ = (connection.original.description, connection.reply.family)
        }
        _ = ConnectionStatistics(message)?.entries
        if let answer = Acknowledgement(message) {
            try require((0..<4096).contains(answer.errorNumber), "error number \(answer.errorNumber)")
        }
        try readRules(message)
        try readWhatNodesNeed(message)
        let attributes = Attributes(message.payload)
        for (type, value) in zip(attributes.types, attributes.all) {
            _ = (value.uint8, value.bigEndian16, value.bigEndian32, value.bigEndian64, value.text)
            _ = attributes.nested(type).types
        }
    }

    private static func readWhatNodesNeed(_ message: Message) throws {
        if let device = VXLANLink(message) { _ = (device.link.name, device.vxlan.local?.description) }
        if let entry = TunnelEntry(message) { _ = (entry.mac.description, entry.destination?.description) }
        if let entry = RouteEntry(message) {
            var builder = MessageBuilder()
            builder.addRoute(entry)
        }
        _ = (NftSetOptions(message), NftNamedCounter(message)?.comment)
        if let rule = NftListedRule(message) {
            try readAgain(rule, NftNumberGenerator.self)
            try readAgain(rule, NftHash.self)
            try readAgain(rule, NftFIB.self)
            try readAgain(rule, NftConnectionTuple.self)
            try readAgain(rule, NftConnectionMark.self)
            try readAgain(rule, NftNoTrack.self)
            try readAgain(rule, NftReject.self)
            try readAgain(rule, NftLog.self)
            try readAgain(rule, NftLimit.self)
            try readAgain(rule, NftCounter.self)
            try readAgain(rule, NftCounterReference.self)
            try readAgain(rule, NftTranslation.self)
            try readAgain(rule, NftMasquerade.self)
            try readAgain(rule, NftRedirect.self)
            try readAgain(rule, NftSetUpdate.self)
        }
        for element in NftSetElement.list(message)
        where element.counter == nil && element.element.comment.utf8.count <= NftElement.maximumCommentLength {
            var builder = MessageBuilder()
            element.encode(&builder, keyOnly: false)
            let again = NftSetElement(Attributes(builder.bytes[...]))
            try require(again == element, "\(element) became \(again.map { "\($0)" } ?? "nothing")")
        }
    }

    /// What is read of an expression is written so that it is read as the same.
    private static func readAgain<Expression: NftEncodable>(_ rule: NftListedRule, _ type: Expression.Type) throws {
        for expression in rule.expressions(type) {
            var builder = MessageBuilder()
            expression.encode(&builder)
            let again = Expression(Attributes(builder.bytes[...]))
            try require(again == expression, "\(expression) became \(again.map { "\($0)" } ?? "nothing")")
        }
    }

    private static func readRules(_ message: Message) throws {
        _ = (NftListedChain(message), NftListedSet(message), NftGeneration(message))
        if let rule = NftListedRule(message) {
            _ = rule.target
            for expression in rule.expressions {
                var builder = MessageBuilder()
                expression.encode(&builder)
                let again = NftListedExpression(Attributes(builder.bytes[...]))
                try require(again == expression, "\(expression) became \(again)")
            }
            _ = rule.begins(with: [.meta(.transportProtocol), .compare(.equal, [6])])
        }
        _ = NftListedElement.list(message).map { $0.comment }
        if let event = NftTraceEvent(message) { _ = (event.table.description, event.verdict) }
        for element in NftElement.list(message) where element.comment.utf8.count <= NftElement.maximumCommentLength {
            var builder = MessageBuilder()
            element.encode(&builder, keyOnly: false)
            let again = NftElement(Attributes(builder.bytes[...]))
            try require(again == element, "\(element) became \(again.map { "\($0)" } ?? "nothing")")
        }
    }
}
