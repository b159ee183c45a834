package import Addresses
package import Attachments
internal import CNI
internal import Kernel
internal import NetlinkCodec

// What is derived from a link's owner. Everything that finds a link again (DEL, GC, CHECK, status) starts here.
//
// The name of the host side of the veth is derived from the owner, so that DEL finds it even with the namespace gone.
// Its alias contains the owner, for GC and for users.

extension AttachmentName {
    /// The attachment of the call.
    init(_ request: Request) { self.init(network: request.configuration.name, request.attachment) }

    /// `veth`, three characters for the network, eight for the attachment: 15, as many as IFNAMSIZ allows.
    var hostName: String { AttachmentName.hostNamePrefix(network) + base32(fnv1a(description), characters: 8) }

    /// The common prefix of all host veth names of a network.
    static func hostNamePrefix(_ network: String) -> String { "veth" + base32(fnv1a(network), characters: 3) }

    /// The MAC of the host side. It is set explicitly, so that udev's MACAddressPolicy leaves it alone.
    var hostMAC: MACAddress { MACAddress(locallyAdministered: fnv1a("host \(linkAlias)")) }

    /// The attachments to a network that have a veth here; empty if the kernel does not say. No pod can forge them.
    static func withVeth(in network: String) -> [Attachment] {
        var host = try? NetlinkSocket()
        let links = (try? host?.links(kind: "veth")) ?? []
        return links.compactMap { AttachmentName(linkAlias: $0.alias) }.filter { $0.network == network }
            .map { $0.attachment }
    }

    /// The MAC of the pod's side. It is derived from the address, so that a neighbour's ARP entry stays right when
    /// another pod gets the address later. Without addresses it is derived from the owner.
    package func podMAC(_ address: IPAddress?) -> MACAddress {
        guard let address else { return MACAddress(locallyAdministered: fnv1a("pod \(linkAlias)")) }
        // Kubernetes networks have long used the prefix 0a:58 for such MACs.
        let low = address.family == .v4 ? UInt64(address.value) : fnv1a("\(address)") & 0xffff_ffff
        return MACAddress(locallyAdministered: 0x0a58 << 32 | low)
    }
}
