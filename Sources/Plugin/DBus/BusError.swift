public import Posix

/// What went wrong between us and a message bus.
public enum BusError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A system call failed: which one, on what.
    case system(attempt: String, Errno)
    /// The address of the bus cannot be read, or names a transport other than `unix:`.
    case unusableAddress(String)
    /// The bus does not accept who we are; its words.
    case rejected(String)
    /// The other end sent something that is no D-Bus message, or none that fits here; what is wrong with it.
    case malformed(String)
    /// A message of so many octets, more than anything that is asked for here has.
    case messageTooLarge(Int)
    /// The bus closed the connection.
    case closed
    /// No answer within so many milliseconds.
    case timedOut(milliseconds: Int)
    /// A text that no D-Bus message can carry: with a NUL in it.
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
