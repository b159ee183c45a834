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

    /// - Parameter heard: called on the network's thread whenever its status has changed; must return at once.
    public init(_ settings: NetworkSettings, heard: @escaping @Sendable (NetworkStatus) -> Void) throws(Failure) {
        self.settings = settings
        self.heard = heard
        thread = try KernelThread()
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
        doubts = .all
        look()
    }

    /// Notifications of some 10,000 changes at once.
    private static let monitorRoom = 16 << 20

    /// The engine's complete list. An empty one is not believed while there are nodes: no cluster loses all at once.
    public func replaceAll(_ nodes: [ClusterNode]) {
        guard !nodes.isEmpty || plan.nodes.count == 0 else {
            Log.note(.warning, "ignored an empty list of nodes", [("nodes", "\(plan.nodes.count)")])
            return
        }
        let isFirst = !hasList
        hasList = true
        follow(isFirst: isFirst) { $0.replaceAll(nodes) }
    }

    public func set(_ node: ClusterNode) { follow { $0.set(node) } }

    public func remove(_ name: String) { follow { $0.remove(name) } }

    /// Removes everything that an agent has set up on this node.
    public static func cleanUp(origin: UInt8) throws(Failure) {
        var socket = try NetlinkSocket()
        var reconciler = try RouteReconciler(origin: origin)
        let tunnel = try socket.link(.name(NetworkSettings.tunnelName))
        try reconciler.reconcile(to: RouteTable(), tunnel: nil)
        if tunnel != nil { try Tunnel.remove(&socket) }
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
        guard !difference.isEmpty else { return tell() }
        send(difference)
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
        case .link(_, let link):
            let isOurs = link.name == NetworkSettings.tunnelName || link.index == plan.tunnel?.index
            return isOurs || plan.underlay.interfaces.contains { $0.index == link.index } ? .all : []
        // Routes go silently with the address or the link that they depend on.
        case .address(_, let address):
            let isKnown = plan.underlay.interfaces.contains { $0.addresses.contains(address.address) }
            return address.index == plan.tunnel?.index && isKnown ? [] : .all
        case .route(let change, let route):
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
            if doubted.contains(.surroundings) { changes += try readSurroundings() }
            if hasList {
                changes += try kernel!.reconciler.reconcile(to: plan.wanted, tunnel: plan.tunnel?.index).count
            }
            if changes > 0, hasBeenComplete { repaired(changes) }
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
    /// - Returns: how much was changed of the tunnel.
    private func readSurroundings() throws(Failure) -> Int {
        let surroundings = try Surroundings.read(&kernel!.socket)
        let own = plan.nodes[settings.node]
        let underlay = surroundings.underlay(settings, own: own?.addresses ?? [])
        status.addresses = underlay.interfaces.flatMap { $0.addresses.map { $0.address } }
        // What the last agent has left is right until the cluster says otherwise.
        guard hasList else { return 0 }
        var device: TunnelDevice?
        var changes = 0
        var refusal: Failure?
        if let tunnel = Tunnel(settings, over: underlay, subnets: plan.nodes.subnetsInForce(of: settings.node)) {
            do throws(Failure) {
                let made = try tunnel.ensure(&kernel!.socket)
                device = TunnelDevice(index: made.index, family: tunnel.family)
                changes = made.changes
            } catch { refusal = error }
        }
        // The difference is sent by the look that follows.
        _ = plan.set(underlay: underlay, tunnel: device)
        status.podMTU = podMTU(underlay)
        if let refusal { throw refusal }
        return changes
    }

    /// What the way to any peer leaves of a packet, octets; nil without an interface.
    private func podMTU(_ underlay: Underlay) -> UInt32? {
        guard let lower = underlay.interfaces.map({ $0.mtu }).min() else { return nil }
        guard settings.routes.mode != .routes else { return lower }
        return lower - (plan.tunnel.map { Tunnel.overhead($0.family) } ?? 0)
    }

    private func repaired(_ changes: Int) {
        status.repairs += changes
        Log.note(.warning, "put back", [("changes", "\(changes)")])
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
