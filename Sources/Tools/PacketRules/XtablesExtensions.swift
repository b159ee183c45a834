internal import Addresses
internal import NetlinkCodec

/// Matches and targets of xtables that iptables-nft still uses for some options (linux/netfilter/xt_*.h).
extension NftMachine {
    mutating func match(_ name: String, _ info: ArraySlice<UInt8>) -> Step {
        func result(_ isSo: Bool) -> Step { isSo ? .matched : .noMatch }
        if let transport = NftMachine.transports[name], transport != packet.transport { return .noMatch }
        switch name {
        case "comment": return .matched
        case "statistic":
            if let result = statistic(info) { return result }
        // struct xt_conntrack_mtinfo3: match_flags, invert_flags and state_mask; others than the state are not supported.
        case "conntrack" where info.count >= 152:
            let flags = info.load(UInt16.self, at: 146)
            let inverted = info.load(UInt16.self, at: 148)
            let wanted = info.load(UInt16.self, at: 150)
            let connection = context.connection
            guard flags == 1, connection.isRewritingKnown || wanted & 0xc0 == 0 else { break }
            // XT_CONNTRACK_STATE_UNTRACKED, and _SNAT and _DNAT.
            var bits = connection.tracking == .untracked ? 0x100 : UInt16(connection.tracking.stateBit)
            if connection.tracking.isTracked, connection.rewritten & TrackedConnection.sourceRewritten != 0 {
                bits |= 0x40
            }
            if connection.tracking.isTracked, connection.rewritten & TrackedConnection.destinationRewritten != 0 {
                bits |= 0x80
            }
            return result((wanted & bits != 0) != (inverted & 1 != 0))
        // struct xt_addrtype_info_v1: masks of 1 << RTN_*.
        case "addrtype" where info.count >= 8:
            let flags = info.load(UInt32.self, at: 4)
            guard flags & ~3 == 0 else { break }
            for (offset, address, inverting) in [(0, packet.source, UInt32(1)), (2, packet.destination, 2)] {
                let wanted = info.load(UInt16.self, at: offset)
                guard wanted != 0 else { continue }
                guard let type = context.addressTypes[address] else {
                    return .unknown("it looks at the type of an address")
                }
                guard (wanted >> UInt16(type) & 1 != 0) != (flags & inverting != 0) else { return .noMatch }
            }
            return .matched
        // struct xt_tcp and struct xt_udp begin with the same two port ranges.
        case "tcp" where info.count >= 12, "udp" where info.count >= 9:
            let flags = name == "tcp" ? info.load(UInt8.self, at: 11) : info.load(UInt8.self, at: 8)
            let ranges = (0..<4).map { info.load(UInt16.self, at: $0 * 2) }
            let isSource = (ranges[0]...max(ranges[0], ranges[1])).contains(packet.sourcePort)
            let isDestination = (ranges[2]...max(ranges[2], ranges[3])).contains(packet.destinationPort)
            let isPort = isSource != (flags & 1 != 0) && isDestination != (flags & 2 != 0)
            guard name == "tcp", info.load(UInt8.self, at: 9) != 0 else { return result(isPort) }
            let isFlag = headers.transport[13] & info.load(UInt8.self, at: 9) == info.load(UInt8.self, at: 10)
            return result(isPort && isFlag != (flags & 4 != 0))
        // struct xt_multiport_v1: which end, number of ports, the ports, whether each begins a range, whether all is inverted.
        case "multiport" where info.count >= 48:
            guard packet.transport != .icmp else { return .noMatch }
            let ends = [[packet.sourcePort], [packet.destinationPort], [packet.sourcePort, packet.destinationPort]]
            let (end, count) = (Int(info.load(UInt8.self, at: 0)), Int(info.load(UInt8.self, at: 1)))
            guard end < ends.count, count <= 15 else { break }
            let isSo = ends[end].contains { NftMachine.isListed($0, info, count) }
            return result(isSo != (info.load(UInt8.self, at: 47) != 0))
        // struct xt_mark_mtinfo1.
        case "mark" where info.count >= 9 && context.isMarkKnown:
            let isSame = packet.mark & info.load(UInt32.self, at: 4) == info.load(UInt32.self, at: 0)
            return result(isSame != (info.load(UInt8.self, at: 8) != 0))
        // struct xt_connmark_mtinfo1.
        case "connmark" where info.count >= 9:
            guard context.connection.tracking.isTracked else { return .noMatch }
            guard context.connection.isMarkKnown else { break }
            let isSame = context.connection.mark & info.load(UInt32.self, at: 4) == info.load(UInt32.self, at: 0)
            return result(isSame != (info.load(UInt8.self, at: 8) != 0))
        default: break
        }
        return .unknown("it uses the match `\(name)` of iptables")
    }

    /// Matches for packets of one kind only; nil for a kind that is not modelled.
    private static let transports: [String: Packet.Transport?] = [
        "tcp": .tcp, "udp": .udp, "icmp": .icmp, "icmp6": .icmp, "sctp": nil, "dccp": nil,
    ]

    /// Whether a port is listed in a struct xt_multiport_v1.
    private static func isListed(_ port: UInt16, _ info: ArraySlice<UInt8>, _ count: Int) -> Bool {
        var position = 0
        while position < count {
            let first = info.load(UInt16.self, at: 2 + position * 2)
            let isRange = info.load(UInt8.self, at: 32 + position) != 0 && position + 1 < count
            if isRange { position += 1 }
            let last = info.load(UInt16.self, at: 2 + position * 2)
            if first <= port, port <= last { return true }
            position += 1
        }
        return false
    }

    mutating func target(
        _ name: String, _ revision: UInt32, _ info: ArraySlice<UInt8>, _ table: NftTable, _ chain: String
    ) -> Step {
        switch name {
        case "LOG", "NFLOG", "TRACE", "CHECKSUM", "TCPMSS", "CLASSIFY", "TOS", "DSCP": return .matched
        case "NOTRACK": return untracked()
        // struct xt_ct_target_info begins with its flags, the first of which is XT_CT_NOTRACK.
        case "CT": return info.count >= 2 && info.load(UInt16.self, at: 0) & 1 != 0 ? untracked() : .matched
        // struct xt_connmark_tginfo1; revision 2 has a direction and a number of bits to shift by before the mode.
        case "CONNMARK" where info.count >= 15:
            let isShifting = revision >= 2
            guard !isShifting || info.load(UInt8.self, at: 13) == 0 else { break }
            return connectionMark(info, mode: info.load(UInt8.self, at: isShifting ? 14 : 12))
        case "REJECT": return .rejected
        case "MASQUERADE": return masquerade(table, chain)
        // struct nf_nat_range2: flags, two addresses, two ports.
        case "DNAT" where info.count >= 40, "SNAT" where info.count >= 40:
            let flags = info.load(UInt32.self, at: 0)
            let address = IPAddress(bytes: info.dropFirst(4).prefix(packet.family.byteWidth))
            let port = UInt16(bigEndian: info.load(UInt16.self, at: 36))
            let (new, newPort) = (flags & 1 != 0 ? address : nil, flags & 2 != 0 ? port : nil)
            return name == "DNAT"
                ? rewrite(destination: new ?? packet.destination, port: newPort, table, chain)
                : rewrite(source: new ?? packet.source, port: newPort, table, chain)
        // struct xt_mark_tginfo2.
        case "MARK" where info.count >= 8:
            let mask = info.load(UInt32.self, at: 4)
            packet.mark = packet.mark & ~mask ^ info.load(UInt32.self, at: 0)
            if mask == .max { context.isMarkKnown = true }
            return .matched
        default: break
        }
        return .anything("it uses the target `\(name)` of iptables")
    }

    private mutating func untracked() -> Step {
        leaveUntracked()
        return .matched
    }

    private mutating func connectionMark(_ info: ArraySlice<UInt8>, mode: UInt8) -> Step {
        guard context.connection.tracking.isTracked else { return .matched }
        let (mark, mask) = (info.load(UInt32.self, at: 0), info.load(UInt32.self, at: 4))
        let packetMask = info.load(UInt32.self, at: 8)
        // XT_CONNMARK_SET, _SAVE and _RESTORE.
        switch mode {
        case 0:
            context.connection.mark = context.connection.mark & ~mask ^ mark
            if mask == .max { context.connection.isMarkKnown = true }
        case 1:
            context.connection.mark = context.connection.mark & ~mask ^ (packet.mark & packetMask)
            context.connection.isMarkKnown =
                context.isMarkKnown && (context.connection.isMarkKnown || mask == .max)
        default:
            packet.mark = packet.mark & ~packetMask ^ (context.connection.mark & mask)
            context.isMarkKnown = context.connection.isMarkKnown && (context.isMarkKnown || packetMask == .max)
        }
        return .matched
    }
}
