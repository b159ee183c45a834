internal import Addresses
internal import Attachments
internal import CNI

// What a link's owner says of it. Everything that finds a link again (DEL, GC, CHECK, status) starts from here.
//
// The name of the host's veth is derived from the owner, so that DEL finds it with the namespace gone and nothing else at
// hand; its alias spells the owner out, for GC and for people.

extension AttachmentName {
    /// That of the call.
    init(_ request: Request) { self.init(network: request.configuration.name, request.attachment) }

    /// `veth`, three characters for the network, eight for the attachment: 15, as many as IFNAMSIZ allows.
    var hostName: String { AttachmentName.hostNamePrefix(network) + base32(fnv1a(description), characters: 8) }

    /// What the names of all host veths of a network begin with.
    static func hostNamePrefix(_ network: String) -> String { "veth" + base32(fnv1a(network), characters: 3) }

    /// The MAC of the host's end. Set explicitly, so that udev's MACAddressPolicy leaves it alone.
    var hostMAC: MACAddress { MACAddress(locallyAdministered: fnv1a("host \(linkAlias)")) }

    /// The MAC of the pod's end: it follows the address, so that a neighbour's ARP entry stays right when another pod
    /// gets the address later. Without addresses it follows the owner.
    func podMAC(_ address: IPAddress?) -> MACAddress {
        guard let address else { return MACAddress(locallyAdministered: fnv1a("pod \(linkAlias)")) }
        // 0a:58 is the prefix that Kubernetes networks have long used for it.
        let low = address.family == .v4 ? UInt64(address.value) : fnv1a("\(address)") & 0xffff_ffff
        return MACAddress(locallyAdministered: 0x0a58 << 32 | low)
    }
}
