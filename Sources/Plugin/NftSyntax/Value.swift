internal import Addresses

/// A value to compare with, as a number of the subject's width.
enum Value: Hashable {
    case single(UInt128)
    /// The values that begin with these bits; the number's other bits are 0.
    case prefix(UInt128, bits: Int)
    case range(UInt128, UInt128)

    /// The lowest and the highest value.
    func bounds(width: Int) -> (UInt128, UInt128) {
        switch self {
        case .single(let value): (value, value)
        case .prefix(let value, let bits): (value, value | UInt128.max >> UInt128(128 - (width - bits)))
        case .range(let first, let last): (first, last)
        }
    }
}

extension Subject {
    /// The expected form, for error messages.
    var wantedValue: String {
        switch kind {
        case .address(.v4): "an IPv4 address, CIDR or range"
        case .address(.v6): "an IPv6 address, CIDR or range"
        case .port: "a port number or range"
        case .protocolNumber: "a protocol"
        case .networkProtocol: "ipv4 or ipv6"
        case .interfaceName: "the name of an interface"
        case .mark: "a mark"
        case .identity: "the number of a user or group"
        case .mac: "a MAC"
        case .named(let names): "\(names.title) (\(names.all.map { $0.0 }.joined(separator: ", ")))"
        }
    }

    /// Reads one value.
    func value(_ token: Token) throws(NftSyntaxError) -> Value {
        if token.isForIptables { throw .iptables(token) }
        guard !token.isQuoted || kind == .interfaceName else { throw .unknown(token, wanted: wantedValue) }
        switch kind {
        case .address(let family): return try address(token, family)
        case .interfaceName: return try interfaceName(token)
        case .port, .mark, .identity: return .single(try number(token))
        case .mac:
            guard let mac = MACAddress(token.text) else { throw .unknown(token, wanted: wantedValue) }
            return .single(mac.bytes.reduce(0) { $0 << 8 | UInt128($1) })
        case .protocolNumber:
            if let named = Subject.protocols.first(where: { $0.0 == token.text }) { return .single(named.1) }
            return .single(try number(token))
        case .networkProtocol:
            guard let number = Subject.networkProtocols[token.text] else { throw .unknown(token, wanted: wantedValue) }
            return .single(number)
        case .named(let names):
            guard let named = names.all.first(where: { $0.0 == token.text }) else {
                throw .unknown(token, wanted: wantedValue)
            }
            return .single(named.1)
        }
    }

    private func address(_ token: Token, _ family: IPFamily) throws(NftSyntaxError) -> Value {
        let text = token.text
        if let address = IPAddress(text) {
            try require(address.family, family, token)
            return .single(address.value)
        }
        if let cidr = CIDR(text) {
            try require(cidr.family, family, token)
            return .prefix(cidr.network.address.value, bits: cidr.prefixLength)
        }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = IPAddress(String(ends[0])), let last = IPAddress(String(ends[1])) else {
            throw .unknown(token, wanted: wantedValue)
        }
        try require(first.family, family, token)
        try require(last.family, family, token)
        return try range(first.value, last.value, token)
    }

    private func require(_ family: IPFamily, _ wanted: IPFamily, _ token: Token) throws(NftSyntaxError) {
        guard family == wanted else {
            throw NftSyntaxError(token, "is of the wrong family: expected \(wantedValue)")
        }
    }

    func range(_ first: UInt128, _ last: UInt128, _ token: Token) throws(NftSyntaxError) -> Value {
        guard first <= last else { throw NftSyntaxError(token, "is a range whose end is below its start") }
        return .range(first, last)
    }

    /// IFNAMSIZ, linux/if.h, includes the NUL.
    private static let longestName = 15

    private func interfaceName(_ token: Token) throws(NftSyntaxError) -> Value {
        let isPrefix = token.text.hasSuffix("*")
        let name = Array((isPrefix ? String(token.text.dropLast()) : token.text).utf8)
        guard name.count + (isPrefix ? 1 : 0) <= Subject.longestName else {
            throw NftSyntaxError(token, "is too long for an interface name (at most 15 characters)")
        }
        // Characters that the kernel refuses (dev_valid_name), and those that would need special treatment.
        let refused: Set<UInt8> = Set("/:\\*".utf8)
        guard !name.isEmpty, !name.contains(where: { refused.contains($0) || $0 <= 0x20 }) else {
            throw NftSyntaxError(token, "is not an interface name")
        }
        let value = name.reduce(0) { $0 << 8 | UInt128($1) } << UInt128(128 - name.count * 8)
        return isPrefix ? .prefix(value, bits: name.count * 8) : .single(value)
    }

    /// Reads a decimal number, or a hexadecimal one that begins with `0x`.
    func number(_ token: Token) throws(NftSyntaxError) -> UInt128 {
        let text = token.text
        let isHexadecimal = text.hasPrefix("0x")
        let digits = isHexadecimal ? text.dropFirst(2) : text[...]
        guard digits.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || isHexadecimal }),
            isHexadecimal || digits == "0" || !digits.hasPrefix("0"),
            let number = UInt128(digits, radix: isHexadecimal ? 16 : 10), !digits.hasPrefix("+")
        else {
            throw .unknown(token, wanted: wantedValue)
        }
        guard number <= maximum else { throw NftSyntaxError(token, "is more than \(maximum), the highest value") }
        return number
    }

    /// AF_INET, AF_INET6.
    private static let networkProtocols: [String: UInt128] = ["ipv4": 2, "ipv6": 10]

    /// IANA's names that are useful between hosts, as nft knows them.
    private static let protocols: [(String, UInt128)] = [
        ("tcp", 6), ("udp", 17), ("sctp", 132), ("icmp", 1), ("icmpv6", 58), ("ipv6-icmp", 58), ("udplite", 136),
        ("dccp", 33), ("esp", 50), ("ah", 51), ("comp", 108), ("gre", 47), ("igmp", 2),
    ]
}
