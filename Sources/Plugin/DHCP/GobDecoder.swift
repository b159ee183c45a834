internal import Posix

/// Reads values of a stream, and keeps the types that it describes. Invalid input gives an error; memory never exceeds a few
/// times the size of the input.
struct GobDecoder: Sendable {
    private enum Description {
        case list(Int)
        case structure([(name: String, type: Int)])
        case map(Int, Int)
        /// The type encodes itself; we treat its content as octets.
        case opaque
    }

    private var types: [Int: Description] = [:]
    private static let maximumTypes = 256
    private static let maximumDepth = 16

    /// Removes messages from the front of the received octets until one has a value.
    ///
    /// - Parameter limit: the longest message, in octets.
    /// - Returns: nil if more octets are needed.
    mutating func next(_ received: inout [UInt8], limit: Int) throws(Failure) -> GobValue? {
        while true {
            var cursor = Cursor(received[...])
            guard let size = try cursor.uintIfWhole() else { return nil }
            guard size <= UInt64(limit) else { throw Failure(.decodingFailure, "a message of \(size) octets") }
            guard cursor.rest.count >= Int(size) else { return nil }
            var content = Cursor(cursor.rest.prefix(Int(size)))
            received.removeFirst(received.count - cursor.rest.count + Int(size))
            let id = try content.int()
            if id >= 0 {
                // A value that is not a structure has a zero before it.
                guard case .structure = types[Int(id)] else { throw Failure(.decodingFailure, "a value of type \(id)") }
                return try value(Int(id), &content, depth: 0)
            }
            guard id > -Int64(Int32.max), types.count < GobDecoder.maximumTypes, types[Int(id.magnitude)] == nil else {
                throw Failure(.decodingFailure, "a description of type \(id.magnitude)")
            }
            types[Int(-id)] = try GobDecoder.description(&content)
        }
    }

    private func value(_ type: Int, _ cursor: inout Cursor, depth: Int) throws(Failure) -> GobValue {
        guard depth < GobDecoder.maximumDepth else { throw Failure(.decodingFailure, "values nested too deep") }
        switch type {
        case GobTypeID.bool: return .bool(try cursor.uint() != 0)
        case GobTypeID.int: return .int(try cursor.int())
        case GobTypeID.uint: return .uint(try cursor.uint())
        case GobTypeID.float:
            _ = try cursor.uint()
            return .other
        case GobTypeID.complex:
            for _ in 0..<2 { _ = try cursor.uint() }
            return .other
        case GobTypeID.bytes, GobTypeID.string: return .bytes(try cursor.bytes())
        default: break
        }
        switch types[type] {
        case .structure(let fields):
            var values: [String: GobValue] = [:]
            var position = -1
            while let step = try cursor.step() {
                guard step <= fields.count, position + step < fields.count else {
                    throw Failure(.decodingFailure, "a field too many")
                }
                position += step
                values[fields[position].name] = try value(fields[position].type, &cursor, depth: depth + 1)
            }
            return .structure(values)
        case .list(let element):
            var elements: [GobValue] = []
            for _ in 0..<(try cursor.count()) { elements.append(try value(element, &cursor, depth: depth + 1)) }
            return .list(elements)
        case .map(let key, let element):
            for _ in 0..<(try cursor.count()) {
                _ = try value(key, &cursor, depth: depth + 1)
                _ = try value(element, &cursor, depth: depth + 1)
            }
            return .other
        case .opaque: return .bytes(try cursor.bytes())
        case nil: throw Failure(.decodingFailure, "a value of type \(type), which nobody has described")
        }
    }

    /// A wireType: one of its seven pointers is set.
    private static func description(_ cursor: inout Cursor) throws(Failure) -> Description {
        var result: Description?
        var kind = -1
        while let step = try cursor.step() {
            kind += step
            switch kind {
            case 2: result = .structure(try fields(&cursor))
            case 0, 1, 3, 4, 5, 6:
                let numbers = try numbers(&cursor)
                // The element of an array or slice, or the key and element of a map, follow the common part.
                result =
                    switch kind {
                    case 0, 1: .list(numbers[1] ?? 0)
                    case 3: .map(numbers[1] ?? 0, numbers[2] ?? 0)
                    default: .opaque
                    }
            default: throw Failure(.decodingFailure, "a description of kind \(kind)")
            }
        }
        guard let result else { throw Failure(.decodingFailure, "an empty description") }
        return result
    }

    /// A structure of a common part and numbers, by field position.
    private static func numbers(_ cursor: inout Cursor) throws(Failure) -> [Int: Int] {
        var numbers: [Int: Int] = [:]
        var position = -1
        while let step = try cursor.step() {
            position += step
            if position == 0 {
                try common(&cursor)
            } else {
                numbers[position] = Int(truncatingIfNeeded: try cursor.int())
            }
        }
        return numbers
    }

    private static func common(_ cursor: inout Cursor) throws(Failure) {
        var position = -1
        while let step = try cursor.step() {
            position += step
            if position == 0 { _ = try cursor.bytes() } else { _ = try cursor.int() }
        }
    }

    private static func fields(_ cursor: inout Cursor) throws(Failure) -> [(name: String, type: Int)] {
        var fields: [(name: String, type: Int)] = []
        var position = -1
        while let step = try cursor.step() {
            position += step
            guard position > 0 else {
                try common(&cursor)
                continue
            }
            for _ in 0..<(try cursor.count()) {
                var field = (name: "", type: 0)
                var position = -1
                while let step = try cursor.step() {
                    position += step
                    if position == 0 {
                        field.name = String(decoding: try cursor.bytes(), as: UTF8.self)
                    } else {
                        field.type = Int(truncatingIfNeeded: try cursor.int())
                    }
                }
                fields.append(field)
            }
        }
        return fields
    }
}

private struct Cursor {
    var rest: ArraySlice<UInt8>

    init(_ octets: ArraySlice<UInt8>) { rest = octets }

    /// - Returns: nil if it is not complete yet.
    mutating func uintIfWhole() throws(Failure) -> UInt64? {
        guard let first = rest.first else { return nil }
        let size = first < 128 ? 0 : 256 - Int(first)
        guard size <= 8 else { throw Failure(.decodingFailure, "a number of \(size) octets") }
        guard rest.count > size else { return nil }
        let number: UInt64 = size == 0 ? UInt64(first) : rest.dropFirst().prefix(size).number()
        rest = rest.dropFirst(1 + size)
        return number
    }

    mutating func uint() throws(Failure) -> UInt64 {
        guard let number = try uintIfWhole() else { throw Failure(.decodingFailure, "a message that is cut off") }
        return number
    }

    mutating func int() throws(Failure) -> Int64 {
        let number = try uint()
        return number & 1 == 1 ? ~Int64(bitPattern: number >> 1) : Int64(bitPattern: number >> 1)
    }

    /// The distance to the next field; nil at the end of the structure.
    mutating func step() throws(Failure) -> Int? {
        let number = try uint()
        guard number <= 1024 else { throw Failure(.decodingFailure, "a field too many") }
        return number == 0 ? nil : Int(number)
    }

    /// The number of elements that follow: each has at least one octet.
    mutating func count() throws(Failure) -> Int {
        let number = try uint()
        guard number <= UInt64(rest.count) else { throw Failure(.decodingFailure, "more elements than octets") }
        return Int(number)
    }

    mutating func bytes() throws(Failure) -> [UInt8] {
        let size = try count()
        defer { rest = rest.dropFirst(size) }
        return Array(rest.prefix(size))
    }
}
