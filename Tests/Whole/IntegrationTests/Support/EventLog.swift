import ContainerRuntime
import Foundation
import Testing

/// A line of a log, taken apart as logfmt readers do.
struct LoggedEvent: CustomStringConvertible {
    let description: String
    let fields: [String: String]

    subscript(key: String) -> String? { fields[key] }

    /// - Throws: where it is no whole line of pairs.
    init(_ line: Substring) throws {
        description = String(line)
        var fields: [String: String] = [:]
        var rest = line
        while let match = rest.prefixMatch(of: /([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?: |$)/) {
            let value = String(match.2)
            let isQuoted = value.hasPrefix("\"")
            fields[String(match.1)] =
                isQuoted ? try JSONDecoder().decode(String.self, from: Data(value.utf8)) : value
            rest = rest[match.range.upperBound...]
        }
        try #require(rest.isEmpty && fields["event"] != nil, "not a line of pairs: \(line)")
        self.fields = fields
    }

    static func all(_ text: String) throws -> [LoggedEvent] {
        try #require(text.isEmpty || text.hasSuffix("\n"))
        return try text.split(separator: "\n").map { try LoggedEvent($0) }
    }
}

extension Node {
    /// Where its plugins write to, when they are told to.
    var eventLog: String { directory + "/events.log" }

    func events() throws -> [LoggedEvent] {
        try LoggedEvent.all(String(contentsOfFile: eventLog, encoding: .utf8))
    }

    /// `swiftlet` with a log in this node's directory.
    func loggingSwiftlet(_ keys: [String: JSONValue] = [:]) -> JSONValue {
        swiftlet(["subnet": "10.44.0.0/24", "log": .string(eventLog)].merging(keys) { $1 })
    }
}
