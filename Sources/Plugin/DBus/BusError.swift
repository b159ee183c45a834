public import Posix

/// An error in the communication with a message bus.
public enum BusError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A system call failed: which one, and on what.
    case system(attempt: String, Errno)
    /// The address of the bus cannot be read, or names a transport other than `unix:`.
    case unusableAddress(String)
    /// The bus rejects our authentication; its words.
    case rejected(String)
    /// The other end sent something that is not a D-Bus message, or not a suitable one; what is wrong with it.
    case malformed(String)
    /// A message of this many octets, longer than any expected answer.
    case messageTooLarge(Int)
    /// The bus closed the connection.
    case closed
    /// No answer within this many milliseconds.
    case timedOut(milliseconds: Int)
    /// A text that a D-Bus message cannot carry: it contains a NUL.
    case unsendable(String)
    /// The called method answered with an error: its name, such as `org.freedesktop.DBus.Error.NameHasNoOwner`, and
    /// its text, which may be empty.
    case refused(name: String, text: String)

    public var description: String {
        switch self {
        case .system(let attempt, let errno): "\(attempt): \(errno)"
        case .unusableAddress(let address): "not the address of a bus on a unix socket: \"\(address)\""
        case .rejected(let text): "the bus rejects this user: \(text)"
        case .malformed(let what): "not a D-Bus message: \(what)"
        case .messageTooLarge(let size): "a message of \(size) octets, more than \(IncomingMessage.sizeLimit)"
        case .closed: "the bus closed the connection"
        case .timedOut(let milliseconds): "no answer within \(milliseconds) ms"
        case .unsendable(let text): "D-Bus texts have no NUL: \(text.debugDescription)"
        case .refused(let name, let text): text.isEmpty ? name : "\(name): \(text)"
        }
    }
}
