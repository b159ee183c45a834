/// Numbers of a JSON text that fit into neither a 64-bit integer nor a double, such as 18446744073709551615 and 1e400.
///
/// Go programs write and pass on such numbers in keys that their plugins never read. They must not make a text unreadable, or a
/// pod impossible to delete.
enum OutOfRangeNumbers {
    private static let greatest = Array("1.7976931348623157e308".utf8)
    /// This many digits before the decimal point always fit into a double.
    private static let safeDigits = 308

    /// The same text with each such number replaced by the nearest double.
    static func replaced(in text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count + 64)
        var position = 0
        var isInString = false
        while position < text.count {
            let octet = text[position]
            if isInString || !isDigitOrSign(octet) {
                if octet == UInt8(ascii: "\"") { isInString.toggle() }
                // An escaped quote does not end the string.
                if isInString, octet == UInt8(ascii: "\\"), position + 1 < text.count {
                    result.append(octet)
                    position += 1
                }
                result.append(text[position])
                position += 1
                continue
            }
            let token = text[position...].prefix { isDigitOrSign($0) || ".eE+".utf8.contains($0) }
            result += nearest(token)
            position = token.endIndex
        }
        return result
    }

    private static func isDigitOrSign(_ octet: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet) || octet == UInt8(ascii: "-")
    }

    private static func nearest(_ token: ArraySlice<UInt8>) -> [UInt8] {
        let isNegative = token.first == UInt8(ascii: "-")
        let sign = isNegative ? [UInt8(ascii: "-")] : []
        let digits = token.dropFirst(sign.count).prefix { $0 != UInt8(ascii: ".") && $0 | 0x20 != UInt8(ascii: "e") }
        let rest = token[digits.endIndex...]
        if rest.isEmpty {
            // The magnitude of the smallest integer is one greater.
            let limit = Array((isNegative ? "9223372036854775808" : "9223372036854775807").utf8)
            if digits.count < limit.count { return Array(token) }
            if digits.count == limit.count, !limit.lexicographicallyPrecedes(digits) { return Array(token) }
            return digits.count <= safeDigits ? Array(token) + Array(".0".utf8) : sign + greatest
        }
        guard let mark = rest.firstIndex(where: { $0 | 0x20 == UInt8(ascii: "e") }) else {
            return digits.count <= safeDigits ? Array(token) : sign + greatest
        }
        var exponent = rest[mark...].dropFirst()
        guard exponent.first != UInt8(ascii: "-") else { return Array(token) }
        if exponent.first == UInt8(ascii: "+") { exponent = exponent.dropFirst() }
        let size = exponent.reduce(0) { min($0 * 10 + Int($1 & 0x0f), 1 << 20) } + digits.count
        return size <= safeDigits ? Array(token) : sign + greatest
    }
}
