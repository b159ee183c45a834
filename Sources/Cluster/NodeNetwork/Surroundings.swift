internal import Addresses
internal import Kernel
internal import NetlinkCodec
internal import NodeRoutes
internal import Posix

/// What this node's kernel says about its interfaces.
struct Surroundings: Sendable {
    var links: [Link]
    var addresses: [InterfaceAddress]
    /// Indexes of the interfaces by which default routes lead.
    var defaultInterfaces: Set<UInt32>

    static func read(_ socket: inout NetlinkSocket) throws(Failure) -> Surroundings {
        let links = try socket.links()
        let addresses = try socket.addresses()
        var defaults: Set<UInt32> = []
        for family in [IPFamily.v4, .v6] {
            // Only the main table: what others' policy rules select is not the way to nodes.
            for route in try socket.routes(family)
            where route.destination.prefixLength == 0 && route.table == Route.mainTable && route.interface != 0 {
                defaults.insert(route.interface)
            }
        }
        return Surroundings(links: links, addresses: addresses, defaultInterfaces: defaults)
    }

    /// The interfaces to the other nodes.
    ///
    /// - Parameter own: this node's addresses as the cluster knows them.
    func underlay(_ settings: NetworkSettings, own: [IPAddress]) -> Underlay {
        let candidates = links.filter { $0.isUp && !isPodsOrTunnel($0) }
        func having(_ wanted: [IPAddress]) -> [Link] {
            candidates.filter { link in
                addresses.contains { $0.index == link.index && wanted.contains($0.address.address) }
            }
        }
        let chosen: [Link]
        if !settings.interfaces.isEmpty {
            chosen = candidates.filter { link in settings.interfaces.contains { Pattern($0).matches(link.name) } }
        } else {
            chosen =
                [
                    settings.followsOwnNode ? having(own) : [],
                    candidates.filter { defaultInterfaces.contains($0.index) && !globalAddresses($0).isEmpty },
                    // Docker's and libvirt's are bridges.
                    candidates.filter { $0.kind != "bridge" && !globalAddresses($0).isEmpty },
                ].first { !$0.isEmpty } ?? []
        }
        return Underlay(
            chosen.map {
                Underlay.Interface(index: $0.index, name: $0.name, mtu: $0.mtu, addresses: globalAddresses($0))
            }
        )
    }

    /// Without those that come and go (keepalived's), as long as there are others. Sorted, so that the same addresses in another
    /// order are no change.
    private func globalAddresses(_ link: Link) -> [CIDR] {
        let all = addresses.filter { $0.index == link.index && $0.isUsable && $0.address.address.isGlobal }
        let lasting = all.filter { one in
            !one.isSecondary
                && (one.address.hostBits > 0
                    || !all.contains { $0.address.family == one.address.family && $0.address.hostBits > 0 })
        }
        return lasting.map { $0.address }
            .sorted { ($0.family == .v4 ? 0 : 1, $0.address.value) < ($1.family == .v4 ? 0 : 1, $1.address.value) }
    }

    /// Whether one of these interfaces is there, although it is of no use at the moment.
    func isAway(_ underlay: Underlay) -> Bool {
        underlay.interfaces.contains { interface in
            links.contains { $0.index == interface.index && $0.name == interface.name && !$0.isUp }
        }
    }

    private func isPodsOrTunnel(_ link: Link) -> Bool {
        link.name == "lo" || link.alias.hasPrefix("swiftlet ") || link.name == NetworkSettings.tunnelName
    }
}

extension IPAddress {
    /// Neither of loopback nor of one link only.
    fileprivate var isGlobal: Bool { !isLoopback && !isLinkLocal }
}

/// A name in which `*` stands for any characters.
struct Pattern {
    private let parts: [Substring]

    init(_ text: String) { parts = text.split(separator: "*", omittingEmptySubsequences: false) }

    func matches(_ name: String) -> Bool {
        guard parts.count > 1, let first = parts.first, let last = parts.last else {
            return parts.first.map { $0 == name } ?? false
        }
        guard name.hasPrefix(first), name.hasSuffix(last), name.count >= first.count + last.count else { return false }
        var rest = name.dropFirst(first.count).dropLast(last.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let found = rest.range(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        return true
    }
}

extension Substring {
    fileprivate func range(of part: Substring) -> Range<Index>? {
        indices.first { self[$0...].hasPrefix(part) }.map { $0..<index($0, offsetBy: part.count) }
    }
}
