internal import Addresses
public import ClusterState
internal import EventLog
internal import Kernel
internal import NetlinkCodec
internal import NodeRoutes
public import Posix
internal import RouteReconciler

/// This node's ways to the pods of the others: what the kernel should have follows from the cluster's nodes and this node's
/// interfaces, and what somebody takes away is put back.
///
/// Everything happens on one thread, in the network namespace of the process.
public actor NodeNetwork {
    private nonisolated let thread: KernelThread
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    let settings: NetworkSettings
    private let heard: @Sendable (NetworkStatus) -> Void
    private var kernel: Kernel?
    private(set) var plan: RoutePlan
    /// Whether the engine has sent a complete list: before that nothing is removed.
    private var hasList = false
    /// Whether the kernel has had everything: what is missing later was taken away.
    private var hasBeenComplete = false
    public private(set) var status = NetworkStatus()
    /// What is to be looked at.
    private var doubts: Doubts = []
    private var lastLook: ContinuousClock.Instant?
    private var pauses = Pauses()
    private var isLookPlanned = false
    /// Links as they were last read, by index.
    private var links: [UInt32: LinkState] = [:]
    private var repairs = RepairLog()
    /// Nodes that the last list did not have.
    private var kept: Set<String> = []

    /// What of a link this node's ways depend on.
    private struct LinkState: Equatable {
        let name: String
        let isUp: Bool
        let mtu: UInt32

        init(_ link: Link) { (name, isUp, mtu) = (link.name, link.isUp, link.mtu) }
    }

    /// Sockets of the thread.
    private struct Kernel: ~Copyable {
        var socket: NetlinkSocket
        var reconciler: RouteReconciler
        let monitor: NetlinkMonitor
    }

    private struct Doubts: OptionSet {
        let rawValue: Int
        /// Links and addresses.
        static let surroundings = Doubts(rawValue: 1)
        static let routes = Doubts(rawValue: 2)
        static let all: Doubts = [.surroundings, .routes]
    }

    /// - Parameter heard: called on the kernel's thread whenever the status has changed; must return at once.
    public init(
        _ settings: NetworkSettings, on thread: KernelThread, heard: @escaping @Sendable (NetworkStatus) -> Void
    ) {
        self.settings = settings
        self.heard = heard
        self.thread = thread
        plan = RoutePlan(node: settings.node, settings: settings.routes, underlay: Underlay([]))
    }

    /// Begins to listen to the kernel, and reads this node's interfaces. Routes stay as they are until the first list of nodes.
    ///
    /// - Throws: `EPERM` without CAP_NET_ADMIN, and such. A device that cannot be made is told in the status and tried again.
    public func start() throws(Failure) {
        // Listen first, read later: what changes in between is noticed.
        let monitor = try NetlinkMonitor([
            .links, .neighbours, .addressesIPv4, .addressesIPv6, .routesIPv4, .routesIPv6,
        ])
        try monitor.setReceiveRoom(octets: NodeNetwork.monitorRoom)
        let descriptor = monitor.descriptor
        kernel = Kernel(
            socket: try NetlinkSocket(), reconciler: try RouteReconciler(origin: settings.routes.origin),
            monitor: monitor)
        thread.whenReadable(descriptor) { [weak self] in self?.assumeIsolated { $0.hear() } }
        try rejectStrays()
        doubts = .all
        look()
    }

    /// Packets to pods that nobody has are rejected from the first moment; nothing is removed.
    private func rejectStrays() throws(Failure) {
        let wanted = RouteTable(rejecting: settings.routes)
        var change = RouteChange(from: try kernel!.reconciler.present(tunnel: nil), to: wanted)
        change.deletedRoutes = []
        try kernel!.reconciler.apply(change)
    }

    /// Notifications of some 10,000 changes at once.
    private static let monitorRoom = 16 << 20

    /// The engine's complete list. If most nodes are gone at once, their engine has more likely lost its data than they their
    /// network: they keep their ways for a minute, in which they can register again, unless others claim their subnets.
    public func replaceAll(_ nodes: [ClusterNode]) {
        let listed = Set(nodes.map { $0.name })
        let missing = plan.nodes.names.filter { !listed.contains($0) && $0 != settings.node }
        var believed = nodes
        if missing.count * 2 > plan.nodes.count, hasList {
            Log.note(.warning, "nodes vanish", [("gone", "\(missing.count)"), ("left", "\(nodes.count)")])
            believed += missing.compactMap { plan.nodes[$0] }.map { node in
                var node = node
                node.age = .max
                return node
            }
            kept = Set(missing)
            Task { [weak self] in
                try? await Task.sleep(for: NodeNetwork.keeping)
                await self?.dropKept()
            }
        }
        let isFirst = !hasList
        hasList = true
        follow(isFirst: isFirst) { $0.replaceAll(believed) }
    }

    /// How long nodes that have vanished with most others are kept.
    private static let keeping = Duration.seconds(60)

    private func dropKept() {
        for name in kept { remove(name) }
    }

    public func set(_ node: ClusterNode) {
        kept.remove(node.name)
        follow { $0.set(node) }
    }

    public func remove(_ name: String) {
        kept.remove(name)
        follow { $0.remove(name) }
    }

    /// Removes everything that an agent has set up on this node.
    public static func cleanUp(origin: UInt8) throws(Failure) {
        var socket = try NetlinkSocket()
        var reconciler = try RouteReconciler(origin: origin)
        try reconciler.reconcile(to: RouteTable(), tunnel: nil)
        try Tunnel.remove(&socket)
    }

    /// Sends what a change of the cluster changes in the kernel.
    private func follow(isFirst: Bool = false, _ change: (inout RoutePlan) -> RouteChange) {
        let start = ContinuousClock.now
        defer { status.lastChange = ContinuousClock.now - start }
        let own = plan.nodes[settings.node]
        let difference = change(&plan)
        guard hasList else { return }
        if isFirst || plan.nodes[settings.node] != own {
            // This node's addresses choose the interfaces, and its subnets the tunnel's addresses.
            doubts.formUnion(isFirst ? .all : .surroundings)
            return look()
        }
        if !difference.isEmpty { send(difference) }
        tell()
    }

    private func send(_ change: RouteChange) {
        do throws(Failure) {
            try kernel?.reconciler.apply(change)
        } catch {
            failed(error)
            doubts.insert(.routes)
            planLook(after: pauses.next())
        }
    }

    /// Reads the kernel's notifications.
    private func hear() {
        do throws(Failure) {
            while true {
                let events = try kernel?.monitor.events() ?? []
                if events.isEmpty { break }
                for event in events { doubts.formUnion(concern(event)) }
            }
        } catch {
            failed(error)
            doubts = .all
        }
        guard !doubts.isEmpty else { return }
        // At once, unless somebody takes the same away again and again.
        let elapsed = lastLook.map { ContinuousClock.now - $0 } ?? .seconds(1)
        elapsed > NodeNetwork.rest ? look() : planLook(after: NodeNetwork.rest - elapsed)
    }

    /// Between two looks at everything that notifications cause.
    private static let rest = Duration.milliseconds(30)

    /// What a notification puts into doubt; most are the echo of our own changes, or of pods that come and go.
    private func concern(_ event: KernelEvent) -> Doubts {
        switch event {
        case .lost: return .all
        case .link(let change, let link):
            if link.name == NetworkSettings.tunnelName || link.index == plan.tunnel?.index { return .all }
            // A port has no addresses; pods come and go as ports.
            guard link.master == 0 else { return [] }
            return links[link.index] == (change == .present ? LinkState(link) : nil) ? [] : .all
        // Routes go silently with the address or the link that they depend on.
        case .address(_, let address):
            let isKnown = plan.underlay.interfaces.contains { $0.addresses.contains(address.address) }
            return address.index == plan.tunnel?.index && isKnown ? [] : .all
        case .route(let change, let route):
            // Where a default route leads, other nodes may be.
            if route.destination.prefixLength == 0, route.table == Route.mainTable { return .surroundings }
            let key = RouteTable.RouteKey(RouteEntry(route))
            guard let wanted = plan.wanted.routes[key]?.route else {
                return change == .present && route.origin == settings.routes.origin ? .routes : []
            }
            return change == .present && wanted == route ? [] : .routes
        case .neighbour(let change, let neighbour):
            guard neighbour.interface == plan.tunnel?.index else { return [] }
            let wanted = plan.wanted.neighbours[.init(neighbour)]
            // The kernel adds some for groups, and learns none.
            if wanted == nil { return change == .present && neighbour.state == Neighbour.permanent ? .routes : [] }
            return change == .present && wanted == neighbour ? [] : .routes
        case .tunnelEntry(let change, let entry):
            guard entry.interface == plan.tunnel?.index else { return [] }
            let wanted = plan.wanted.tunnels[.init(entry)]
            return (change == .present ? wanted == entry : wanted == nil) ? [] : .routes
        default: return []
        }
    }

    private func planLook(after pause: Duration) {
        guard !isLookPlanned else { return }
        isLookPlanned = true
        Task { [weak self] in
            try? await Task.sleep(for: pause)
            await self?.plannedLook()
        }
    }

    private func plannedLook() {
        isLookPlanned = false
        look()
    }

    /// Compares what is in doubt with what should be, and mends it.
    private func look() {
        guard !doubts.isEmpty, kernel != nil else { return }
        let doubted = doubts
        doubts = []
        do throws(Failure) {
            var changes = 0
            // Without a tunnel, all that needs none goes on.
            var refusal: Failure?
            if doubted.contains(.surroundings) { (changes, refusal) = try readSurroundings() }
            if hasList {
                changes += try kernel!.reconciler.reconcile(to: plan.wanted, tunnel: plan.tunnel?.index).count
                if settings.routes.mode == .routes { try Tunnel.remove(&kernel!.socket) }
            }
            if changes > 0, hasBeenComplete { repaired(changes) }
            if let refusal { throw refusal }
            status.failure = nil
            pauses.reset()
        } catch {
            failed(error)
            doubts.formUnion(doubted)
            planLook(after: pauses.next())
        }
        lastLook = .now
        tell()
    }

    /// Reads this node's interfaces, and makes the tunnel what it should be.
    ///
    /// - Returns: how much was changed of the tunnel, and why it cannot be as it should.
    private func readSurroundings() throws(Failure) -> (changes: Int, refusal: Failure?) {
        let surroundings = try Surroundings.read(&kernel!.socket)
        links = Dictionary(uniqueKeysWithValues: surroundings.links.map { ($0.index, LinkState($0)) })
        // An interface that is down for a moment changes nothing: its addresses and its ways come back with it.
        if surroundings.isAway(plan.underlay) { return (0, nil) }
        let own = plan.nodes[settings.node]
        let underlay = surroundings.underlay(settings, own: own?.addresses ?? [])
        guard underlay.interfaces.contains(where: { !$0.addresses.isEmpty }) else { return (0, noInterface()) }
        status.addresses = underlay.interfaces.flatMap { $0.addresses.map { $0.address } }
        guard hasList else { return (0, nil) }
        let present = try kernel!.socket.vxlanLinks().first {
            $0.link.name == NetworkSettings.tunnelName && $0.link.alias == NetworkSettings.tunnelAlias
        }
        guard own != nil else {
            // As long as the cluster does not know this node, what the last agent has left stays as it is.
            let usable = settings.routes.mode == .routes ? nil : present
            let device = usable.map { TunnelDevice(index: $0.link.index, family: $0.vxlan.local?.family ?? .v4) }
            _ = plan.set(underlay: underlay, tunnel: device)
            return (0, nil)
        }
        var device: TunnelDevice?
        var changes = 0
        var refusal: Failure?
        let subnets = plan.nodes.subnetsInForce(of: settings.node)
        if let tunnel = Tunnel(
            settings, over: underlay, subnets: subnets, preferred: usualFamily(), present: present?.vxlan.local)
        {
            do throws(Failure) {
                let made = try tunnel.ensure(&kernel!.socket)
                device = TunnelDevice(index: made.index, family: tunnel.family)
                changes = made.changes
            } catch { refusal = error }
        }
        // The difference is sent by the look that follows.
        _ = plan.set(underlay: underlay, tunnel: device)
        status.podMTU = podMTU(underlay)
        return (changes, refusal)
    }

    /// The family of which most other nodes have an address: of IPv4 and IPv6 in doubt the former.
    private func usualFamily() -> IPFamily {
        let counts = IPFamily.allCases.map { family in
            plan.nodes.names.count { name in
                name != settings.node && plan.nodes[name]!.addresses.contains { $0.family == family }
            }
        }
        return counts[1] > counts[0] ? .v6 : .v4
    }

    private func noInterface() -> Failure {
        let asked = settings.interfaces.joined(separator: ", ")
        return Failure(
            .invalidConfiguration, "find an interface to the other nodes: none is up with an address",
            details: settings.interfaces.isEmpty
                ? "the key interfaces names it where there is no default route" : "the key interfaces names \(asked)")
    }

    /// What the way to any peer leaves of a packet, octets; nil without an interface.
    private func podMTU(_ underlay: Underlay) -> UInt32? {
        guard let lower = underlay.leastMTU, let tunnel = plan.tunnel else { return underlay.leastMTU }
        return Tunnel.mtu(over: lower, tunnel.family)
    }

    private func repaired(_ changes: Int) {
        status.repairs += changes
        if let sum = repairs.add(changes) {
            Log.note(
                .warning, "put back",
                [
                    ("changes", "\(sum)"),
                    ("details", "if it goes on, a program removes what is not its own, such as systemd-networkd"),
                ])
        }
    }

    private func failed(_ failure: Failure) {
        guard status.failure != failure else { return }
        status.failure = failure
        Log.note(.error, "failed", failure)
    }

    private func tell() {
        status.isComplete = hasList && status.failure == nil
        hasBeenComplete = hasBeenComplete || status.isComplete
        status.nodes = plan.nodes.count
        status.wantedEntries = plan.wanted.count
        status.own = plan.nodes[settings.node]
        status.subnets = plan.nodes.subnetsInForce(of: settings.node)
        heard(status)
    }
}

/// Growing pauses after failures of the kernel, up to 10 s.
private struct Pauses {
    private var length = Duration.milliseconds(50)

    mutating func next() -> Duration {
        defer { length = min(length * 2, .seconds(10)) }
        return length
    }

    mutating func reset() { length = .milliseconds(50) }
}

/// At most one line in ten seconds, with the sum since the last one.
private struct RepairLog {
    private var last: ContinuousClock.Instant?
    private var sum = 0

    mutating func add(_ count: Int) -> Int? {
        sum += count
        if let last, ContinuousClock.now - last < .seconds(10) { return nil }
        last = .now
        defer { sum = 0 }
        return sum
    }
}
