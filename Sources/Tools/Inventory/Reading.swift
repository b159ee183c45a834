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
        seen.elements = seen.noting([:]) { () throws(Failure) in
            var rules = try NodeRules()
            return try rules.elementCounts()
        }
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
        for family in IPFamily.allCases {
            let found = noting([]) { () throws(Failure) in try socket.routes(family) }
            for route in found where route.table == Route.mainTable {
                routes.append(
                    NodeRoute(
                        to: route.destination, via: route.gateway, interface: names[route.interface],
                        priority: route.priority))
            }
        }
        for qdisc in noting([], { () throws(Failure) in try socket.qdiscs() }) {
            if let bucket = qdisc.tokenBucket { buckets[qdisc.interface] = bucket }
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
                    seen.gateways = try inside.gateways()
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

    /// The gateways of the main table's routes, by interface.
    fileprivate mutating func gateways() throws(Failure) -> [UInt32: [IPAddress]] {
        var found: [UInt32: [IPAddress]] = [:]
        for family in IPFamily.allCases {
            for route in try routes(family) where route.table == Route.mainTable {
                guard let gateway = route.gateway, !gateway.isLinkLocal,
                    found[route.interface]?.contains(gateway) != true
                else { continue }
                found[route.interface, default: []].append(gateway)
            }
        }
        return found
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
        self.addresses = addresses
        counters = status.counters
    }
}
