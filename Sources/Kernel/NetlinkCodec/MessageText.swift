/// A netlink message as text, as far as this module knows its parts: for logs only, not for parsing.
public struct MessageText: Sendable {
    /// Such as `RTM_NEWLINK`; a number if it is unknown.
    public let type: String
    /// Such as `request,ack`.
    public let flags: String
    /// Fixed part and attributes; empty for control messages.
    public let content: String

    /// - Parameter isNetfilter: whether it is of nfnetlink, which has its own message numbers.
    public init(_ message: Message, isNetfilter: Bool) {
        let kind = isNetfilter ? NetfilterText.kind(message.type) : RouteText.kind(message.type)
        let control = MessageText.control(message.type)
        type = control ?? kind?.name ?? "\(message.type)"
        flags = MessageText.flags(message, kind, isControl: control != nil)
        guard control == nil, let kind else {
            content = ""
            return
        }
        var text = AttributeText()
        if let rest = text.header(kind.header, message.payload) { text.attributes(rest, kind.attributes) }
        content = text.text
    }

    /// A kind of message.
    struct Kind {
        let name: String
        let verb: Verb
        let header: [(name: String, size: Int)]
        let attributes: [AttributeName]
    }

    /// The requested operation; the same flag has a different meaning in each.
    enum Verb { case new, delete, get }

    private static func control(_ type: UInt16) -> String? {
        switch type {
        case 1: "NLMSG_NOOP"
        case Message.errorType: "NLMSG_ERROR"
        case Message.doneType: "NLMSG_DONE"
        case 4: "NLMSG_OVERRUN"
        default: nil
        }
    }

    private static func flags(_ message: Message, _ kind: Kind?, isControl: Bool) -> String {
        var names: [(UInt16, String)] = [
            (MessageFlag.request, "request"), (0x2, "multi"), (MessageFlag.acknowledge, "ack"),
            (MessageFlag.echo, "echo"), (MessageFlag.dumpInterrupted, "interrupted"),
        ]
        if isControl {
            names += [(0x100, "capped"), (0x200, "attributes")]
        } else if kind?.verb == .get {
            names += [(MessageFlag.dump, "dump")]
        } else if kind?.verb == .new {
            names += [
                (MessageFlag.replace, "replace"), (MessageFlag.exclusive, "excl"), (MessageFlag.create, "create"),
                (MessageFlag.append, "append"),
            ]
        }
        return names.filter { message.flags & $0.0 == $0.0 }.map { $0.1 }.joined(separator: ",")
    }
}
