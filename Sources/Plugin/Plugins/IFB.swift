internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import EventLog
internal import NetlinkCodec
internal import Posix

// The interface of kind ifb that carries what a pod sends, if that is limited.

extension AttachmentName {
    /// Its names. The first is the reference plugin's, so that each program can remove what the other made. That name
    /// does not depend on the container's interface, so a second interface on the same network gets the other name.
    var ifbNames: [String] {
        let reference = base16(sha512(network + containerID)).prefix(12)
        let own = base32(fnv1a(network), characters: 4) + base32(fnv1a(linkAlias), characters: 8)
        return ["bwp\(reference)", "bwp\(own)"]
    }

    /// Its MAC, which identifies the owner until the alias is set: half of it is derived from the network, half from
    /// the attachment.
    private var ifbMAC: MACAddress {
        MACAddress(locallyAdministered: AttachmentName.ifbMark(network) | fnv1a(linkAlias) & 0xff_ffff)
    }

    private static func ifbMark(_ network: String) -> UInt64 { fnv1a("ifb \(network)") & 0xff_ffff << 24 }

    /// Creates it, still down and without an alias.
    ///
    /// - Throws: code 103 if this attachment already has one.
    func makeIFB(mtu: UInt32, _ host: inout NetlinkSocket) throws(Failure) -> Link {
        for name in ifbNames {
            do throws(Failure) {
                try host.execute("create ifb \(name) for \(linkAlias)") {
                    $0.createLink(NewLink(name: name, kind: .ifb, mac: ifbMAC, mtu: mtu))
                }
            } catch {
                // It may have been created.
                if error.isAnswerLost { surviving { () throws(Failure) in try removeIFB(&host) } }
                guard error.errno == .fileExists, try host.link(.name(name))?.alias != linkAlias else {
                    throw error.errno == .fileExists ? conflict(name) : error
                }
                continue
            }
            do throws(Failure) {
                guard let link = try host.link(.name(name)) else {
                    throw Failure("look up \(name)", .noSuchDevice)
                }
                return link
            } catch {
                surviving { () throws(Failure) in
                    try host.execute("delete link \(name)") { $0.deleteLink(.name(name)) }
                }
                throw error
            }
        }
        throw conflict(ifbNames[1])
    }

    private func conflict(_ name: String) -> Failure {
        Failure(
            .conflict, "interface \(name) already exists: \(ifname) of \(containerID) is limited",
            details: "DEL it first")
    }

    private func removeIFB(_ host: inout NetlinkSocket) throws(Failure) {
        guard let link = try ifb(&host) else { return }
        try host.execute("delete link \(link.name)") { $0.deleteLink(.index(link.index)) }
    }

    /// It only forwards packets and sends none of its own.
    func keepIPv6Off(_ ifb: Link, _ host: inout NetlinkSocket) throws(Failure) {
        var quiet = LinkChange()
        quiet.makesLinkLocalAddress = false
        do throws(Failure) {
            try host.execute("keep IPv6 off \(ifb.name)") { $0.changeLink(.index(ifb.index), quiet) }
        } catch {
            // Off already: a node without IPv6, or an MTU below IPv6's minimum.
            guard error.errno == .addressFamilyNotSupported else { throw error }
        }
    }

    /// This attachment's ifb, ours or the reference's, which has no alias.
    func ifb(_ host: inout NetlinkSocket) throws(Failure) -> Link? {
        for name in ifbNames.reversed() {
            guard let link = try host.link(.name(name)), link.kind == "ifb" else { continue }
            if link.alias == linkAlias || link.alias.isEmpty { return link }
        }
        return nil
    }

    /// The ifbs of a network's attachments that are not in `kept`.
    static func staleIFBs(
        of network: String, exceptOf kept: Set<Attachment>, _ host: inout NetlinkSocket
    ) throws(Failure) -> [Link] {
        let keptMACs = Set(kept.map { AttachmentName(network: network, $0).ifbMAC })
        let mark = MACAddress(locallyAdministered: ifbMark(network)).bytes.prefix(3)
        return try host.links(kind: "ifb").filter { link in
            if let owner = AttachmentName(linkAlias: link.alias) {
                return owner.network == network && !kept.contains(owner.attachment)
            }
            // Its call was killed while making it.
            guard link.alias.isEmpty, link.name.hasPrefix("bwp"), let mac = link.mac else { return false }
            return mac.bytes.prefix(3) == mark && !keptMACs.contains(mac)
        }
    }
}
