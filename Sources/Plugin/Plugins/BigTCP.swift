internal import Addresses
internal import CNI
internal import JSON
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// TCP packets of more than 64 KiB between pods and node: docs/data-path.md.
enum BigTCP {
    enum Keys {
        static let gsoIPv4MaxSize = size(
            "gsoIPv4MaxSize",
            "Largest IPv4 TCP packet of pods and node in octets, 65536 to 524280; 0 leaves it to the kernel (65536). The most makes TCP within the node three times as fast, and half as fast by an uplink that takes less: [data-path.md](data-path.md)."
        )
        static let gsoIPv6MaxSize = size(
            "gsoIPv6MaxSize", "The same for IPv6, whose routes get an `mtu` that is 8 octets less than the interface's."
        )
        @KeyList static var everything: [KeyDescription] {
            gsoIPv4MaxSize
            gsoIPv6MaxSize
        }

        private static func size(_ name: String, _ summary: String) -> ConfigurationKey<Int> {
            ConfigurationKey(name, default: 0, summary) { reader throws(Failure) in
                let (number, range) = (try reader.integer(), Int64(GSOLimits.usual)...Int64(GSOLimits.most))
                guard number == 0 || range.contains(number) else {
                    throw reader.wrong("0, or from \(range.lowerBound) to \(range.upperBound)")
                }
                return Int(number)
            }
        }
    }

    /// Nil if the configuration leaves both to the kernel.
    static func limits(_ configuration: Configuration) throws(Failure) -> GSOLimits? {
        let v4 = UInt32(try configuration[Keys.gsoIPv4MaxSize])
        let v6 = UInt32(try configuration[Keys.gsoIPv6MaxSize])
        guard v4 > 0 || v6 > 0 else { return nil }
        return GSOLimits(v4: max(v4, GSOLimits.usual), v6: max(v6, GSOLimits.usual))
    }

    /// Makes room for IPv6 through the node: the kernel puts a header of 8 octets into packets of more than 64 KiB
    /// (hop_jumbo_hdr, net/ipv6.h). When it routes them, it counts the header as part of each segment, and drops those
    /// too large for the next link's MTU.
    ///
    /// - Parameter mtu: the MTU of the pod's interface, octets.
    /// - Throws: code 7 if IPv6 has no room for it: it needs 1280 octets (IPV6_MIN_MTU, linux/ipv6.h).
    static func leaveRoomForHeader(in routes: inout [CNIResult.Route], mtu: UInt32) throws(Failure) {
        for index in routes.indices where routes[index].destination.family == .v6 {
            guard mtu >= 1280 + 8 else {
                throw Failure(
                    .invalidConfiguration, "mtu \(mtu) is too small for gsoIPv6MaxSize",
                    details: "it needs 1288 at least")
            }
            let given = routes[index].mtu ?? 0
            routes[index].mtu = given == 0 ? mtu - 8 : min(given, mtu - 8)
        }
    }

    /// - Throws: code 50 if the kernel does not support what is asked for.
    static func requireSupport(of limits: GSOLimits?, _ host: inout NetlinkSocket) throws(Failure) {
        guard limits != nil else { return }
        // Any link shows it; this one always exists (LOOPBACK_IFINDEX, net/flow.h).
        guard try host.link(.index(1))?.gso != nil else {
            throw Failure(
                .notAvailable, "this kernel has no BIG TCP of both families",
                details: "gsoIPv4MaxSize and gsoIPv6MaxSize need Linux 6.3; leave them out")
        }
    }

    /// Lets the node send packets to its pods as large as theirs, through a bridge or its substitute. This stays even
    /// if ADD fails later, because all pods share the bridge. It accepts more than the usual limit only once it has a
    /// port (br_set_gso_limits, net/bridge/br_if.c).
    static func raise(_ name: String, to limits: GSOLimits, _ host: inout NetlinkSocket) throws(Failure) {
        guard let link = try host.link(.name(name)), let present = link.gso, let most = link.tsoMaxSize else { return }
        let wanted = present.raised(to: limits.lowered(to: most))
        guard wanted != present else { return }
        var change = LinkChange()
        change.gso = wanted
        try host.execute("raise the packet size of \(name)") { $0.changeLink(.name(name), change) }
    }

    /// Compares what ADD set. A less capable link added to the bridge since has lowered the bridge's limits.
    static func check(_ links: [Link], _ limits: GSOLimits) throws(Failure) {
        for link in links {
            guard let present = link.gso, present.cover(limits.lowered(to: link.tsoMaxSize ?? GSOLimits.usual)) else {
                throw Failure(
                    deviation: "the packet size of \(link.name) is limited to \(link.gso?.v4 ?? 0) octets of IPv4"
                        + " and \(link.gso?.v6 ?? 0) of IPv6, not \(limits.v4) and \(limits.v6)")
            }
        }
    }
}

extension Link {
    /// For the host side of a pod's veth, whatever pods are allowed, so that large packets from another pod or a
    /// network card are not split on their last steps. Nil if the kernel has no such packets.
    var limitsOfPorts: GSOLimits? { tsoMaxSize == nil ? nil : .all }
}
