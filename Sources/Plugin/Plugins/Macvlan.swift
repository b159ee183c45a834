internal import CNI
internal import JSON
internal import NetlinkCodec
internal import Posix

/// Gives the pod its own link on top of one of the node's, with its own MAC. Drop-in for the reference's `macvlan`.
struct Macvlan: InterfacePlugin {
    static let traits = PluginTraits("macvlan", .interface, addresses: .delegated)
    static let kind: String? = "macvlan"
    static var description: PluginDescription {
        PluginDescription(
            Macvlan(), "Gives the pod a link of its own on a link of the node.", Keys.everything, capabilities: ["mac"])
    }

    enum Keys {
        static let mode = ConfigurationKey<MacvlanMode>(
            "mode", default: .bridge,
            "Who reaches whom on the same `master`: `bridge` all of them, `private` none, `vepa` through the switch, `passthru` for a single one."
        ) { reader throws(Failure) in
            try reader.choice(MacvlanMode.allCases, or: .bridge, "unknown macvlan mode")
        }
        static let mac = ConfigurationKey<String>.text(
            "mac", default: "", "MAC; `CNI_ARGS`, `args.cni` and the capability `mac` take precedence.")
        static let bcqueuelen = ConfigurationKey<Int>.number(
            "bcqueuelen", default: 0, in: 0...Int(UInt32.max),
            "Broadcast frames that `master` queues for its pods; 0 leaves it to the kernel.")
        @KeyList static var everything: [KeyDescription] {
            ParentLink.Keys.master
            mode
            ParentLink.Keys.mtu
            mac
            ParentLink.Keys.linkInContainer
            bcqueuelen
        }
    }

    func settings(_ request: Request) throws(Failure) -> SubLink {
        let mode = try request.configuration[Keys.mode]
        let length = UInt32(try request.configuration[Keys.bcqueuelen])
        return SubLink(
            parent: try ParentLink(request),
            kind: .macvlan(mode, broadcastQueueLength: length == 0 ? nil : length),
            mac: try request.requestedMAC(configured: request.configuration[Keys.mac]))
    }
}
