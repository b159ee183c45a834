import Addresses
import Glibc

/// What inet_pton(3) makes of a text: the address's octets, or nil.
func inetPton(_ text: String) -> [UInt8]? {
    let family = text.contains(":") ? AF_INET6 : AF_INET
    var octets = [UInt8](repeating: 0, count: 16)
    guard inet_pton(family, text, &octets) == 1 else { return nil }
    return Array(octets.prefix(family == AF_INET ? 4 : 16))
}

/// What inet_ntop(3) makes of an address.
func inetNtop(_ address: IPAddress) -> String {
    var text = [CChar](repeating: 0, count: 64)
    guard inet_ntop(address.family == .v4 ? AF_INET : AF_INET6, address.bytes, &text, 64) != nil else {
        fatalError("inet_ntop refused \(address)")
    }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// An address as its bits, for oracles that count by hand.
func bits(_ address: IPAddress) -> String {
    let digits = String(address.value, radix: 2)
    return String(repeating: "0", count: address.family.bitWidth - digits.count) + digits
}
