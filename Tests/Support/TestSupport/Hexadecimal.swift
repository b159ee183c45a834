/// Octets written as pairs of hexadecimal digits.
///
/// Blanks and line breaks between them, and everything after `//` on a line, are ignored.
public func hex(_ text: String) -> [UInt8] {
    let lines = text.split(separator: "\n").map { line in
        line.split(separator: "//", omittingEmptySubsequences: false)[0]
    }
    let digits = lines.joined().filter { !$0.isWhitespace }.map { UInt8($0.hexDigitValue!) }
    precondition(digits.count.isMultiple(of: 2), "an octet has two digits")
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}
