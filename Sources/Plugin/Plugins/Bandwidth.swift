internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// Limits how fast a pod may send and receive. Drop-in for the reference's `bandwidth`: chained, by its keys or by the
/// capability of the same name.
struct Bandwidth: BuiltInPlugin {
    static let traits = PluginTraits("bandwidth", .chained, services: .limits)
    static var description: PluginDescription {
        PluginDescription(
            traits,
            "Also serves the capability `bandwidth`, unless one of these keys is configured; `swiftlet` takes these keys too.",
            BandwidthSettings.Keys.everything, capabilities: ["bandwidth"]
        ) { request throws(Failure) in _ = try BandwidthSettings(request) }
    }

    func add(_ request: Request) throws(Failure) -> CNIResult {
        let settings = try BandwidthSettings(request)
        var result = try request.chainedResult()
        guard !settings.isEmpty else { return result }
        var host = try NetlinkSocket()
        let port = try port(request, result, &host) { Failure(.invalidConfiguration, $0, details: $1) }
        let shaper = Shaper(owner: AttachmentName(request), settings: settings)
        if let ifb = try shaper.add(to: port, &host) { result.interfaces.append(CNIResult.Interface(ofNode: ifb)) }
        return result
    }

    func del(_ request: Request) throws(Failure) {
        var host = try NetlinkSocket(linkNotifications: true)
        // What is on the veth is deleted with it: runtimes call DEL of the whole chain, and the plugin that made the
        // veth comes next.
        guard let ifb = try AttachmentName(request).ifb(&host) else { return }
        try host.removeLink(ifb.index, named: ifb.name, sentBy: .child)
    }

    /// The veth stays: the ADD of the plugin that made it has not failed.
    func withdraw(_ request: Request) throws(Failure) {
        let settings = try BandwidthSettings(request)
        var host = try NetlinkSocket()
        let port = try port(request, request.chainedResult(), &host) { Failure(.notAvailable, $0, details: $1) }
        let owner = AttachmentName(request)
        Shaper(owner: owner, settings: settings).undo(on: port, try owner.ifb(&host), &host)
    }

    func check(_ request: Request) throws(Failure) {
        let settings = try BandwidthSettings(request)
        let result = try request.chainedResult()
        guard !settings.isEmpty else { return }
        var host = try NetlinkSocket()
        let port = try port(request, result, &host) { Failure(.checkFailed, $0, details: $1) }
        try Shaper(owner: AttachmentName(request), settings: settings).check(port, &host)
    }

    func gc(_ request: Request) throws(Failure) {
        var host = try NetlinkSocket(linkNotifications: true)
        let network = request.configuration.name
        let kept = try request.configuration.validAttachments()
        try host.removeLinks(
            AttachmentName.staleIFBs(of: network, exceptOf: kept, &host).map { (index: $0.index, name: $0.name) },
            sentBy: .child)
    }

    /// Where limits come from pods' annotations, pods without them need nothing of the kernel.
    func status(_ request: Request) throws(Failure) {
        guard try BandwidthSettings(request).isEmpty else { return try Shaper.requireSupport() }
        request.tellingOnly("no pod with limits can be attached") { () throws(Failure) in try Shaper.requireSupport() }
    }

    /// The host side of the pod's veth, made by an earlier plugin.
    private func port(
        _ request: Request, _ result: CNIResult, _ host: inout NetlinkSocket,
        _ error: (_ message: String, _ details: String) -> Failure
    ) throws(Failure) -> Link {
        let ifname = request.attachment.ifname
        let pod = try request.openPod()
        var inside = try pod.netlinkSocket()
        let link = try inside.link(.name(ifname))
        guard let link, link.kind == "veth", link.peer != 0 else {
            let found = link.map { "it is of kind \"\($0.kind)\"" } ?? "there is none in \(pod.path)"
            throw error(
                "container interface \(ifname) has no veth peer: \(found)",
                "limits are kept at the node's end of a veth, as bridge and ptp make them")
        }
        // The peer's index is valid in its own namespace, which may be a different one.
        guard let port = try host.link(.index(link.peer)), port.kind == "veth", port.peer == link.index,
            result.interfaces.contains(where: { $0.name == port.name && $0.sandbox == nil })
        else {
            throw error(
                "no veth peer of container interface found in host ns",
                "interface \(link.peer), the peer of \(ifname), is not in prevResult")
        }
        return port
    }
}

extension CNIResult.Interface {
    /// An interface of the node.
    init(ofNode link: Link) { self.init(name: link.name, mac: link.mac?.description, mtu: link.mtu) }
}
