import CJansson
public import Posix

// The only file that uses jansson; everything outside it is a Swift value.

extension JSON {
    /// Containers nested deeper than this are refused.
    public static let maximumDepth = 64

    /// Reads one JSON document.
    ///
    /// A number that does not fit into 64 bits becomes the nearest `real`: it matters only if something reads it.
    ///
    /// - Throws: code 6, with what is wrong and where (line, column): the text is empty, truncated, not UTF-8, not JSON, followed
    ///   by something else, has a NUL character in a string, or is nested more than ``maximumDepth`` deep.
    public init(parsing text: [UInt8]) throws(Failure) {
        guard !text.isEmpty else { throw Failure(.decodingFailure, "the text is empty") }
        // Jansson overlooks a NUL after a number.
        guard !text.contains(0) else { throw Failure(.decodingFailure, "it contains a NUL character") }
        // Without this jansson reads /dev/urandom. Only the first call counts, and 0 means no seed.
        json_object_seed(.random(in: 1...Int.max))
        var problem = json_error_t()
        var root = unsafe JSON.load(text, &problem)
        if unsafe root == nil, unsafe json_error_code(&problem) == json_error_numeric_overflow {
            unsafe root = JSON.load(OutOfRangeNumbers.replaced(in: text), &problem)
        }
        guard let root = unsafe root else {
            throw Failure(
                .decodingFailure, "\(JSON.text(of: problem)) (line \(problem.line), column \(problem.column))"
            ).showingLogs(only: "line \(problem.line), column \(problem.column)")
        }
        defer { unsafe json_decref(root) }
        try unsafe self.init(root, depth: 0)
    }

    private static func load(_ text: [UInt8], _ problem: inout json_error_t) -> UnsafeMutablePointer<json_t>? {
        unsafe text.withUnsafeBytes { buffer in
            unsafe json_loadb(buffer.baseAddress, buffer.count, Int(JSON_DECODE_ANY), &problem)
        }
    }

    private static func text(of problem: json_error_t) -> String {
        var problem = problem
        return unsafe withUnsafeBytes(of: &problem.text) { buffer in
            unsafe String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    private init(_ node: UnsafeMutablePointer<json_t>, depth: Int) throws(Failure) {
        let type = unsafe node.pointee.type
        guard depth < JSON.maximumDepth || (type != JSON_OBJECT && type != JSON_ARRAY) else {
            throw Failure(.decodingFailure, "nested more than \(JSON.maximumDepth) deep")
        }
        switch type {
        case JSON_OBJECT:
            var members: [Member] = []
            var position = unsafe json_object_iter(node)
            while let current = unsafe position {
                let value = try unsafe JSON(json_object_iter_value(current), depth: depth + 1)
                unsafe members.append(Member(String(cString: json_object_iter_key(current)), value))
                unsafe position = json_object_iter_next(node, current)
            }
            self = .object(Object(members))
        case JSON_ARRAY:
            var elements: [JSON] = []
            let count = unsafe json_array_size(node)
            for index in 0..<count {
                elements.append(try unsafe JSON(json_array_get(node, index), depth: depth + 1))
            }
            self = .array(elements)
        case JSON_STRING: unsafe self = .string(String(cString: json_string_value(node)))
        case JSON_INTEGER: unsafe self = .integer(Int64(json_integer_value(node)))
        case JSON_REAL: unsafe self = .real(json_real_value(node))
        case JSON_TRUE: self = .bool(true)
        case JSON_FALSE: self = .bool(false)
        default: self = .null
        }
    }

    /// The document as UTF-8 text, indented for people or on one line.
    public func serialized(pretty: Bool = true) -> [UInt8] {
        let root = unsafe node()
        defer { unsafe json_decref(root) }
        let flags = Int(JSON_ENCODE_ANY) | (pretty ? 4 : Int(JSON_COMPACT))
        guard let text = unsafe json_dumps(root, flags) else { preconditionFailure("jansson rejected its own value") }
        defer { unsafe free(text) }
        return unsafe Array(String(cString: text).utf8)
    }

    /// A jansson value that the caller owns.
    ///
    /// - Precondition: no real is infinite or not a number; parsing never yields one.
    private func node() -> UnsafeMutablePointer<json_t> {
        let result: UnsafeMutablePointer<json_t>?
        switch self {
        case .null: unsafe result = json_null()
        case .bool(let value): unsafe result = value ? json_true() : json_false()
        case .integer(let value): unsafe result = json_integer(json_int_t(value))
        case .real(let value): unsafe result = json_real(value)
        // Passes lengths, so that a NUL is written as an escape and does not end the string.
        case .string(let value): unsafe result = json_stringn(value, value.utf8.count)
        case .array(let elements):
            unsafe result = json_array()
            for element in elements { unsafe json_array_append_new(result, element.node()) }
        case .object(let object):
            unsafe result = json_object()
            for member in object.members {
                unsafe json_object_setn_new(result, member.key, member.key.utf8.count, member.value.node())
            }
        }
        guard let result = unsafe result else { preconditionFailure("out of memory, or a value that JSON cannot hold") }
        return unsafe result
    }
}
