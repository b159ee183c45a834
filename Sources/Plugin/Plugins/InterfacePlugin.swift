internal import Addresses
internal import CNI
internal import Kernel
internal import Logging
internal import NetlinkCodec
internal import Posix

/// A plugin that gives the pod an interface of its own, with no bridge in between. Each says how the interface is made;
/// addresses, routes, undoing and everything else is the same for all.
protocol InterfacePlugin: Plugin {
    associatedtype Settings

    static var type: String { get }

    /// IFLA_INFO_KIND of its interfaces; nil where they are of many.
    static var kind: String? { get }

    /// What the configuration asks for, checked as far as that goes without touching anything.
    func settings(_ request: Request) throws(Failure) -> Settings

    /// Whether there must be an IPAM plugin.
    var requiresAddresses: Bool { get }

    /// Addresses and routes that come from elsewhere than from an IPAM plugin; nil for none.
    func givenAddresses(_ request: Request) throws(Failure) -> CNIResult?

    /// Parameters of the interface.
    func podInterface(_ request: Request, _ settings: Settings) -> PodInterface

    /// Makes the interface in the pod, or moves it there, still down.
    ///
    /// - Parameter mac: one that follows from the owner, where the configuration says nothing.
    /// - Throws: when it cannot be had; nothing is left of it then.
    func make(
        _ name: String, _ settings: Settings, mac: MACAddress, in pod: borrowing NetworkNamespace,
        _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure) -> Link

    /// Takes the interface out of the pod. Called with whatever bears the name there, or nil when nothing does or the
    /// pod's namespace is gone.
    func remove(
        _ link: Link?, _ request: Request, _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket?
    ) throws(Failure)

    /// Compares what is particular to the kind.
    func check(
        _ link: Link, _ settings: Settings, _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure)

    /// - Throws: code 50 when the interface could not be made.
    func requireReady(_ settings: Settings, _ host: inout NetlinkSocket) throws(Failure)
}

extension InterfacePlugin {
    var requiresAddresses: Bool { false }

    func givenAddresses(_ request: Request) throws(Failure) -> CNIResult? { nil }

    func podInterface(_ request: Request, _ settings: Settings) -> PodInterface {
        PodInterface(
            name: request.attachment.ifname, alias: LinkOwner(request).alias, hearsRouters: true, announcesIPv6: true)
    }

    func requireReady(_ settings: Settings, _ host: inout NetlinkSocket) throws(Failure) { try requireKind(&host) }

    /// - Throws: code 50 when the kernel has no such kind of link.
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
        var host = try NetlinkSocket()
        var inside = try pod.netlinkSocket()
        guard try inside.link(.name(name)) == nil else {
            throw PodInterface.taken(name, kind: Self.type, in: pod.path)
        }
        var addresses = Reservation(addressing, request)
        var link: Link?
        do throws(Failure) {
            if !addressing.needsInterface { try addresses.make() }
            // Not from the address: a parent has each MAC once, and a namespace may outlive the address that was its pod's.
            let mac = LinkOwner(request).podMAC(nil)
            let made = try make(name, settings, mac: mac, in: pod, &host, &inside)
            link = made
            let podInterface = podInterface(request, settings)
            if addressing.needsInterface {
                try pod.run { () throws(Failure) in try podInterface.configure(made.index, CNIResult(), &inside) }
                try addresses.make()
            }
            var result = given ?? addresses.result
            try pod.run { () throws(Failure) in try podInterface.configure(made.index, result, &inside) }
            result.interfaces = [
                .init(name: name, mac: made.mac?.description, mtu: made.mtu, sandbox: pod.path)
            ]
            for index in result.ips.indices { result.ips[index].interface = 0 }
            if !dns.isEmpty { result.dns = dns }
            return result
        } catch {
            var socket: NetlinkSocket? = consume inside
            addresses.undo {
                if let link { surviving { () throws(Failure) in try remove(link, request, &host, &socket) } }
            }
            throw error
        }
    }

    func del(_ request: Request) throws(Failure) {
        var cleanup = Cleanup()
        // With a configuration that ADD would refuse there is still the interface to remove.
        cleanup.attempt(
            { () throws(Failure) in try Addressing(ipamOf: request) },
            { (addresses) throws(Failure) in try addresses.release(request) }
        ) { () throws(Failure) in try removeInterface(request) }
        try cleanup.finish()
    }

    private func removeInterface(_ request: Request) throws(Failure) {
        var host = try NetlinkSocket(linkNotifications: true)
        var inside: NetlinkSocket?
        switch try PodPresence(request) {
        case .gone: try remove(nil, request, &host, &inside)
        case .present(let pod):
            var socket = try pod.netlinkSocket(linkNotifications: true)
            let link = try socket.link(.name(request.attachment.ifname))
            inside = consume socket
            try remove(link, request, &host, &inside)
        }
    }

    /// Deletes it, unless it is of another kind, or another attachment's: the name was taken then, and ADD has failed.
    func remove(
        _ link: Link?, _ request: Request, _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket?
    ) throws(Failure) {
        let own = LinkOwner(request).alias
        guard let link, link.kind == Self.kind, link.alias == own || LinkOwner(alias: link.alias) == nil else { return }
        try inside?.removeLink(
            link.index, named: "\(link.name) in \(request.invocation.netns ?? "the pod")", sentBy: .child)
    }

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

    /// Reads what ADD reads of a configuration, and does nothing.
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
