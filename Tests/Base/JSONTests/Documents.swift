import Posix
import Foundation
import JSON
import TestSupport

/// The same document as Foundation reads it, for comparison.
indirect enum Reference: Decodable, Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case integer(Int64)
    case string([UInt8])
    case array([Reference])
    case object([String: Reference])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let flag = try? value.decode(Bool.self) {
            self = .bool(flag)
        } else if let number = try? value.decode(Int64.self) {
            self = .integer(number)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let text = try? value.decode(String.self) {
            self = .string(Array(text.utf8))
        } else if let elements = try? value.decode([Reference].self) {
            self = .array(elements)
        } else {
            self = .object(try value.decode([String: Reference].self))
        }
    }

    /// Foundation does not tell 1.0 from 1.
    static func == (a: Reference, b: Reference) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.integer(let a), .integer(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.integer(let a), .number(let b)), (.number(let b), .integer(let a)): Double(a) == b
        case (.string(let a), .string(let b)): a == b
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)): a == b
        default: false
        }
    }

    init(foundation text: [UInt8]) throws {
        self = try JSONDecoder().decode(Reference.self, from: Data(text))
    }

    init(_ document: JSON) {
        switch document {
        case .null: self = .null
        case .bool(let flag): self = .bool(flag)
        case .integer(let number): self = .integer(number)
        case .real(let number): self = .number(number)
        case .string(let text): self = .string(Array(text.utf8))
        case .array(let elements): self = .array(elements.map { Reference($0) })
        case .object(let object):
            self = .object(
                Dictionary(object.members.map { ($0.key, Reference($0.value)) }, uniquingKeysWith: { $1 }))
        }
    }
}

extension SplitMix64 {
    /// Any text without NUL, short, with a liking for what needs escaping.
    mutating func text() -> String {
        let special: [Unicode.Scalar] = [
            "\"", "\\", "/", "\n", "\t", "\u{1}", "\u{1f}", "\u{7f}", "é", "\u{2028}", "🦀", " ",
        ]
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...12, using: &self) {
            if Bool.random(using: &self) {
                text.append(special.randomElement(using: &self)!)
            } else if let scalar = Unicode.Scalar(UInt32.random(in: 1...0x10ffff, using: &self)) {
                text.append(scalar)
            }
        }
        return String(text)
    }

    mutating func document(depth: Int = 0) -> JSON {
        switch Int.random(in: 0...(depth < 5 ? 8 : 5), using: &self) {
        case 0: .null
        case 1: .bool(Bool.random(using: &self))
        case 2: .integer(Int64(bitPattern: next()) >> Int64.random(in: 0...63, using: &self))
        case 3: .real(Double.random(in: -1e18...1e18, using: &self) / pow(10, Double.random(in: 0...40, using: &self)))
        case 4, 5: .string(text())
        case 6: .array((0..<Int.random(in: 0...6, using: &self)).map { _ in document(depth: depth + 1) })
        default:
            .object(
                JSON.Object(
                    (0..<Int.random(in: 0...6, using: &self)).map {
                        JSON.Member("\($0)\(text())", document(depth: depth + 1))
                    }
                ))
        }
    }
}

func parse(_ text: String) throws(Failure) -> JSON { try JSON(parsing: Array(text.utf8)) }

extension JSON {
    var text: String { String(decoding: serialized(pretty: false), as: UTF8.self) }
}
