/// One interface of one container, within one network: the subject of a plugin call.
///
/// The runtime passes it in two variables (CNI spec 1.1.0, section 2, "Parameters"). A value may hold any text: ``isValid`` tells
/// whether a runtime may have passed it.
public struct Attachment: Sendable, Hashable {
    /// `CNI_CONTAINERID`, see ``isContainerID(_:)``. Empty for calls without an attachment (GC, STATUS, VERSION).
    public let containerID: String
    /// `CNI_IFNAME`: the interface's name in the container, see ``isInterfaceName(_:)``. Empty in reservations made by old
    /// releases of the reference plugin, which recorded only the container.
    public let ifname: String

    public init(containerID: String, ifname: String) {
        self.containerID = containerID
        self.ifname = ifname
    }

    /// Whether both parts are valid names.
    public var isValid: Bool { Attachment.isContainerID(containerID) && Attachment.isInterfaceName(ifname) }

    /// `CONTAINERID:IFNAME`, for a file in a network's own directory. Neither part can contain a colon; at most 144 octets.
    public var fileName: String { "\(containerID):\(ifname)" }

    /// Reads ``fileName``; nil for anything else.
    public init?(fileName: String) {
        guard let parts = parts(of: fileName, separatedBy: ":", count: 2) else { return nil }
        self.init(containerID: parts[0], ifname: parts[1])
        guard isValid else { return nil }
    }
}

/// One interface of one container in one network: the name under which everything that belongs to it is found again.
///
/// As in ``Attachment``, a value may hold any text, but what is parsed from text is always ``isValid``.
public struct AttachmentName: Sendable, Hashable, CustomStringConvertible {
    /// The network's name, see ``isNetwork(_:)``.
    public let network: String
    /// `CNI_CONTAINERID`, see ``Attachment/isContainerID(_:)``.
    public let containerID: String
    /// `CNI_IFNAME`: the interface's name in the container, see ``Attachment/isInterfaceName(_:)``.
    public let ifname: String

    public init(network: String, containerID: String, ifname: String) {
        self.network = network
        self.containerID = containerID
        self.ifname = ifname
    }

    public init(network: String, _ attachment: Attachment) {
        self.init(network: network, containerID: attachment.containerID, ifname: attachment.ifname)
    }

    /// The same within its network.
    public var attachment: Attachment { Attachment(containerID: containerID, ifname: ifname) }

    /// Whether all parts are valid names.
    public var isValid: Bool { AttachmentName.isNetwork(network) && attachment.isValid }

    /// `NETWORK/CONTAINERID/IFNAME`, for people and for comments of nf_tables elements. No part can contain a slash; at most 241
    /// octets.
    public var description: String { "\(network)/\(containerID)/\(ifname)" }

    /// Reads ``description``; nil for anything else.
    public init?(_ description: String) { self.init(description, separatedBy: "/") }

    /// `swiftlet NETWORK/CONTAINERID/IFNAME`, for the alias of a link (IFLA_IFALIAS, linux/if_link.h). At most 250 octets; the
    /// kernel accepts 255 (IFALIASZ with its NUL, linux/if.h).
    public var linkAlias: String { "\(AttachmentName.linkAliasPrefix)\(self)" }

    private static let linkAliasPrefix = "swiftlet "

    /// Reads ``linkAlias``; nil for anything else.
    public init?(linkAlias: String) {
        guard linkAlias.utf8.starts(with: AttachmentName.linkAliasPrefix.utf8) else { return nil }
        self.init(
            String(Substring(linkAlias.utf8.dropFirst(AttachmentName.linkAliasPrefix.utf8.count))), separatedBy: "/")
    }

    /// `NETWORK:CONTAINERID:IFNAME`, for a file in a directory shared by all networks. No part can contain a colon; at most 241
    /// octets, and a file name may have 255 (NAME_MAX, linux/limits.h).
    public var fileName: String { "\(network):\(containerID):\(ifname)" }

    /// Reads ``fileName``; nil for anything else.
    public init?(fileName: String) { self.init(fileName, separatedBy: ":") }

    private init?(_ text: String, separatedBy separator: Unicode.Scalar) {
        guard let parts = parts(of: text, separatedBy: separator, count: 3) else { return nil }
        self.init(network: parts[0], containerID: parts[1], ifname: parts[2])
        guard isValid else { return nil }
    }
}

/// Splits octets, not characters: in an interface's name a combining character may follow the separator.
private func parts(of text: String, separatedBy separator: Unicode.Scalar, count: Int) -> [String]? {
    let parts = text.utf8.split(separator: UInt8(ascii: separator), omittingEmptySubsequences: false)
    return parts.count == count ? parts.map { String(Substring($0)) } : nil
}

extension AttachmentName: Comparable {
    /// By network, then by container, then by interface.
    public static func < (a: AttachmentName, b: AttachmentName) -> Bool {
        (a.network, a.containerID, a.ifname) < (b.network, b.containerID, b.ifname)
    }
}

#if !hasFeature(Embedded)
    /// With the keys `network`, `containerID` and `ifname`.
    extension AttachmentName: Encodable {}
#endif
