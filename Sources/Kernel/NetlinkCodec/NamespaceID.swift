/// The ID by which one network namespace refers to another (linux/net_namespace.h).
public struct NamespaceID: Sendable, Hashable {
    /// Nil if it has none.
    public let number: Int32?

    /// Reads an RTM_NEWNSID message.
    public init?(_ message: Message) {
        guard message.type == RouteMessageType.newNamespaceID, message.payload.count >= 4,
            let value = Attributes(message.payload.dropFirst(4))[1]?.uint32
        else { return nil }
        // NETNSA_NSID_NOT_ASSIGNED.
        number = value == .max ? nil : Int32(bitPattern: value)
    }
}

extension MessageBuilder {
    /// Asks for the ID of another namespace within the socket's namespace.
    ///
    /// - Parameter descriptor: of the other namespace.
    public mutating func getNamespaceID(_ descriptor: Int32) {
        message(RouteMessageType.getNamespaceID, flags: MessageFlag.request) {
            // rtgenmsg, padded to four octets.
            $0.append(UInt32(0))
            // NETNSA_FD.
            $0.attribute(3, uint32: UInt32(bitPattern: descriptor))
        }
    }
}
