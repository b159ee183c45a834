public import Addresses

/// A DHCP message (RFC 2131, section 2), as a value.
public struct Message: Sendable, Hashable {
    /// RFC 2132, section 9.6.
    public enum Kind: UInt8, Sendable {
        case discover = 1
        case offer = 2
        case request = 3
        case decline = 4
        case acknowledge = 5
        case refuse = 6
        case release = 7
        case inform = 8
    }

    public let isReply: Bool
    public let transaction: UInt32
    /// Seconds since the client started.
    public var seconds: UInt16 = 0
    /// Whether to broadcast answers.
    public var wantsBroadcast = false
    /// `ciaddr`: the client's address, once it may use it.
    public var clientAddress = Message.unspecified
    /// `yiaddr`: the address offered to the client.
    public var offeredAddress = Message.unspecified
    public let hardwareAddress: MACAddress
    /// By code; the parts of a split option are joined (RFC 3396).
    public var options: [OptionCode: [UInt8]]

    public static let unspecified = IPAddress(.v4, 0)

    /// A message from a client.
    init(_ kind: Kind, transaction: UInt32, from hardwareAddress: MACAddress) {
        isReply = false
        self.transaction = transaction
        self.hardwareAddress = hardwareAddress
        options = [.messageType: [kind.rawValue]]
    }

    public var kind: Kind? { options[.messageType].flatMap { $0.count == 1 ? Kind(rawValue: $0[0]) : nil } }
}

extension Message {
    private static let magic: [UInt8] = [99, 130, 83, 99]
    /// The fixed part with the magic: 236 and 4 octets.
    private static let headerSize = 240
    /// Old relays and servers accept nothing shorter (RFC 1542, section 2.1).
    private static let minimumSize = 300
    /// More than any server needs to send; no Ethernet frame is longer.
    static let maximumSize = 9000

    /// The encoded message, without IP and UDP headers.
    public var encoded: [UInt8] {
        var octets: [UInt8] = [isReply ? 2 : 1, 1, 6, 0]
        octets += transaction.octets
        octets += seconds.octets + UInt16(wantsBroadcast ? 0x8000 : 0).octets
        octets += clientAddress.bytes + offeredAddress.bytes
        octets += [UInt8](repeating: 0, count: 8)  // next server, relay
        octets += hardwareAddress.bytes
        octets += [UInt8](repeating: 0, count: 10 + 64 + 128)  // rest of chaddr, server's name, boot file
        octets += Message.magic
        // The type goes first: some servers stop reading there.
        let order = { (code: OptionCode) in code == .messageType ? -1 : Int(code.rawValue) }
        for (code, value) in options.sorted(by: { order($0.key) < order($1.key) }) {
            var rest = value[...]
            repeat {
                let part = rest.prefix(255)
                octets += [code.rawValue, UInt8(part.count)] + part
                rest = rest.dropFirst(255)
            } while !rest.isEmpty
        }
        octets.append(OptionCode.end.rawValue)
        octets += [UInt8](repeating: 0, count: max(0, Message.minimumSize - octets.count))
        return octets
    }

    /// Reads the content of a UDP datagram; nil if it is not a DHCP message for an Ethernet interface.
    public init?(_ octets: [UInt8]) {
        guard (Message.headerSize...Message.maximumSize).contains(octets.count), [1, 2].contains(octets[0]),
            octets[1] == 1, octets[2] == 6, Array(octets[236..<240]) == Message.magic,
            let client = IPAddress(bytes: octets[12..<16]), let offered = IPAddress(bytes: octets[16..<20]),
            let hardwareAddress = MACAddress(bytes: octets[28..<34]),
            var options = Message.options(octets[240...])
        else { return nil }
        // The fields for names may hold options too (RFC 2131, section 4.1): 1 the file's, 2 the server's, 3 both.
        let overload = options[.overload]?.first ?? 0
        for (bit, field) in [(1, octets[108..<236]), (2, octets[44..<108])] where Int(overload) & bit != 0 {
            guard let more = Message.options(field) else { return nil }
            for (code, value) in more { options[code, default: []] += value }
        }
        isReply = octets[0] == 2
        transaction = octets[4..<8].number()
        seconds = octets[8..<10].number()
        wantsBroadcast = octets[10] & 0x80 != 0
        clientAddress = client
        offeredAddress = offered
        self.hardwareAddress = hardwareAddress
        self.options = options
    }

    private static func options(_ field: ArraySlice<UInt8>) -> [OptionCode: [UInt8]]? {
        var options: [OptionCode: [UInt8]] = [:]
        var rest = field
        while let code = rest.popFirst() {
            switch OptionCode(code) {
            case .pad: continue
            case .end: return options
            case let code:
                guard let length = rest.popFirst(), rest.count >= Int(length) else { return nil }
                options[code, default: []] += rest.prefix(Int(length))
                rest = rest.dropFirst(Int(length))
            }
        }
        // Without an end option the message was cut off, but the options read so far are complete.
        return options
    }
}

extension FixedWidthInteger {
    /// In network byte order.
    var octets: [UInt8] {
        (0..<(Self.bitWidth / 8)).reversed().map { UInt8(truncatingIfNeeded: self >> Self($0 * 8)) }
    }
}

extension Collection<UInt8> {
    /// A number in network byte order, from its last octets.
    func number<Number: FixedWidthInteger>() -> Number { reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) } }
}
