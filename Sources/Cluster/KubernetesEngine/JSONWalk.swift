/// Steps over JSON text without making values of it: of a Node's ten thousand octets a few hundred are of interest.
///
/// What is stepped over is not checked further than it takes to find its end; nothing reads beyond the text.
extension Span<UInt8> {
    /// - Parameter position: is moved to the next octet that is not white space.
    func skipSpace(_ position: inout Int) {
        while position < count, self[position] <= UInt8(ascii: " ") { position += 1 }
    }

    /// - Parameter position: of the opening quotation mark; is moved behind the closing one.
    /// - Returns: where the text between them is, with its escapes.
    func skipString(_ position: inout Int) throws(BrokenJSON) -> Range<Int> {
        guard position < count, self[position] == UInt8(ascii: "\"") else { throw BrokenJSON(position) }
        position += 1
        let start = position
        while position < count {
            let octet = self[position]
            if octet == UInt8(ascii: "\"") {
                position += 1
                return start..<position - 1
            }
            position += octet == UInt8(ascii: "\\") ? 2 : 1
        }
        throw BrokenJSON(count)
    }

    /// - Parameter position: of the value's first octet; is moved behind the last one.
    func skipValue(_ position: inout Int) throws(BrokenJSON) {
        let start = position
        var depth = 0
        while position < count {
            switch self[position] {
            case UInt8(ascii: "\""):
                _ = try skipString(&position)
                if depth == 0 { return }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 1 {
                    position += 1
                    return
                }
                depth -= 1
                // The end of what holds a number or a word.
                if depth < 0 { return try mustFollow(start, position) }
            case UInt8(ascii: ","), 0...UInt8(ascii: " "):
                if depth == 0 { return try mustFollow(start, position) }
            default: break
            }
            position += 1
        }
        guard depth == 0 else { throw BrokenJSON(position) }
        try mustFollow(start, position)
    }

    private func mustFollow(_ start: Int, _ position: Int) throws(BrokenJSON) {
        if position == start { throw BrokenJSON(position) }
    }

    /// Visits the members of an object or the elements of an array.
    ///
    /// - Parameters:
    ///   - position: of the opening bracket; is moved behind the closing one.
    ///   - visit: gets where the key's text is, nil in an array, and the position of the value's first octet, which it must
    ///     move behind the last one.
    func eachPart(
        _ position: inout Int, _ visit: (Range<Int>?, inout Int) throws(BrokenJSON) -> Void
    ) throws(BrokenJSON) {
        guard position < count else { throw BrokenJSON(position) }
        let isObject = self[position] == UInt8(ascii: "{")
        guard isObject || self[position] == UInt8(ascii: "[") else { throw BrokenJSON(position) }
        let close = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
        position += 1
        skipSpace(&position)
        if position < count, self[position] == close {
            position += 1
            return
        }
        while true {
            skipSpace(&position)
            var key: Range<Int>?
            if isObject {
                key = try skipString(&position)
                try skip(UInt8(ascii: ":"), &position)
                skipSpace(&position)
            }
            try visit(key, &position)
            skipSpace(&position)
            if position < count, self[position] == close {
                position += 1
                return
            }
            try skip(UInt8(ascii: ","), &position)
        }
    }

    private func skip(_ octet: UInt8, _ position: inout Int) throws(BrokenJSON) {
        skipSpace(&position)
        guard position < count, self[position] == octet else { throw BrokenJSON(position) }
        position += 1
    }

    func has(_ octets: [UInt8], at range: Range<Int>) -> Bool {
        guard octets.count == range.count else { return false }
        var position = range.lowerBound
        for octet in octets {
            if self[position] != octet { return false }
            position += 1
        }
        return true
    }

    /// A string's text; nil if it has escapes, which names and versions never have.
    func plainText(_ range: Range<Int>) -> String? {
        var octets: [UInt8] = []
        octets.reserveCapacity(range.count)
        for position in range {
            if self[position] == UInt8(ascii: "\\") { return nil }
            octets.append(self[position])
        }
        return String(validating: octets, as: UTF8.self)
    }
}

/// Text that is not JSON, or ends early.
struct BrokenJSON: Error {
    /// Octets before the fault.
    let position: Int

    init(_ position: Int) { self.position = position }
}
