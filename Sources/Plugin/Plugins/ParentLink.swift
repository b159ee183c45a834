internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import EventLog
internal import NetlinkCodec
internal import Posix

/// The link that a pod's interface is based on, and what the two have in common.
struct ParentLink {
    enum Keys {
        static let master = ConfigurationKey<String>.text(
            "master", default: "", "Parent link of the pod's interface; by default the one with the default route.")
        static let requiredMaster = ConfigurationKey<String>.text(
            "master", default: "", "Parent link of the pod's interface; required.")
        static let mtu = ConfigurationKey<Int>.number(
            "mtu", default: 0, in: -1 << 31...1 << 31, "MTU in octets, at most that of `master`; 0 for the same.")
        static let linkInContainer = ConfigurationKey<Bool>.flag(
            "linkInContainer", "Look for `master` in the pod's namespace, not on the node.")
    }

    /// Nil for the link of the default route.
    let name: String?
    let isInPod: Bool
    /// Octets; nil for the parent's MTU.
    let mtu: UInt32?

    /// - Throws: code 7 for a master that cannot be a link's name.
    init(_ request: Request, name other: String? = nil) throws(Failure) {
        let configured = try request.configuration[Keys.master]
        name = configured.isEmpty ? other : configured
        isInPod = try request.configuration[Keys.linkInContainer]
        let mtu = try request.configuration[Keys.mtu]
        // ETH_MIN_MTU, linux/if_ether.h.
        guard let octets = UInt32(exactly: mtu), octets == 0 || octets >= 68 else { throw ParentLink.wrong(mtu, nil) }
        self.mtu = octets == 0 ? nil : octets
        if let name, !Attachment.isInterfaceName(name) {
            throw Failure(
                .invalidConfiguration, "master \"\(name)\" is not an interface name",
                details: "at most 15 octets, without /, :, % and blanks")
        }
    }

    private static func wrong(_ mtu: Int, _ parent: Link?) -> Failure {
        let limit = parent.map { "\($0.mtu)" } ?? "its own"
        return Failure(
            .invalidConfiguration, "invalid MTU \(mtu), must be [0, master MTU(\(limit))]",
            details: "mtu: 0, or from 68 on")
    }

    /// - Parameter socket: a socket in the link's namespace.
    /// - Throws: code 7 if it does not exist.
    func find(_ socket: inout NetlinkSocket) throws(Failure) -> Link {
        let found =
            if let name { try socket.link(.name(name)) } else { try socket.linkOfDefaultRoute() }
        guard let found else {
            throw Failure(
                .invalidConfiguration,
                name.map { "failed to lookup master \"\($0)\"" } ?? "no default route interface found",
                details: "master must be a link \(isInPod ? "of the pod" : "of the node")")
        }
        if let mtu, mtu > found.mtu { throw ParentLink.wrong(Int(mtu), found) }
        return found
    }

    func find(_ host: inout NetlinkSocket, _ inside: inout NetlinkSocket) throws(Failure) -> Link {
        isInPod ? try find(&inside) : try find(&host)
    }

    /// Creates a link of the pod on top of it.
    func make(
        _ kind: LinkKind, _ name: String, mac: MACAddress? = nil, in pod: borrowing NetworkNamespace,
        _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure) -> Link {
        let parent = try find(&host, &inside)
        var link = NewLink(name: name, kind: kind, parent: parent.index, mac: mac, mtu: mtu)
        let attempt = "create \(kind.name) \(name) on \(parent.name)"
        if isInPod { return try inside.make(link, attempt, in: pod.path) }
        link.namespace = pod.descriptor
        do throws(Failure) { try host.execute(attempt) { $0.createLink(link) } } catch {
            throw try inside.explain(error, link, in: pod.path)
        }
        return try inside.present(link, in: pod.path)
    }

    /// - Throws: CHECK's error if the pod's interface has another parent or differs from what was made.
    func check(
        _ link: Link, _ kind: LinkKind, _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure) {
        // Without a name ADD chose the link; the default route may lead elsewhere by now.
        if name != nil {
            let parent = try find(&host, &inside)
            guard link.peer == parent.index else {
                throw Failure(deviation: "\(link.name) has another parent than \(parent.name)")
            }
        }
        try link.check(kind)
    }

    /// - Throws: code 50 if it does not exist.
    func requireReady(_ host: inout NetlinkSocket) throws(Failure) {
        guard !isInPod else { return }
        do throws(Failure) { _ = try find(&host) } catch { throw error.coded(.notAvailable) }
    }
}

/// A pod's interface based on another link.
struct SubLink {
    let parent: ParentLink
    let kind: LinkKind
    /// Nil for the MAC derived from address or owner, if the kind has its own MAC.
    var mac: MACAddress?

    /// Whether its MAC can differ from its parent's.
    fileprivate var hasOwnMAC: Bool {
        guard case .macvlan(let mode, _) = kind else { return false }
        return mode != .passthru
    }
}

extension InterfacePlugin where Settings == SubLink {
    func make(
        _ name: String, _ settings: SubLink, mac: MACAddress, in pod: borrowing NetworkNamespace,
        _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure) -> Link {
        let mac = settings.mac ?? (settings.hasOwnMAC ? mac : nil)
        return try settings.parent.make(settings.kind, name, mac: mac, in: pod, &host, &inside)
    }

    func configuredMTU(_ settings: SubLink) -> UInt32? { settings.parent.mtu }

    func check(
        _ link: Link, _ settings: SubLink, _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure) { try settings.parent.check(link, settings.kind, &host, &inside) }

    func requireReady(_ settings: SubLink, _ host: inout NetlinkSocket) throws(Failure) {
        try requireKind(&host)
        try settings.parent.requireReady(&host)
    }
}

extension Link {
    /// - Throws: CHECK's error if it differs from what was made.
    func check(_ kind: LinkKind) throws(Failure) {
        guard let details, details.serves(kind) else {
            throw Failure(deviation: "\(name) is \(details?.description ?? self.kind), not \(kind)")
        }
    }
}

extension NetlinkSocket {
    /// Creates a link in the socket's namespace, which is that of the pod at `path`.
    mutating func make(_ link: NewLink, _ attempt: String, in path: String) throws(Failure) -> Link {
        do throws(Failure) { try execute(attempt) { $0.createLink(link) } } catch {
            throw try explain(error, link, in: path)
        }
        return try present(link, in: path)
    }

    /// Finds out what EEXIST means: the name is taken, or something else that can exist only once.
    mutating func explain(_ error: Failure, _ link: NewLink, in path: String) throws(Failure) -> Failure {
        if error.isAnswerLost { withdraw(link.name) }
        if link.parent != nil, error.errno == .busy || error.errno == .invalidArgument {
            return Failure(
                .kernel, error.message,
                details:
                    "a link that is a bridge port, or carries links of another kind or mode passthru, cannot be master")
        }
        guard error.errno == .fileExists else { return error }
        if try self.link(.name(link.name)) != nil {
            return PodInterface.taken(link.name, kind: link.kind.name, in: path)
        }
        return Failure(.conflict, error.message, details: "another link already has that: \(link.kind)")
    }

    /// - Throws: if the link cannot be seen; it is then removed again.
    mutating func present(_ link: NewLink, in path: String) throws(Failure) -> Link {
        do throws(Failure) {
            guard let made = try self.link(.name(link.name)) else {
                throw Failure("look up \(link.name) in \(path)", .noSuchDevice)
            }
            return made
        } catch {
            withdraw(link.name)
            throw error
        }
    }

    /// Removes a link that ADD made and cannot use.
    mutating func withdraw(_ name: String) {
        surviving { () throws(Failure) in try execute("delete link \(name)") { $0.deleteLink(.name(name)) } }
    }

    /// The link of the default route: IPv4's if there is one, otherwise IPv6's.
    mutating func linkOfDefaultRoute() throws(Failure) -> Link? {
        for family in IPFamily.allCases {
            let defaults = try routes(family).filter {
                $0.destination.prefixLength == 0 && $0.table == Route.mainTable && $0.interface != 0
            }
            if let best = defaults.min(by: { $0.priority ?? 0 < $1.priority ?? 0 }) {
                return try link(.index(best.interface))
            }
        }
        return nil
    }
}
