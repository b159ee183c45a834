internal import Addresses
internal import CNI
internal import JSON
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// TCP packets of more than 64 KiB, between pods and node: docs/data-path.md.
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

    /// Nil where the configuration leaves both to the kernel.
    static func limits(_ configuration: Configuration) throws(Failure) -> GSOLimits? {
        let v4 = UInt32(try configuration[Keys.gsoIPv4MaxSize])
        let v6 = UInt32(try configuration[Keys.gsoIPv6MaxSize])
        guard v4 > 0 || v6 > 0 else { return nil }
        return GSOLimits(v4: max(v4, GSOLimits.usual), v6: max(v6, GSOLimits.usual))
    }

    /// Lets IPv6 out by the node: into packets of more than 64 KiB the kernel puts a header of 8 octets (hop_jumbo_hdr,
    /// net/ipv6.h). When it routes them it counts that as part of each segment, and drops what the next link's MTU is too
    /// small for.
    ///
    /// - Parameter mtu: of the pod's interface, octets.
    /// - Throws: code 7 where IPv6 has no such room: it needs 1280 octets (IPV6_MIN_MTU, linux/ipv6.h).
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

    /// - Throws: code 50 where the kernel lacks what is asked for.
    static func requireSupport(of limits: GSOLimits?, _ host: inout NetlinkSocket) throws(Failure) {
        guard limits != nil else { return }
        // Any link tells; this one is there always (LOOPBACK_IFINDEX, net/flow.h).
        guard try host.link(.index(1))?.gso != nil else {
            throw Failure(
                .notAvailable, "this kernel has no BIG TCP of both families",
                details: "gsoIPv4MaxSize and gsoIPv6MaxSize need Linux 6.3; leave them out")
        }
    }

    /// Lets the node send as large packets to its pods as they send to it, by a bridge or by what stands for it. It stays so
    /// even if this ADD fails later: the bridge is all pods'. It takes more than the usual only once it has a port (br_set_gso_limits, net/bridge/br_if.c).
    static func raise(_ name: String, to limits: GSOLimits, _ host: inout NetlinkSocket) throws(Failure) {
        guard let link = try host.link(.name(name)), let present = link.gso, let most = link.tsoMaxSize else { return }
        let wanted = present.raised(to: limits.lowered(to: most))
        guard wanted != present else { return }
        var change = LinkChange()
        change.gso = wanted
        try host.execute("raise the packet size of \(name)") { $0.changeLink(.name(name), change) }
    }

    /// Compares what ADD set. A link that has come to the bridge since, and cannot do as much, has lowered what it can.
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
    /// For the host's end of a pod's veth, whatever pods are allowed: so that nothing which another pod or a network card
    /// has made large is cut up on its last few steps. Nil where the kernel has no such packets.
    var limitsOfPorts: GSOLimits? { tsoMaxSize == nil ? nil : .all }
}
