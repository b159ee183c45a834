internal import Addresses
internal import IPAM
internal import Kernel
internal import Netfilter
internal import NetlinkCodec
public import Plugins
public import Posix

extension Snapshot {
    /// Where to look besides the kernel.
    public struct Places: Sendable {
        /// The directory of configurations, read only for names and ranges.
        public var configurations: String
        /// Directories of reservations, besides those that configurations name.
        public var dataDirectories: [String]

        public init(
            configurations: String = "/etc/cni/net.d",
            dataDirectories: [String] = [ConfiguredNetwork.usualDataDirectory]
        ) {
            self.configurations = configurations
            self.dataDirectories = dataDirectories
        }
    }

    /// Reads the state of the node of the caller's network namespace without changing anything.
    ///
    /// What cannot be read is left out and named in ``remarks``.
    /// - Throws: when the kernel does not list the node's own links.
    /// - Precondition: the process has one thread, because it enters the pods' namespaces.
    public static func read(_ places: Places = Places()) throws(Failure) -> Snapshot {
        Snapshot(try Observations.read(places))
    }
}

extension Observations {
    /// Reads all of a snapshot's input.
    ///
    /// - Throws: when the kernel does not list the node's own links.
    public static func read(_ places: Snapshot.Places) throws(Failure) -> Observations {
        var seen = Observations()
        seen.time = WallClock.now.seconds
        seen.node = seen.noting("") { () throws(Failure) in
            try NodeFiles.text("/proc/sys/kernel/hostname", limit: 256)
        }
        try seen.readNode()
        seen.configured = seen.readConfigurations(places.configurations)
        seen.stores = seen.readStores(
            places.dataDirectories + seen.configured.compactMap { $0.network.dataDirectory })
        seen.records = seen.noting([]) { () throws(Failure) in try NodeRules.recorded() }
        let records = seen.records
        let holdings = seen.noting(NodeRules.Holdings()) { () throws(Failure) in
            var rules = try NodeRules()
            return try rules.holdings(records)
        }
        (seen.elements, seen.missingRules) = (holdings.counts, holdings.missing)
        let namespaces = seen.noting(NamespaceList()) { () throws(Failure) in try NamespaceList.ofOthers() }
        seen.seesAllNamespaces = namespaces.isComplete
        seen.readNamespaces(namespaces)
        return seen
    }

    /// Notes what cannot be read and continues with a fallback.
    private mutating func noting<Value>(_ fallback: Value, _ body: () throws(Failure) -> Value) -> Value {
        do throws(Failure) { return try body() } catch {
            remarks.append("\(error)")
            return fallback
        }
    }

    private mutating func readNode() throws(Failure) {
        var socket = try NetlinkSocket()
        interfaces = try socket.interfaces()
        let names = Dictionary(interfaces.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
        routes = noting([]) { () throws(Failure) in try socket.mainRoutes() }.map { NodeRoute($0, names) }
        for qdisc in noting([], { () throws(Failure) in try socket.qdiscs() }) {
            if let bucket = qdisc.tokenBucket { buckets[qdisc.interface] = bucket }
            if ["ingress", "clsact"].contains(qdisc.kind) { ingressQdiscs.insert(qdisc.interface) }
        }
        neighbours = noting([]) { () throws(Failure) in try socket.knownNeighbours(names) }
        for bridge in Set(interfaces.map { $0.master }) where bridge != 0 {
            guard let name = names[bridge], interfaces.contains(where: { $0.index == bridge && $0.kind == "bridge" })
            else { continue }
            let entries = noting([]) { () throws(Failure) in try socket.forwardingEntries(ofBridge: bridge) }
            for entry in entries where !entry.isLocal || entry.interface != bridge {
                guard let port = names[entry.interface] else { continue }
                bridgeEntries.append(BridgeEntry(entry.mac, at: port, of: name))
            }
        }
    }

    private mutating func readNamespaces(_ list: NamespaceList) {
        do throws(Failure) {
            let node = try NetworkNamespace.current()
            var socket = try NetlinkSocket()
            for found in list.namespaces {
                // The namespace may vanish at any moment.
                guard let namespace = try? NetworkNamespace(found.path), (try? namespace.inode()) == found.inode else {
                    continue
                }
                let id = (try? socket.id(of: namespace)) ?? nil
                do throws(Failure) {
                    var inside = try namespace.netlinkSocket()
                    let interfaces = try inside.interfaces()
                    // Asked after listing the links, because listing them assigns the number.
                    let nodeID = (try? inside.id(of: node)) ?? nil
                    var seen = SeenNamespace(
                        Namespace(path: found.path, inode: found.inode, id: id), interfaces: interfaces,
                        nodeID: nodeID)
                    let names = Dictionary(
                        interfaces.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
                    let routes = try inside.mainRoutes()
                    seen.routes = routes.map { NodeRoute($0, names) }
                    for route in routes.map({ $0.route }) {
                        guard let gateway = route.gateway, !gateway.isLinkLocal,
                            seen.gateways[route.interface]?.contains(gateway) != true
                        else { continue }
                        seen.gateways[route.interface, default: []].append(gateway)
                    }
                    seen.neighbours = try inside.knownNeighbours(names)
                    for entry in try inside.neighbours() where entry.hasFailed {
                        seen.silentNeighbours[entry.interface, default: []].append(entry.address)
                    }
                    seen.hasProcess = list.inhabited.contains(found.inode)
                    if !seen.hasProcess { seen.since = try? FileStatus.of(found.path).modified.seconds }
                    namespaces.append(seen)
                } catch {
                    seesAllNamespaces = false
                    remarks.append("\(error)")
                }
            }
        } catch {
            seesAllNamespaces = false
            remarks.append("\(error)")
        }
    }

    private mutating func readStores(_ directories: [String]) -> [SeenStore] {
        let bootID = noting("") { () throws(Failure) in try NodeFiles.bootID() }
        var stores: [SeenStore] = []
        var done: Set<String> = []
        for directory in directories where done.insert(directory).inserted && !bootID.isEmpty {
            for network in noting([], { () throws(Failure) in try NodeFiles.directories(directory) }) {
                let store = Store(dataDirectory: directory, network: network, bootID: bootID)
                let reservations = noting([]) { () throws(Failure) in try store.listed() }
                guard !reservations.isEmpty else { continue }
                var seen = SeenStore(
                    network: network, directory: "\(directory)/\(network)", reservations: reservations)
                seen.notFiles = noting([]) { () throws(Failure) in try NodeFiles.notFiles(seen) }
                stores.append(seen)
            }
        }
        return stores
    }

    private mutating func readConfigurations(_ directory: String) -> [SeenConfiguration] {
        var found: [SeenConfiguration] = []
        let names = noting([]) { () throws(Failure) in try NodeFiles.names(directory) }
        for name in names.sorted() where [".conf", ".conflist", ".json"].contains(where: name.hasSuffix) {
            let path = "\(directory)/\(name)"
            do throws(Failure) {
                let content = try NodeFiles.content(path, limit: ConfiguredNetwork.maximumSize)
                let network = try ConfiguredNetwork(content)
                // Runtimes use the first file with a given name.
                if !found.contains(where: { $0.network.name == network.name }) {
                    var seen = SeenConfiguration(network, path: path)
                    seen.defaultRoutes = try SeenConfiguration.defaultRoutes(content)
                    seen.wishes = try SeenConfiguration.wishes(content, network)
                    found.append(seen)
                }
            } catch { remarks.append("\(error.during("read \(path)"))") }
        }
        return found
    }
}

extension NetlinkSocket {
    /// All interfaces with their addresses, except link-local ones.
    fileprivate mutating func interfaces() throws(Failure) -> [Interface] {
        var addresses: [UInt32: [CIDR]] = [:]
        let links = try linkStatuses()
        for address in try self.addresses() where !address.address.address.isLinkLocal {
            addresses[address.index, default: []].append(address.address)
        }
        return links.map { Interface($0, addresses[$0.link.index] ?? []) }
    }

    /// The main table's routes, of both families.
    fileprivate mutating func mainRoutes() throws(Failure) -> [RouteEntry] {
        var found: [RouteEntry] = []
        for family in IPFamily.allCases {
            found += try dump("list routes", RouteEntry.init) { $0.dumpRoutes(family) }
                .filter { $0.route.table == Route.mainTable }
        }
        return found
    }

    fileprivate mutating func knownNeighbours(_ names: [UInt32: String]) throws(Failure) -> [KnownNeighbour] {
        try neighbours().compactMap { entry in
            guard entry.isResolved, let mac = entry.mac, let name = names[entry.interface] else { return nil }
            return KnownNeighbour(
                entry.address, mac, on: name, isPermanent: entry.state & Neighbour.permanent != 0)
        }
    }
}

extension NodeRoute {
    fileprivate init(_ entry: RouteEntry, _ names: [UInt32: String]) {
        let route = entry.route
        self.init(
            to: route.destination, via: route.gateway, interface: names[route.interface], priority: route.priority)
        isRejecting = entry.type.rawValue >= RouteEntry.Kind.blackhole.rawValue
        // RTPROT_KERNEL, linux/rtnetlink.h.
        isOfAddress = route.origin == 2
    }
}

extension Interface {
    fileprivate init(_ status: LinkStatus, _ addresses: [CIDR]) {
        let link = status.link
        self.init(index: link.index, name: link.name, kind: link.kind)
        mac = link.mac
        mtu = link.mtu
        master = link.master
        peer = link.peer
        peerNamespaceID = status.peerNamespaceID
        alias = link.alias
        isUp = link.isUp
        hasCarrier = status.hasCarrier
        isHairpin = link.isHairpin
        isIsolated = link.isIsolated
        // IFF_NOARP, linux/if.h.
        isSilent = link.flags & 0x80 != 0
        // BR_STATE_FORWARDING, linux/if_bridge.h.
        isForwardingPort = link.portState.map { $0 == 3 }
        self.addresses = addresses
        counters = status.counters
    }
}
