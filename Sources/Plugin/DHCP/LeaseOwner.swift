public import CNI
public import Posix

/// To whom a lease belongs.
public struct LeaseOwner: Sendable, Hashable, CustomStringConvertible {
    public let network: String
    public let attachment: Attachment

    /// - Throws: code 4 for names that cannot be one's.
    public init(network: String, _ attachment: Attachment) throws(Failure) {
        guard Invocation.isIdentifier(attachment.containerID), Invocation.isInterfaceName(attachment.ifname),
            attachment.containerID.utf8.count <= Invocation.maximumContainerIDLength
        else {
            throw Failure(
                .invalidEnvironment,
                "invalid container ID \"\(attachment.containerID)\" or interface name \"\(attachment.ifname)\"")
        }
        self.network = network
        self.attachment = attachment
    }

    public var description: String { "\(attachment.containerID)/\(network)/\(attachment.ifname)" }

    /// None of the three can hold a colon or a slash.
    var fileName: String { "\(network):\(attachment.containerID):\(attachment.ifname)" }

    init?(fileName: String) {
        let parts = fileName.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, Invocation.isIdentifier(parts[0]) else { return nil }
        try? self.init(network: parts[0], Attachment(containerID: parts[1], ifname: parts[2]))
    }

    /// What servers know it by: type 0, and the reference's text, so that either plugin is given the same address.
    var clientIdentifier: [UInt8] { [0] + Array(description.utf8.prefix(254)) }
}
