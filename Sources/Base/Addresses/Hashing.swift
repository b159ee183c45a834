/// 64-bit FNV-1a. A final mix makes short texts that differ only in the last letter differ in all bits.
public func fnv1a(_ text: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for octet in text.utf8 { hash = (hash ^ UInt64(octet)) &* 0x100_0000_01b3 }
    hash = (hash ^ hash >> 33) &* 0xff51_afd7_ed55_8ccd
    hash = (hash ^ hash >> 33) &* 0xc4ce_b9fe_1a85_ec53
    return hash ^ hash >> 33
}

/// The low bits of a number, five per character.
public func base32(_ number: UInt64, characters: Int) -> String {
    let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)
    var text: [UInt8] = []
    for position in 0..<characters {
        text.append(alphabet[Int(truncatingIfNeeded: number >> UInt64(position * 5)) & 31])
    }
    return String(decoding: text, as: UTF8.self)
}

/// Octets as pairs of hexadecimal digits, lower case.
public func base16(_ octets: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: octets.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
