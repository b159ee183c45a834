internal import Attachments
internal import CNI
internal import Kernel
internal import Netfilter
internal import NetlinkCodec
internal import Posix

/// Detaches pods that have a veth: DEL and GC.
///
/// Only network, container and interface matter here, not the network's settings: a configuration that ADD would
/// refuse, or that has changed since, must not keep a pod from being removed.
struct VethDetachment {
    let request: Request
    /// The bridge that the host sides are ports of; nil for none.
    let bridge: String?
    /// The plugin that owns the recorded rules.
    let plugin: PluginTraits
    let addressing: () throws(Failure) -> Addressing

    /// Whether this plugin also removes limits.
    private var removesLimits: Bool { plugin.services.contains(.limits) }

    private var owner: AttachmentName { AttachmentName(request) }

    func del() throws(Failure) {
        var cleanup = Cleanup()
        cleanup.attempt { () throws(Failure) in
            try request.removeRules(as: plugin.type, orTheirs: plugin.isReference ? .masquerade : nil)
        }
        cleanup.attempt(addressing, { (addresses) throws(Failure) in try addresses.release(request) }) {
            () throws(Failure) in try removeLinks()
        }
        try cleanup.finish()
    }

    /// Removes the veth by the name derived from its owner, whether or not the namespace still exists, together with
    /// what its limits needed.
    private func removeLinks() throws(Failure) {
        var host = try NetlinkSocket(linkNotifications: true)
        let ifb = try removesLimits ? owner.ifb(&host) : nil
        let veth = try host.link(.name(owner.hostName))
        let isOthers = veth.map { !$0.alias.isEmpty && $0.alias != owner.linkAlias } ?? false
        try host.removeLinks(
            [isOthers ? nil : veth, ifb].compactMap { $0 }.map { ($0.index, $0.name) }, sentBy: .child)
        if let veth {
            guard !isOthers else {
                throw Failure(.conflict, "link \(veth.name) belongs to \(veth.alias), not to \(owner.linkAlias)")
            }
            return
        }
        // Made by another plugin, before the node was switched to this one: only the pod's side has a known name.
        guard case .present(let pod) = try PodPresence(request) else { return }
        var inside = try pod.netlinkSocket(linkNotifications: true)
        guard let link = try inside.link(.name(request.attachment.ifname)), link.kind == "veth" else { return }
        // A link of ours may belong to another attachment and must stay.
        let alias = try host.link(.index(link.peer))?.alias ?? ""
        guard AttachmentName(linkAlias: alias) == nil else { return }
        try inside.removeLink(link.index, named: "\(link.name) in \(pod.path)", sentBy: .child)
    }

    func gc() throws(Failure) {
        let kept = try request.configuration.validAttachments()
        var cleanup = Cleanup()
        cleanup.attempt { () throws(Failure) in try request.collectRules() }
        cleanup.attempt(addressing, { (addresses) throws(Failure) in try addresses.collectGarbage(request) }) {
            () throws(Failure) in try removeLinks(exceptOf: kept)
        }
        try cleanup.finish()
    }

    private func removeLinks(exceptOf kept: Set<Attachment>) throws(Failure) {
        let network = request.configuration.name
        let keptNames = Set(kept.map { AttachmentName(network: network, $0).hostName })
        var host = try NetlinkSocket(linkNotifications: true)
        // A deleted bridge has no ports.
        let master = if let bridge { try host.link(.name(bridge))?.index } else { UInt32?(0) }
        var cleanup = Cleanup()
        if removesLimits {
            cleanup.attempt { () throws(Failure) in
                try host.removeLinks(
                    AttachmentName.staleIFBs(of: network, exceptOf: kept, &host).map { ($0.index, $0.name) },
                    sentBy: .child)
            }
        }
        for link in try host.links(kind: "veth") where !keptNames.contains(link.name) {
            // Without an alias, its call was killed while making it. Then its name and master identify the network.
            let isOurs =
                link.alias.isEmpty
                ? link.name.hasPrefix(AttachmentName.hostNamePrefix(network)) && link.name.utf8.count == 15
                    && link.master == master
                : AttachmentName(linkAlias: link.alias).map { $0.network == network && !kept.contains($0.attachment) }
                    ?? false
            guard isOurs else { continue }
            cleanup.attempt { () throws(Failure) in
                try host.removeLink(link.index, named: link.name, sentBy: .child)
            }
        }
        try cleanup.finish()
    }
}
