internal import CNI
internal import JSON
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// Gives the pod its own link on top of one of the node's, with the same MAC. Drop-in for the reference's `ipvlan`.
struct IPvlan: InterfacePlugin {
    static let traits = PluginTraits("ipvlan", .furtherInterface, addresses: .delegated)
    static let kind: String? = "ipvlan"
    static var description: PluginDescription {
        PluginDescription(IPvlan(), "Like macvlan, but with the MAC of `master`.", Keys.everything)
    }

    enum Keys {
        static let mode = ConfigurationKey<IPvlanMode>(
            "mode", default: .l2,
            "`l2` switches between pods, `l3` routes without broadcasts, `l3s` also through the node's packet filter."
        ) { reader throws(Failure) in
            try reader.choice(IPvlanMode.allCases, or: .l2, "unknown ipvlan mode")
        }
        @KeyList static var everything: [KeyDescription] {
            ParentLink.Keys.master
            mode
            ParentLink.Keys.mtu
            ParentLink.Keys.linkInContainer
        }
    }

    let requiresAddresses = true

    func settings(_ request: Request) throws(Failure) -> SubLink {
        SubLink(
            parent: try ParentLink(request, name: chainedMaster(request)),
            kind: .ipvlan(try request.configuration[Keys.mode]))
    }

    /// After a plugin that made one link, that link is the default master.
    private func chainedMaster(_ request: Request) throws(Failure) -> String? {
        guard request.invocation.command == .add, try request.configuration[ParentLink.Keys.master].isEmpty,
            let previous = try request.configuration.previousResult()
        else { return nil }
        guard previous.interfaces.count == 1, !previous.interfaces[0].name.isEmpty else {
            throw Failure(
                .invalidConfiguration, "chained master failure. PrevResult lacks a single named interface",
                details: "give the link as master")
        }
        return previous.interfaces[0].name
    }

    /// The previous plugin's addresses, unless IPAM is configured.
    func givenAddresses(_ request: Request) throws(Failure) -> CNIResult? {
        guard try request.configuration.ipamType() == nil else { return nil }
        // STATUS does not get the previous plugin's result.
        if request.invocation.command == .status { return CNIResult() }
        guard let previous = try request.configuration.previousResult(), !previous.ips.isEmpty else { return nil }
        return previous
    }

    func requireReady(_ settings: SubLink, _ host: inout NetlinkSocket) throws(Failure) {
        try requireKind(&host)
        // Without a name, the master may be a link made by the previous plugin.
        if settings.parent.name != nil { try settings.parent.requireReady(&host) }
    }
}
