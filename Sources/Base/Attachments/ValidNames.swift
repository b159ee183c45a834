// Valid names of networks, containers and interfaces. They become parts of paths, of link aliases and of comments in nf_tables.
// So none may contain a slash, a colon or a blank, and all three together must fit into an alias.

extension AttachmentName {
    /// Longest name of a network, in octets.
    public static let maximumNetworkLength = 96

    /// Whether `name` is valid for a network: an identifier of at most 96 octets.
    public static func isNetwork(_ name: String) -> Bool {
        Attachment.isIdentifier(name) && name.utf8.count <= maximumNetworkLength
    }
}

extension Attachment {
    /// Longest container ID, in octets.
    public static let maximumContainerIDLength = 128

    /// Longest name of an interface, in octets: IFNAMSIZ without its NUL, linux/if.h.
    public static let maximumInterfaceNameLength = 15

    /// Whether `id` is valid for a container: an identifier of at most 128 octets.
    public static func isContainerID(_ id: String) -> Bool {
        isIdentifier(id) && id.utf8.count <= maximumContainerIDLength
    }

    /// Whether the kernel accepts the name for an interface unchanged (dev_valid_name, net/core/dev.c). It must not contain `%`,
    /// which makes it a pattern, or U+FFFD, which means that the input was not UTF-8 and would yield another name.
    public static func isInterfaceName(_ name: String) -> Bool {
        let forbidden = name.utf8.contains { $0 <= 0x20 || $0 == 0x7f || "/:%".utf8.contains($0) }
        return !forbidden && !name.unicodeScalars.contains("\u{fffd}") && !name.isEmpty && name != "." && name != ".."
            && name.utf8.count <= maximumInterfaceNameLength
    }

    /// `[a-zA-Z0-9][a-zA-Z0-9_.-]*`: the pattern of container IDs, network names and plugin types (CNI spec 1.1.0, sections 1 and
    /// 2). It never forms a path.
    public static func isIdentifier(_ text: String) -> Bool {
        let isAlphanumeric = { (character: UInt8) in
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"):
                true
            default: false
            }
        }
        guard let first = text.utf8.first, isAlphanumeric(first) else { return false }
        return text.utf8.allSatisfy { isAlphanumeric($0) || "_.-".utf8.contains($0) }
    }
}
