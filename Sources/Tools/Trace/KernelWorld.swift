public import Addresses
internal import Files
public import Inventory
internal import Kernel
public import NetlinkCodec
public import PacketRules
public import Posix

/// The real node: the kernel gives every answer.
///
/// - Precondition: the process has one thread, because it enters the pods' namespaces.
public struct KernelWorld: World {
    /// All namespaces except the node's, which is the caller's.
    private let namespaces: [SeenNamespace]
    private let nodeInterfaces: [Interface]
    private let names: [String]
    private let paths: [String]
    public let uplinks: [String]
    public let wishes: Wishes
    private let numbers: [Int32: Int]
    /// Limits on traffic from pods, by the host side of their veths.
    private let podLimits: [String: Limit]
    private var known: [Int: Known] = [:]

    /// The answers of a namespace so far.
    private struct Known {
        var ruleset: Ruleset?
        var neighbours: [Neighbour]?
        var entries: [UInt32: [ForwardingEntry]] = [:]
        var qdiscs: [Qdisc]?
        var routes: [IPFamily: [RouteEntry]] = [:]
        var xdp: Set<UInt32>?
        var others: [Int32: Int] = [:]
    }

    public init(_ seen: Observations, _ snapshot: Snapshot) {
        namespaces = seen.namespaces
        nodeInterfaces = seen.interfaces
        uplinks = snapshot.uplinks
        wishes = Wishes(seen, snapshot)
        paths = ["/proc/self/ns/net"] + seen.namespaces.map { $0.namespace.path }
        names =
            ["node"]
            + seen.namespaces.map { seen in
                let attachment = snapshot.attachments.first { $0.namespace?.inode == seen.namespace.inode }
                return attachment?.id.containerID ?? seen.namespace.name
            }
        podLimits = Dictionary(
            snapshot.attachments.compactMap { attachment in
                attachment.hostInterface.flatMap { name in attachment.egressLimit.map { (name, $0) } }
            }, uniquingKeysWith: { first, _ in first })
        numbers = Dictionary(
            seen.namespaces.enumerated().compactMap { position, seen in seen.namespace.id.map { ($0, position + 1) } },
            uniquingKeysWith: { first, _ in first })
    }

    public var count: Int { names.count }
    public func name(of place: Int) -> String { names[place] }
    public func interfaces(in place: Int) -> [Interface] {
        place == 0 ? nodeInterfaces : namespaces[place - 1].interfaces
    }
    /// The path of the namespace.
    public func path(of place: Int) -> String { paths[place] }

    /// The counters of an interface in the namespace of that name; nil if there is no such interface.
    func counters(of interface: String, in name: String) -> LinkCounters? {
        names.firstIndex(of: name).flatMap { place in
            interfaces(in: place).first { $0.name == interface }?.counters
        }
    }

    /// Whether a link connects the namespace to the node.
    func isJoined(_ place: Int) -> Bool {
        place == 0 || namespaces[place - 1].namespace.id != nil || namespaces[place - 1].nodeID != nil
    }

    /// The namespace with that name or path.
    func place(named name: String) -> Int? {
        namespaces.firstIndex { $0.namespace.name == name || $0.namespace.path == name }.map { $0 + 1 }
    }

    /// The namespace with that inode number.
    public func place(inode: UInt64) -> Int? {
        namespaces.firstIndex { $0.namespace.inode == inode }.map { $0 + 1 }
    }

    public mutating func place(numbered id: Int32?, from place: Int) throws(Failure) -> Int? {
        guard let id else { return place }
        guard place != 0 else { return numbers[id] }
        if namespaces[place - 1].nodeID == id { return 0 }
        if let found = known[place]?.others[id] { return found }
        // The namespace may have ended since it was listed.
        guard var socket = try? socket(.route, place) else { return nil }
        for other in 1..<paths.count where other != place {
            guard let namespace = try? NetworkNamespace(paths[other]), try socket.id(of: namespace) == id else {
                continue
            }
            known[place, default: Known()].others[id] = other
            return other
        }
        return nil
    }

    private func socket(_ subsystem: NetlinkSocket.Subsystem, _ place: Int) throws(Failure) -> NetlinkSocket {
        try inside(place) { () throws(Failure) in try NetlinkSocket(subsystem) }
    }

    /// Runs the body in the namespace.
    private func inside<Value: ~Copyable>(
        _ place: Int, _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        guard place != 0 else { return try body() }
        return try NetworkNamespace(paths[place]).run(body)
    }

    public mutating func route(_ question: RouteQuestion, in place: Int) throws(Failure) -> RouteAnswer {
        var socket = try socket(.route, place)
        return try socket.route(question)
    }

    public mutating func neighbour(
        _ address: IPAddress, on interface: UInt32, in place: Int
    ) throws(Failure) -> Neighbour? {
        if known[place]?.neighbours == nil {
            var socket = try socket(.route, place)
            known[place, default: Known()].neighbours = try socket.neighbours()
        }
        return known[place]?.neighbours?.first { $0.address == address && $0.interface == interface }
    }

    public mutating func forwardingEntry(
        _ mac: MACAddress, ofBridge index: UInt32, in place: Int
    ) throws(Failure) -> ForwardingEntry? {
        if known[place]?.entries[index] == nil {
            var socket = try socket(.route, place)
            known[place, default: Known()].entries[index] = try socket.forwardingEntries(ofBridge: index)
        }
        return known[place]?.entries[index]?.first { $0.mac == mac }
    }

    public mutating func sysctl(_ name: String, in place: Int) throws(Failure) -> String? {
        try inside(place) { () throws(Failure) in try Sysctl(name).read() }
    }

    public mutating func ruleset(in place: Int) throws(Failure) -> Ruleset {
        if let ruleset = known[place]?.ruleset { return ruleset }
        var socket = try socket(.netfilter, place)
        var ruleset = try Ruleset(&socket)
        try inside(place) { () throws(Failure) in
            func tables(_ name: String) -> [Substring] {
                guard let content = try? File.content("/proc/thread-self/net/\(name)", limit: 4096) else { return [] }
                return String(decoding: content, as: UTF8.self).split(separator: "\n")
            }
            for name in ["iptables", "ip6tables"] {
                let file = name == "iptables" ? "ip_tables_names" : "ip6_tables_names"
                ruleset.unread += tables(file).map { "\(name)-legacy (table \($0))" }
            }
            ruleset.tablesOfARP += tables("arp_tables_names").map { "\($0) of arptables-legacy" }
        }
        known[place, default: Known()].ruleset = ruleset
        return ruleset
    }

    public mutating func limit(of interface: UInt32, in place: Int) throws(Failure) -> Limit? {
        try qdiscs(in: place).last { $0.interface == interface && $0.tokenBucket != nil }?.tokenBucket
            .map { Limit(rate: $0.rate * 8, burst: UInt64($0.burst) * 8) }
    }

    private mutating func qdiscs(in place: Int) throws(Failure) -> [Qdisc] {
        if let found = known[place]?.qdiscs { return found }
        var socket = try socket(.route, place)
        // The kernel may lack traffic control.
        let found = (try? socket.qdiscs()) ?? []
        known[place, default: Known()].qdiscs = found
        return found
    }

    public mutating func programs(on interface: Interface, in place: Int) throws(Failure) -> [String] {
        var found: [String] = []
        if known[place]?.xdp == nil {
            var socket = try socket(.route, place)
            known[place, default: Known()].xdp = Set(
                try socket.linkStatuses().filter { $0.hasXDP }.map { $0.link.index })
        }
        if known[place]?.xdp?.contains(interface.index) == true { found.append("an XDP program") }
        // A limit on what a pod sends is a filter of ours.
        let filters = try qdiscs(in: place).filter {
            $0.interface == interface.index && ["ingress", "clsact"].contains($0.kind)
        }
        if !filters.isEmpty, limitComingIn(by: interface, in: place) == nil {
            found.append("filters of traffic control (tc filter show dev \(interface.name) ingress)")
        }
        return found
    }

    public mutating func routes(_ family: IPFamily, in place: Int) throws(Failure) -> [RouteEntry] {
        if let found = known[place]?.routes[family] { return found }
        var socket = try socket(.route, place)
        let found = try socket.routeEntries(family)
        known[place, default: Known()].routes[family] = found
        return found
    }

    public func limitComingIn(by interface: Interface, in place: Int) -> Limit? {
        place == 0 ? podLimits[interface.name] : nil
    }

    public mutating func settings(of interface: Interface, in place: Int) throws(Failure) -> LinkSettings {
        var socket = try socket(.route, place)
        // A link that has vanished has no settings.
        guard let link = try socket.link(.index(interface.index)) else { return LinkSettings() }
        var settings = LinkSettings()
        if case .macvlan(let mode, _) = link.details { settings.macvlanMode = mode }
        settings.portState = link.portState
        settings.isSilent = link.flags & 0x80 != 0
        return settings
    }

    public mutating func isHeard(
        _ packet: Packet, by input: Interface?, in place: Int
    ) throws(Failure) -> Bool? {
        let devices = [input?.index, input?.master].compactMap { $0 }
        if var socket = try? socket(.socketDiagnosis, place),
            let table = try? SocketTable(packet.transport, &socket)
        {
            return table.isHeard(packet, by: devices)
        }
        return try inside(place) { () throws(Failure) in
            SocketTable(listed: packet.transport).isHeard(packet, by: devices)
        }
    }
}
