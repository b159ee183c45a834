internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import Logging
internal import NetlinkCodec
internal import Posix

/// The pod's interface and its other end on the node.
struct VethPair {
    let owner: AttachmentName
    /// Of the pod's end.
    let mac: MACAddress
    /// Octets; nil leaves it to the kernel.
    let configuredMTU: UInt32?
    /// Of the pod's end; nil leaves them to the kernel.
    let gso: GSOLimits?

    /// - Parameters:
    ///   - mac: the one asked for; nil for the one that follows from address or owner.
    ///   - mtu: octets; nil leaves it to the kernel.
    init(_ owner: AttachmentName, mac: MACAddress?, mtu: UInt32?, gso: GSOLimits? = nil, _ result: CNIResult) {
        self.owner = owner
        self.mac = mac ?? owner.podMAC(result.ips.first?.address.address)
        configuredMTU = mtu
        self.gso = gso
    }

    /// Octets; the kernel's default where nothing is configured (ETH_DATA_LEN, linux/if_ether.h).
    var mtu: UInt32 { configuredMTU ?? 1500 }

    /// The host's end, as a result describes it.
    var hostInterface: CNIResult.Interface {
        .init(name: owner.hostName, mac: owner.hostMAC.description, mtu: mtu)
    }

    /// The pod's end, as a result describes it.
    func podInterface(in path: String) -> CNIResult.Interface {
        .init(name: ifname, mac: mac.description, mtu: mtu, sandbox: path)
    }

    private var ifname: String { owner.ifname }

    /// Makes both ends in one request, the pod's straight in its namespace, the host's a port of the bridge if there is one.
    ///
    /// - Throws: code 103 when either name is taken. Nothing is left of it then.
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
            // It may have been made.
            if error.isAnswerLost { surviving { () throws(Failure) in try remove(&sockets.host) } }
            throw error.errno == .fileExists ? try conflict(pod.path, &sockets.host) : error
        }
        undo.push { (sockets) throws(Failure) in try remove(&sockets.host) }
    }

    /// Asks for the index of the pod's end, once it has been made.
    func peerIndex(in path: String, _ inside: inout NetlinkSocket) throws(Failure) -> UInt32 {
        guard let link = try inside.link(.name(ifname)) else {
            throw Failure("look up \(ifname) in \(path)", .noSuchDevice)
        }
        return link.index
    }

    /// Sets up the host's end, with its owner spelt out in its alias. Only once it has been made: its name would lead to the
    /// link of an attachment that was there already.
    ///
    /// - Parameters:
    ///   - change: what else is to be changed of it.
    ///   - hasIPv6: false keeps IPv6 off it: no link-local address, no solicitations.
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
            // A node without IPv6, or an MTU below IPv6's least: it is off already.
            guard error.change == .ipv6, error.errno == .addressFamilyNotSupported else { throw error }
        }
    }

    /// Tells apart what EEXIST does not: the host's name (this attachment is there already) or the pod's.
    private func conflict(_ path: String, _ host: inout NetlinkSocket) throws(Failure) -> Failure {
        try owner.requireUnused(&host)
        return PodInterface.taken(ifname, kind: "veth", in: path)
    }

    /// Removes the pair, waiting for the kernel: for undoing, where nobody is in a hurry.
    func remove(_ host: inout NetlinkSocket) throws(Failure) {
        try host.execute("delete link \(owner.hostName)") { $0.deleteLink(.name(owner.hostName)) }
    }
}

extension ChangeTag {
    /// Whether a link has IPv6, which kernels without it refuse.
    fileprivate static var ipv6: ChangeTag { ChangeTag(1) }
}

extension AttachmentName {
    /// - Throws: code 103 when the attachment has an interface already.
    func requireUnused(_ host: inout NetlinkSocket) throws(Failure) {
        guard try host.link(.name(hostName)) != nil else { return }
        throw Failure(
            .conflict,
            "container \(attachment.containerID) is attached to network \(network) as \(attachment.ifname) already",
            details: "its host interface is \(hostName); DEL it first")
    }
}
