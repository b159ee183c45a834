internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// A plugin that gives the pod an interface of its own, without a bridge. Each plugin defines how the interface is
/// made; addresses, routes, undo and everything else are common.
protocol InterfacePlugin: BuiltInPlugin {
    associatedtype Settings

    /// IFLA_INFO_KIND of its interfaces; nil if they are of several kinds.
    static var kind: String? { get }

    /// What the configuration asks for, checked as far as possible without touching anything.
    func settings(_ request: Request) throws(Failure) -> Settings

    /// Whether an IPAM plugin is required.
    var requiresAddresses: Bool { get }

    /// Addresses and routes that do not come from an IPAM plugin; nil if there are none.
    func givenAddresses(_ request: Request) throws(Failure) -> CNIResult?

    /// Parameters of the interface.
    func podInterface(_ request: Request, _ settings: Settings) -> PodInterface

    /// Creates the interface in the pod, or moves it there, still down.
    ///
    /// - Parameter mac: a MAC derived from the owner, for use if none is configured.
    /// - Throws: if that fails; nothing is left behind.
    func make(
        _ name: String, _ settings: Settings, mac: MACAddress, in pod: borrowing NetworkNamespace,
        _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure) -> Link

    /// Removes the interface from the pod.
    ///
    /// - Parameter link: the link of that name in the pod.
    func remove(
        _ link: Link, _ request: Request, _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure)

    /// Undoes what ADD left on the node, if the pod has no link of that name or its namespace is gone.
    func takeBack(_ request: Request, _ host: inout NetlinkSocket) throws(Failure)

    /// The MTU that the configuration names, in octets; nil for any.
    func configuredMTU(_ settings: Settings) -> UInt32?

    /// Checks what is specific to the kind.
    func check(
        _ link: Link, _ settings: Settings, _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure)

    /// - Throws: code 50 if ADD could not make the interface.
    func requireReady(_ settings: Settings, _ host: inout NetlinkSocket) throws(Failure)
}

extension InterfacePlugin {
    var requiresAddresses: Bool { false }

    func givenAddresses(_ request: Request) throws(Failure) -> CNIResult? { nil }

    func configuredMTU(_ settings: Settings) -> UInt32? { nil }

    func podInterface(_ request: Request, _ settings: Settings) -> PodInterface {
        PodInterface(
            name: request.attachment.ifname, alias: AttachmentName(request).linkAlias, hearsRouters: true,
            announcesIPv6: true)
    }

    func requireReady(_ settings: Settings, _ host: inout NetlinkSocket) throws(Failure) { try requireKind(&host) }

    /// - Throws: code 50 if the kernel does not support this kind of link.
    func requireKind(_ host: inout NetlinkSocket) throws(Failure) {
        guard let kind = Self.kind else { return }
        do throws(Failure) { try host.requireSupport(of: kind) } catch {
            throw error.coded(.notAvailable)
        }
    }

    func add(_ request: Request) throws(Failure) -> CNIResult { try attach(request) }

    func attach(_ request: Request) throws(Failure) -> CNIResult {
        let settings = try settings(request)
        let addressing = try addressing(request)
        try addressing.refuseBlocks(request)
        let dns = try request.configuration.dns()
        let given = try givenAddresses(request)
        let name = request.attachment.ifname
        let pod = try request.openPod()
        var sockets = try Sockets(pod)
        guard try sockets.inside.link(.name(name)) == nil else {
            throw PodInterface.taken(name, kind: Self.type, in: pod.path)
        }
        return try sockets.allOrNothing { (sockets, undo) throws(Failure) in
            var reserved = CNIResult()
            if !addressing.needsInterface { reserved = try addressing.reserve(request, &undo) }
            // Not derived from the address: a parent has each MAC only once, and a namespace may outlive its pod's
            // reservation of the address.
            let mac = AttachmentName(request).podMAC(nil)
            let link = try make(name, settings, mac: mac, in: pod, &sockets.host, &sockets.inside)
            undo.push { (sockets) throws(Failure) in
                try remove(link, request, &sockets.host, &sockets.inside)
            }
            let podInterface = podInterface(request, settings)
            if addressing.needsInterface {
                try pod.run { () throws(Failure) in
                    try podInterface.configure(link.index, CNIResult(), &sockets.inside)
                }
                reserved = try addressing.reserve(request, &undo)
            }
            var result = given ?? reserved
            try pod.run { () throws(Failure) in try podInterface.configure(link.index, result, &sockets.inside) }
            result.interfaces = [
                .init(name: name, mac: link.mac?.description, mtu: link.mtu, sandbox: pod.path)
            ]
            for index in result.ips.indices { result.ips[index].interface = 0 }
            if !dns.isEmpty { result.dns = dns }
            return result
        }
    }

    func del(_ request: Request) throws(Failure) {
        var cleanup = Cleanup()
        // Even if ADD would refuse the configuration, the interface must be removed.
        cleanup.attempt(
            { () throws(Failure) in try Addressing(ipamOf: request) },
            { (addresses) throws(Failure) in try addresses.release(request) }
        ) { () throws(Failure) in try removeInterface(request) }
        try cleanup.finish()
    }

    private func removeInterface(_ request: Request) throws(Failure) {
        var host = try NetlinkSocket(linkNotifications: true)
        guard case .present(let pod) = try PodPresence(request) else { return try takeBack(request, &host) }
        var inside = try pod.netlinkSocket(linkNotifications: true)
        guard let link = try inside.link(.name(request.attachment.ifname)) else {
            return try takeBack(request, &host)
        }
        try remove(link, request, &host, &inside)
    }

    /// Deletes it, unless it is of another kind or belongs to another attachment: then the name was taken, and ADD failed.
    func remove(
        _ link: Link, _ request: Request, _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure) {
        let own = AttachmentName(request).linkAlias
        guard link.kind == Self.kind, link.alias == own || AttachmentName(linkAlias: link.alias) == nil else { return }
        try inside.removeLink(
            link.index, named: "\(link.name) in \(request.invocation.netns ?? "the pod")", sentBy: .child)
    }

    func takeBack(_ request: Request, _ host: inout NetlinkSocket) throws(Failure) {}

    func check(_ request: Request) throws(Failure) { try compare(request) }

    func compare(_ request: Request) throws(Failure) {
        let settings = try settings(request)
        try addressing(request).check(request)
        let pod = try request.openPod()
        let (result, described) = try request.attachedInterface(in: pod.path)
        var host = try NetlinkSocket()
        var inside = try pod.netlinkSocket()
        let link = try podInterface(request, settings)
            .check(result, described, kind: Self.kind, in: pod.path, &inside)
        // A later plugin of the chain may have set another one; then the result has that. Before 1.0.0 results have none.
        if configuredMTU(settings) != nil, let mtu = described.mtu, mtu != link.mtu {
            throw Failure(deviation: "\(link.name) has MTU \(link.mtu), not \(mtu)")
        }
        try check(link, settings, &host, &inside)
    }

    /// Nothing of the interface outlives the pod's namespace.
    func gc(_ request: Request) throws(Failure) { try Addressing(ipamOf: request).collectGarbage(request) }

    func status(_ request: Request) throws(Failure) {
        let settings = try settings(request)
        let addressing = try addressing(request)
        var host = try NetlinkSocket()
        try requireReady(settings, &host)
        try addressing.requireReady(request)
    }

    /// Reads a configuration as ADD does, and does nothing else.
    func read(_ request: Request) throws(Failure) {
        _ = try settings(request)
        try addressing(request).refuseBlocks(request)
        _ = try request.configuration.dns()
    }

    private func addressing(_ request: Request) throws(Failure) -> Addressing {
        let addressing = try Addressing(ipamOf: request)
        if case .none = addressing, requiresAddresses, try givenAddresses(request) == nil {
            throw Failure(
                .invalidConfiguration, "\(Self.type) interface requires an IPAM configuration",
                details: "ipam.type is missing")
        }
        return addressing
    }
}
