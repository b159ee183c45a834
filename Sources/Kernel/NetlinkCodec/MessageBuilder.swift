public import Addresses

/// Builds consecutive netlink messages (linux/netlink.h) for one send(2).
///
/// Integers are in host byte order, as netlink requires, unless a name says otherwise.
public struct MessageBuilder: Sendable {
    public private(set) var bytes: [UInt8] = []
    /// Sequence numbers of the messages begun so far.
    public private(set) var sequences: [UInt32] = []
    private var sequence: UInt32
    private var messageStart = 0

    /// - Parameter firstSequence: of the first message; each later one gets the next number.
    public init(firstSequence: UInt32 = 1) {
        sequence = firstSequence
        bytes.reserveCapacity(1024)
    }

    public var isEmpty: Bool { bytes.isEmpty }

    /// The position, from 0, of the message with that sequence number; nil if there is none.
    public func position(of sequence: UInt32) -> Int? {
        guard let first = sequences.first else { return nil }
        // Numbers are consecutive and may wrap around.
        let position = Int(sequence &- first)
        return position < sequences.count ? position : nil
    }

    /// Appends a complete message: header (nlmsghdr), fixed part and attributes.
    public mutating func message(_ type: UInt16, flags: UInt16, _ body: (inout MessageBuilder) -> Void) {
        messageStart = bytes.count
        append(UInt32(0))
        append(type)
        append(flags)
        append(sequence)
        append(UInt32(0))
        body(&self)
        patch(UInt32(bytes.count - messageStart), at: messageStart)
        sequences.append(sequence)
        sequence &+= 1
    }

    /// Sets flags of the last message, such as NLM_F_ACK on the one whose answer ends a batch.
    public mutating func addFlagsToLast(_ flags: UInt16) {
        let position = messageStart + 6
        patch(bytes[...].load(UInt16.self, at: position) | flags, at: position)
    }

    /// The same messages with other sequence numbers.
    public func renumbered(from first: UInt32) -> MessageBuilder {
        var copy = self
        var position = 0
        for offset in sequences.indices {
            copy.sequences[offset] = first &+ UInt32(offset)
            copy.patch(copy.sequences[offset], at: position + 8)
            position += (Int(bytes[...].load(UInt32.self, at: position)) + 3) & ~3
        }
        return copy
    }

    // Fixed parts.

    public mutating func append<Integer: FixedWidthInteger>(_ value: Integer) {
        // On a big-endian machine `littleEndian` swaps, so that the octet lowest in memory comes first there as well.
        let ordered = value.littleEndian
        for index in 0..<Integer.bitWidth / 8 { bytes.append(UInt8(truncatingIfNeeded: ordered >> Integer(index * 8))) }
    }

    /// Appends attributes that are encoded already.
    mutating func append(_ attributes: [UInt8]) { bytes += attributes }

    // Attributes (nlattr): length, type, value, padding to four octets.

    public mutating func attribute(_ type: UInt16, _ value: some Collection<UInt8>) {
        let start = bytes.count
        append(UInt16(4 + value.count))
        append(type)
        bytes += value
        align(from: start)
    }

    public mutating func attribute(_ type: UInt16, uint8 value: UInt8) { attribute(type, [value]) }

    public mutating func attribute(_ type: UInt16, uint16 value: UInt16) {
        number(type, value)
    }

    public mutating func attribute(_ type: UInt16, uint32 value: UInt32) {
        number(type, value)
    }

    public mutating func attribute(_ type: UInt16, uint64 value: UInt64) {
        number(type, value)
    }

    private mutating func number<Integer: FixedWidthInteger>(_ type: UInt16, _ value: Integer) {
        let start = bytes.count
        append(UInt16(4 + Integer.bitWidth / 8))
        append(type)
        append(value)
        align(from: start)
    }

    /// In network byte order, as netfilter expects its integers.
    public mutating func attribute(_ type: UInt16, bigEndian value: some FixedWidthInteger) {
        number(type, value.bigEndian)
    }

    /// A text with the terminating NUL that the kernel expects.
    public mutating func attribute(_ type: UInt16, text: String) { attribute(type, Array(text.utf8) + [0]) }

    public mutating func attribute(_ type: UInt16, _ address: IPAddress) { attribute(type, address.bytes) }

    /// An attribute that holds others; NLA_F_NESTED is set.
    public mutating func nested(_ type: UInt16, _ body: (inout MessageBuilder) -> Void) {
        let start = bytes.count
        append(UInt16(0))
        append(type | 0x8000)
        body(&self)
        patch(UInt16(bytes.count - start), at: start)
        align(from: start)
    }

    private mutating func align(from start: Int) {
        while (bytes.count - start) % 4 != 0 { bytes.append(0) }
    }

    private mutating func patch<Integer: FixedWidthInteger>(_ value: Integer, at position: Int) {
        let ordered = value.littleEndian
        for index in 0..<Integer.bitWidth / 8 {
            bytes[position + index] = UInt8(truncatingIfNeeded: ordered >> Integer(index * 8))
        }
    }
}
