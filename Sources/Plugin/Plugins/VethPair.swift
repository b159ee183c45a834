internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import EventLog
internal import NetlinkCodec
internal import Posix

/// The pod's interface and its peer on the node.
struct VethPair {
    let owner: AttachmentName
    /// The MAC of the pod's side.
    let mac: MACAddress
    /// Octets; nil leaves it to the kernel.
    let configuredMTU: UInt32?
    /// Limits of the pod's side; nil leaves them to the kernel.
    let gso: GSOLimits?

    /// - Parameters:
    ///   - mac: the requested MAC; nil for the one derived from address or owner.
    ///   - mtu: octets; nil leaves it to the kernel.
    init(_ owner: AttachmentName, mac: MACAddress?, mtu: UInt32?, gso: GSOLimits? = nil, _ result: CNIResult) {
        self.owner = owner
        self.mac = mac ?? owner.podMAC(result.ips.first?.address.address)
        configuredMTU = mtu
        self.gso = gso
    }

    /// Octets; the kernel's default if nothing is configured (ETH_DATA_LEN, linux/if_ether.h).
    var mtu: UInt32 { configuredMTU ?? 1500 }

    /// The host side, as described in a result.
    var hostInterface: CNIResult.Interface {
        .init(name: owner.hostName, mac: owner.hostMAC.description, mtu: mtu)
    }

    /// The pod's side, as described in a result.
    func podInterface(in path: String) -> CNIResult.Interface {
        .init(name: ifname, mac: mac.description, mtu: mtu, sandbox: path)
    }

    private var ifname: String { owner.ifname }

    /// Creates both ends in one request: the pod's side directly in its namespace, the host side as a port of the
    /// bridge if there is one.
    ///
    /// - Throws: code 103 if either name is taken. Nothing is left behind.
    func create(
        in pod: borrowing NetworkNamespace, on bridge: Link? = nil, _ sockets: inout Sockets, _ undo: inout UndoStack
    ) throws(Failure) {
        let place = bridge.map { " on bridge \($0.name)" } ?? ""
        do throws(Failure) {
            try sockets.host.execute("create veth \(ifname) of \(owner.containerID)\(place)") {
                $0.createVeth(
                    VethEnd(name: owner.hostName, mac: owner.hostMAC, gso: bridge?.limitsOfPorts),
                    peer: VethEnd(name: ifname, mac: mac, namespace: pod.descriptor, gso: gso),
                    mtu: configuredMTU, master: bridge?.index)
            }
        } catch {
            // The pair may have been created.
            if error.isAnswerLost { surviving { () throws(Failure) in try remove(&sockets.host) } }
            throw error.errno == .fileExists ? try conflict(pod.path, &sockets.host) : error
        }
        undo.push { (sockets) throws(Failure) in try remove(&sockets.host) }
    }

    /// Looks up the index of the pod's side after it has been created.
    func peerIndex(in path: String, _ inside: inout NetlinkSocket) throws(Failure) -> UInt32 {
        guard let link = try inside.link(.name(ifname)) else {
            throw Failure("look up \(ifname) in \(path)", .noSuchDevice)
        }
        return link.index
    }

    /// Sets up the host side, with its owner in its alias. Only after it has been created: its name could otherwise
    /// lead to the link of an existing attachment.
    ///
    /// - Parameters:
    ///   - change: what else to change.
    ///   - hasIPv6: false disables IPv6 on it: no link-local address, no solicitations.
    func setUpHostEnd(
        _ change: LinkChange = LinkChange(), hasIPv6: Bool, _ host: inout NetlinkSocket
    ) throws(Failure) {
        var change = change
        change.alias = owner.linkAlias
        change.isUp = true
        var quiet = LinkChange()
        quiet.makesLinkLocalAddress = false
        var changes = Changes()
        changes.append("set up \(owner.hostName)") { $0.changeLink(.name(owner.hostName), change) }
        if !hasIPv6 {
            changes.append("keep IPv6 off \(owner.hostName)", as: .ipv6) { $0.changeLink(.name(owner.hostName), quiet) }
        }
        do throws(Failure) { try host.execute(changes) } catch {
            // A node without IPv6, or an MTU below IPv6's minimum: it is off already.
            guard error.change == .ipv6, error.errno == .addressFamilyNotSupported else { throw error }
        }
    }

    /// Finds out which name EEXIST is about: the host's (this attachment exists already) or the pod's.
    private func conflict(_ path: String, _ host: inout NetlinkSocket) throws(Failure) -> Failure {
        try owner.requireUnused(&host)
        return PodInterface.taken(ifname, kind: "veth", in: path)
    }

    /// Removes the pair and waits for the kernel. Used for undo, where time does not matter.
    func remove(_ host: inout NetlinkSocket) throws(Failure) {
        try host.execute("delete link \(owner.hostName)") { $0.deleteLink(.name(owner.hostName)) }
    }
}

extension ChangeTag {
    /// The change of a link's IPv6 setting, which kernels without IPv6 refuse.
    fileprivate static var ipv6: ChangeTag { ChangeTag(1) }
}

extension AttachmentName {
    /// - Throws: code 103 if the attachment already has an interface.
    func requireUnused(_ host: inout NetlinkSocket) throws(Failure) {
        guard try host.link(.name(hostName)) != nil else { return }
        throw Failure(
            .conflict,
            "container \(attachment.containerID) is already attached to network \(network) as \(attachment.ifname)",
            details: "its host interface is \(hostName); DEL it first")
    }
}
