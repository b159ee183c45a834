import Foundation
import NetlinkCodec
import Posix

/// What a plugin and the kernel have said to each other, in order, as text that can be kept in a file.
///
/// Requests are kept in words (``MessageText``), which is how they are compared; answers as octets.
struct Conversation: Equatable {
    enum Step: Equatable {
        /// A socket, by the number that it has from then on.
        case open(Int, subsystem: Int32, groups: UInt32)
        /// A namespace's file.
        case namespace(String)
        case enter(String)
        /// One datagram of requests.
        case send(Int, [String])
        /// One datagram of answers.
        case receive(Int, Outcome<[UInt8]>)
        case read(String, Outcome<String>)
        case write(String, String, Outcome<String>)
    }

    enum Outcome<Value: Equatable>: Equatable {
        case value(Value)
        case refused(Int32)

        init(_ body: () throws(Errno) -> Value) {
            do throws(Errno) { self = .value(try body()) } catch { self = .refused(error.rawValue) }
        }

        func get() throws(Errno) -> Value {
            switch self {
            case .value(let value): return value
            case .refused(let number): throw Errno(rawValue: number)
            }
        }
    }

    /// How the path of the pod's namespace is called in it, wherever that was.
    static let pod = "/run/netns/pod"

    var steps: [Step] = []
    /// What the plugin printed at the end.
    var output = ""

    /// A datagram's requests in words; what is another in each process is left out.
    static func words(_ datagram: [UInt8], _ subsystem: Int32) -> [String] {
        (Message.parse(datagram[...]) ?? []).map { message in
            let text = MessageText(message, isNetfilter: subsystem == 12)
            var content = text.content.replacing(/net_ns_fd=\d+/, with: "net_ns_fd=POD")
            // Of a new bridge the MAC is drawn by lot.
            if content.contains("kind=bridge"), text.flags.contains("create") {
                content.replace(/address=[0-9a-f:]+/, with: "address=RANDOM")
            }
            return "\(text.type) \(text.flags) \(content)"
        }
    }

    /// The sockets' subsystems, by number.
    var subsystems: [Int: Int32] {
        steps.reduce(into: [:]) { list, step in
            if case .open(let number, let subsystem, _) = step { list[number] = subsystem }
        }
    }
}

extension Conversation {
    init(file: URL, section: String) throws {
        let text = try String(contentsOf: file, encoding: .utf8)
        guard let body = text.components(separatedBy: "== ").first(where: { $0.hasPrefix(section + "\n") }) else {
            throw Malformed(line: "no section \(section) in \(file.lastPathComponent)")
        }
        self.init()
        for line in body.split(separator: "\n").dropFirst() { try read(String(line)) }
    }

    struct Malformed: Error { let line: String }

    private mutating func read(_ line: String) throws {
        if line.hasPrefix("  "), case .send(let number, let requests) = steps.last {
            steps[steps.count - 1] = .send(number, requests + [String(line.dropFirst(2))])
            return
        }
        let (verb, rest) = Conversation.split(line, " ")
        let (name, value) = Conversation.split(rest, " ")
        switch (verb, Int(name)) {
        case ("open", let number?):
            let words = value.split(separator: " ")
            steps.append(.open(number, subsystem: Int32(words[0])!, groups: UInt32(words[1])!))
        case ("send", let number?): steps.append(.send(number, []))
        case ("receive", let number?):
            steps.append(.receive(number, Conversation.outcome(value) { Conversation.octets($0) }))
        case ("namespace", _): steps.append(.namespace(rest))
        case ("enter", _): steps.append(.enter(rest))
        case ("read", _): steps.append(.read(name, Conversation.outcome(value) { $0 }))
        case ("write", _):
            let (written, outcome) = Conversation.split(value, " ")
            steps.append(.write(name, written, Conversation.outcome(outcome) { $0 }))
        case ("output", _): output = rest
        default: throw Malformed(line: line)
        }
    }

    private static func split(_ text: String, _ separator: Character) -> (String, String) {
        let parts = text.split(separator: separator, maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
    }

    private static func outcome<Value>(_ text: String, _ value: (String) -> Value) -> Outcome<Value> {
        text.hasPrefix("errno ") ? .refused(Int32(text.dropFirst(6))!) : .value(value(text))
    }

    private static func octets(_ text: String) -> [UInt8] {
        let digits = Array(text.utf8).map { $0 > 0x39 ? $0 - 0x57 : $0 - 0x30 }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// As it stands in a file.
    func text(section: String) -> String {
        var lines = ["== \(section)"]
        for step in steps {
            switch step {
            case .open(let number, let subsystem, let groups): lines.append("open \(number) \(subsystem) \(groups)")
            case .namespace(let path): lines.append("namespace \(path)")
            case .enter(let path): lines.append("enter \(path)")
            case .send(let number, let requests): lines += ["send \(number)"] + requests.map { "  \($0)" }
            case .receive(let number, .value(let octets)):
                let digits = octets.map { String(UInt16($0) + 256, radix: 16).dropFirst() }.joined()
                lines.append("receive \(number) \(digits)")
            case .receive(let number, .refused(let errno)): lines.append("receive \(number) errno \(errno)")
            case .read(let name, .value(let value)): lines.append("read \(name) \(value)")
            case .read(let name, .refused(let errno)): lines.append("read \(name) errno \(errno)")
            case .write(let name, let value, .value): lines.append("write \(name) \(value)")
            case .write(let name, let value, .refused(let errno)): lines.append("write \(name) \(value) errno \(errno)")
            }
        }
        return (lines + ["output \(output)"]).joined(separator: "\n") + "\n"
    }
}
