/// The line of each value in a JSON text.
///
/// The text must have been parsed before, so it is well-formed; of a malformed text only the beginning is mapped.
struct SourceMap {
    /// By path, in lower case, because readers ignore the case of keys.
    private var lines: [String: Int] = [:]
    /// Keys that occur more than once in an object; readers see the last one.
    private(set) var repeated: [(path: String, line: Int)] = []

    private let text: [UInt8]
    private var position = 0
    private var line = 1

    init(_ text: [UInt8]) {
        self.text = text
        scanValue("")
    }

    func has(_ path: String) -> Bool { lines[path.lowercased()] != nil }

    /// The line of a path's key, or of the nearest enclosing object that exists.
    func line(of path: String) -> Int? {
        var path = Substring(path.lowercased())
        while true {
            if let line = lines[String(path)] { return line }
            guard let end = path.lastIndex(where: { $0 == "." || $0 == "[" }) else { return lines[""] }
            path = path[..<end]
        }
    }

    private mutating func advance() {
        if text[position] == UInt8(ascii: "\n") { line += 1 }
        position += 1
    }

    /// The next non-blank character; nil at the end.
    private mutating func peek() -> UInt8? {
        while position < text.count, text[position] <= 0x20 { advance() }
        return position < text.count ? text[position] : nil
    }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: character) else { return false }
        advance()
        return true
    }

    private mutating func scanValue(_ path: String) {
        guard let first = peek() else { return }
        if lines[path.lowercased()] == nil { lines[path.lowercased()] = line }
        switch first {
        case UInt8(ascii: "{"): scanObject(path)
        case UInt8(ascii: "["): scanArray(path)
        case UInt8(ascii: "\""): _ = scanText()
        default: while position < text.count, !" \t\r\n,]}".utf8.contains(text[position]) { advance() }
        }
    }

    private mutating func scanObject(_ path: String) {
        advance()
        var seen: Set<String> = []
        while peek() == UInt8(ascii: "\"") {
            let start = line
            let key = scanText()
            let place = path.isEmpty ? key : "\(path).\(key)"
            if !seen.insert(key).inserted { repeated.append((place, start)) }
            lines[place.lowercased()] = start
            guard skip(":") else { return }
            scanValue(place)
            guard skip(",") else { break }
        }
        _ = skip("}")
    }

    private mutating func scanArray(_ path: String) {
        advance()
        var index = 0
        while let next = peek(), next != UInt8(ascii: "]") {
            scanValue("\(path)[\(index)]")
            index += 1
            guard skip(",") else { break }
        }
        _ = skip("]")
    }

    /// A string as written, without its quotes.
    private mutating func scanText() -> String {
        advance()
        let start = position
        while position < text.count, text[position] != UInt8(ascii: "\"") {
            if text[position] == UInt8(ascii: "\\"), position + 1 < text.count { advance() }
            advance()
        }
        defer { if position < text.count { advance() } }
        return String(decoding: text[start..<position], as: UTF8.self)
    }
}
