internal import Addresses
internal import CNI

/// To whom a link belongs. Everything that finds a link again (DEL, GC, CHECK, status) starts from here.
///
/// The name of the host's veth is derived from the owner, so that DEL finds it with the namespace gone and nothing
/// else at hand; its alias spells the owner out, for GC and for people.
struct LinkOwner {
    let network: String
    let attachment: Attachment

    init(_ request: Request) {
        network = request.configuration.name
        attachment = request.attachment
    }

    init(network: String, _ attachment: Attachment) {
        self.network = network
        self.attachment = attachment
    }

    /// `veth`, three characters for the network, eight for the attachment: 15, as many as IFNAMSIZ allows.
    var hostName: String {
        LinkOwner.namePrefix(network)
            + base32(fnv1a("\(network)/\(attachment.containerID)/\(attachment.ifname)"), characters: 8)
    }

    /// What the names of all host veths of a network begin with.
    static func namePrefix(_ network: String) -> String { "veth" + base32(fnv1a(network), characters: 3) }

    /// `swiftlet NETWORK/CONTAINERID/IFNAME`; none of the three can hold a slash. At most 255 octets (IFALIASZ).
    var alias: String { LinkOwner.aliasPrefix(network) + "\(attachment.containerID)/\(attachment.ifname)" }

    static func aliasPrefix(_ network: String) -> String { "swiftlet \(network)/" }

    /// The owner that an alias spells out; nil when it is not one of ours.
    init?(alias: String) {
        guard alias.hasPrefix("swiftlet ") else { return nil }
        let parts = alias.dropFirst("swiftlet ".count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        self.init(
            network: String(parts[0]), Attachment(containerID: String(parts[1]), ifname: String(parts[2])))
    }

    /// The MAC of the host's end. Set explicitly, so that udev's MACAddressPolicy leaves it alone.
    var hostMAC: MACAddress { MACAddress(locallyAdministered: fnv1a("host \(alias)")) }

    /// The MAC of the pod's end: it follows the address, so that a neighbour's ARP entry stays right when another pod
    /// gets the address later. Without addresses it follows the owner.
    func podMAC(_ address: IPAddress?) -> MACAddress {
        guard let address else { return MACAddress(locallyAdministered: fnv1a("pod \(alias)")) }
        // 0a:58 is the prefix that Kubernetes networks have long used for it.
        let low = address.family == .v4 ? UInt64(address.value) : fnv1a("\(address)") & 0xffff_ffff
        return MACAddress(locallyAdministered: 0x0a58 << 32 | low)
    }
}
