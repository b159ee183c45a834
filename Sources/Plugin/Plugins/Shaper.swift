internal import Attachments
internal import CNI
internal import Kernel
internal import EventLog
internal import NetlinkCodec
internal import Posix

/// Enforces a pod's limits on the node's side, where the pod cannot undo them.
///
/// Traffic to the pod leaves by the host side of its veth and is shaped there. Traffic from the pod enters there, but only
/// outgoing traffic can be shaped. It is therefore redirected to leave by an interface of kind ifb, from which it comes in again.
struct Shaper {
    let owner: AttachmentName
    let settings: BandwidthSettings

    /// - Parameter port: the host side of the pod's veth.
    /// - Returns: the ifb, if there is one now.
    /// - Throws: code 103 if something is there already. Nothing is left behind after an error.
    func add(to port: Link, _ host: inout NetlinkSocket) throws(Failure) -> Link? {
        guard !settings.isEmpty else { return nil }
        try requireUnused(port, &host)
        let ifb = try settings.egress == nil ? nil : owner.makeIFB(mtu: port.mtu, &host)
        do throws(Failure) {
            if let ifb { try owner.keepIPv6Off(ifb, &host) }
            try host.execute(changes(port, ifb))
            return ifb
        } catch {
            undo(on: port, ifb, &host)
            throw error
        }
    }

    /// Removes what ``add(to:_:)`` made.
    func undo(on port: Link, _ ifb: Link?, _ host: inout NetlinkSocket) {
        for place in places {
            surviving { () throws(Failure) in
                try host.execute("delete a qdisc of \(port.name)") { $0.deleteQdisc(place, on: port.index) }
            }
        }
        guard let ifb else { return }
        surviving { () throws(Failure) in
            try host.execute("delete link \(ifb.name)") { $0.deleteLink(.index(ifb.index)) }
        }
    }

    /// The places that must be unused.
    private var places: [QdiscPlace] {
        (settings.ingress == nil ? [] : [.root]) + (settings.egress == nil ? [] : [.ingress])
    }

    private func requireUnused(_ port: Link, _ host: inout NetlinkSocket) throws(Failure) {
        for place in places {
            guard let other = try host.qdisc(place, of: port) else { continue }
            throw Failure(
                .conflict, "\(port.name) already has a queueing discipline: \(place) \(other.kind)",
                details: "limits for \(owner.linkAlias) need its place; tc qdisc show dev \(port.name)")
        }
    }

    private func changes(_ port: Link, _ ifb: Link?) -> Changes {
        var changes = Changes()
        if let limit = settings.ingress {
            changes.append("limit what leaves through \(port.name)") {
                $0.addTokenBucket(limit.bucket(mtu: port.mtu), on: port.index)
            }
        }
        guard let limit = settings.egress, let ifb else { return changes }
        changes.append("limit what leaves through \(ifb.name)") {
            $0.addTokenBucket(limit.bucket(mtu: port.mtu), on: ifb.index)
        }
        // Only now: the kernel changes the qdisc of a link that is up only after waiting for RCU.
        var ready = LinkChange()
        ready.alias = owner.linkAlias
        ready.isUp = true
        changes.append("set \(ifb.name) up") { $0.changeLink(.index(ifb.index), ready) }
        changes.append("prepare \(port.name) for filters of what enters it") { $0.addIngress(on: port.index) }
        changes.append("redirect what enters through \(port.name) to \(ifb.name)") {
            $0.redirectIngress(of: port.index, to: ifb.index)
        }
        return changes
    }

    /// Compares what ``add(to:_:)`` or the reference plugin made with the current state.
    ///
    /// - Throws: code 104.
    func check(_ port: Link, _ host: inout NetlinkSocket) throws(Failure) {
        if let limit = settings.ingress { try check(limit, of: port, "ingress", &host) }
        guard let limit = settings.egress else { return }
        guard let ifb = try owner.ifb(&host) else {
            throw Failure(deviation: "interface \(owner.ifbNames[0]) of kind ifb is missing: egressRate is not kept")
        }
        guard ifb.isUp else { throw Failure(deviation: "interface \(ifb.name) is down: what the pod sends is lost") }
        try check(limit, of: ifb, "egress", &host)
        guard try host.qdisc(.ingress, of: port) != nil else {
            throw Failure(deviation: "\(port.name) has no ingress queueing discipline: egressRate is not kept")
        }
        guard let first = try host.ingressFilters(of: port).first, first.matchesEverything,
            first.redirection == ifb.index
        else {
            throw Failure(
                deviation:
                    "no filter of \(port.name) redirects all that enters to \(ifb.name): egressRate is not kept")
        }
    }

    private func check(
        _ limit: BandwidthSettings.Limit, of link: Link, _ direction: String, _ host: inout NetlinkSocket
    ) throws(Failure) {
        guard let qdisc = try host.qdisc(.root, of: link), qdisc.kind == "tbf" else {
            throw Failure(deviation: "\(link.name) has no token bucket (tbf): \(direction)Rate is not kept")
        }
        let acceptable = [limit.bucket(mtu: link.mtu), limit.referenceBucket]
        guard acceptable.contains(where: { qdisc.serves($0) }) else {
            throw Failure(
                deviation:
                    "Rate, Limit or Buffer doesn't match: the token bucket of \(link.name) is not for \(direction)Rate \(limit.rate)"
            )
        }
    }

    /// Checks that the kernel supports what limits need, without creating anything.
    ///
    /// - Throws: code 50.
    static func requireSupport() throws(Failure) {
        do throws(Failure) {
            var host = try NetlinkSocket()
            try host.requireSupport(of: "ifb")
            try host.requireTokenBuckets()
        } catch { throw error.coded(.notAvailable) }
    }
}
