internal import NetlinkCodec

/// The registers of the nf_tables machine: sixteen words of four octets, some of which have an unknown value.
struct Registers {
    private var octets = [UInt8](repeating: 0, count: 64)
    private var isUnknown = [Bool](repeating: false, count: 16)

    /// - Parameter value: nil if unknown.
    mutating func store(_ value: [UInt8]?, _ register: NftRegister, length: Int? = nil) {
        guard let start = register.firstWord.map({ $0 * 4 }) else { return }
        let length = min(value?.count ?? length ?? 16, 64 - start)
        for word in 0..<(length + 3) / 4 { isUnknown[start / 4 + word] = value == nil }
        guard let value else { return }
        let padded = value.prefix(length) + [UInt8](repeating: 0, count: (4 - length % 4) % 4)
        octets.replaceSubrange(start..<start + padded.count, with: padded)
    }

    /// - Returns: nil if any part is unknown.
    func load(_ register: NftRegister, _ length: Int) -> [UInt8]? {
        guard let start = register.firstWord.map({ $0 * 4 }), length >= 0, length <= 64 - start,
            !isUnknown[start / 4..<(start + length + 3) / 4].contains(true)
        else { return nil }
        return Array(octets[start..<start + length])
    }
}
