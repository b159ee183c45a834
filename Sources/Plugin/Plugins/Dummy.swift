internal import Addresses
internal import CNI
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// Gives the pod an address on a link that leads nowhere. Drop-in for the reference's `dummy`.
struct Dummy: InterfacePlugin {
    static let traits = PluginTraits("dummy", .interface, addresses: .delegated)
    static let kind: String? = "dummy"
    static var description: PluginDescription {
        PluginDescription(Dummy(), "Puts the addresses on a dummy link; it has no keys of its own.", [])
    }

    let requiresAddresses = true

    func settings(_ request: Request) throws(Failure) {}

    func make(
        _ name: String, _ settings: Void, mac: MACAddress, in pod: borrowing NetworkNamespace,
        _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure) -> Link {
        try inside.make(NewLink(name: name, kind: .dummy), "create dummy \(name)", in: pod.path)
    }

    func check(
        _ link: Link, _ settings: Void, _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure) { try link.check(.dummy) }
}
