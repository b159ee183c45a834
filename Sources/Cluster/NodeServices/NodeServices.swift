public import ClusterState
internal import EventLog
internal import Kernel
internal import NetlinkCodec
public import NodeNetwork
public import Posix
public import ServicePlan
internal import ServiceReconciler

/// Serves the cluster's Services on this node: follows Services and EndpointSlices, and puts back what somebody takes away.
///
/// Shares the kernel's thread with ``NodeNetwork``.
public actor NodeServices {
    private nonisolated let thread: KernelThread
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    private var plan: ServicePlan
    private var kernel: Kernel?
    private var pending = ServiceChange()
    /// Whether the kernel's table is to be read and compared.
    private var isInDoubt = true
    private var isFlushPlanned = false
    private var pause = Duration.milliseconds(50)
    public private(set) var status = ServiceStatus()

    private struct Kernel: ~Copyable {
        var reconciler: ServiceReconciler
        let monitor: NetlinkMonitor
    }

    public init(_ node: ServiceNode, on thread: KernelThread) {
        self.thread = thread
        plan = ServicePlan(node)
    }

    /// Begins to listen to the kernel. The table stays as it is until both lists have come.
    ///
    /// - Throws: `EPERM` without CAP_NET_ADMIN, and such.
    public func start() throws(Failure) {
        let monitor = try NetlinkMonitor.ofNftables()
        try monitor.setReceiveRoom(octets: 4 << 20)
        let descriptor = monitor.descriptor
        kernel = Kernel(reconciler: try ServiceReconciler(), monitor: monitor)
        thread.whenReadable(descriptor) { [weak self] in self?.assumeIsolated { $0.hear() } }
        status.trouble = BridgedPackets.show()
    }

    public func replaceServices(_ list: [Service]) { note(plan.replaceServices(list)) }
    public func set(_ service: Service) { note(plan.set(service)) }
    public func removeService(_ name: ObjectName) { note(plan.removeService(name)) }
    public func replaceSlices(_ list: [EndpointSlice]) { note(plan.replaceSlices(list)) }
    public func set(_ slice: EndpointSlice) { note(plan.set(slice)) }
    public func removeSlice(_ name: ObjectName) { note(plan.removeSlice(name)) }
    /// This node's addresses or its zone have changed.
    public func set(_ node: ServiceNode) { note(plan.set(node)) }

    /// This node as the plan has it.
    public var node: ServiceNode { plan.node }

    private func note(_ change: ServiceChange) {
        for objection in change.objections {
            status.objections += 1
            Log.note(.warning, "object", [("error", "\(objection)")])
        }
        pending.merge(change)
        guard plan.isComplete, !pending.isEmpty || isInDoubt else { return }
        planFlush()
    }

    /// Changes that come together are made together: within 1 ms where it is quiet, and in a storm at most as often as the last batch
    /// leaves time for, up to 100 ms.
    private func planFlush(after least: Duration = .milliseconds(1)) {
        guard !isFlushPlanned else { return }
        isFlushPlanned = true
        let gathering = min(max(status.lastDuration * 2, least), max(least, .milliseconds(100)))
        Task { [weak self] in
            try? await Task.sleep(for: gathering)
            await self?.flush()
        }
    }

    private func flush() {
        isFlushPlanned = false
        guard plan.isComplete, kernel != nil else { return }
        let change = pending
        pending = ServiceChange()
        let start = ContinuousClock.now
        do throws(Failure) {
            let count: Int
            if isInDoubt {
                count = try kernel!.reconciler.reconcile(to: plan)
                if status.isComplete { status.repairs += count }
                if count > 0, status.isComplete { Log.note(.warning, "put back", [("elements", "\(count)")]) }
            } else {
                count = try kernel!.reconciler.apply(change, of: plan)
            }
            // Our own changes are no news; if others have changed rules meanwhile, theirs may be among them.
            kernel?.monitor.discard()
            isInDoubt = try !kernel!.reconciler.isUntouched()
            status.changes += count
            status.isComplete = true
            status.failure = nil
            pause = .milliseconds(50)
            if isInDoubt { planFlush(after: NodeServices.rest) }
        } catch {
            if status.failure != error { Log.note(.error, "failed", error) }
            status.failure = error
            isInDoubt = true
            pause = min(pause * 2, .seconds(10))
            planFlush(after: pause)
        }
        status.lastDuration = ContinuousClock.now - start
        status.services = plan.serviceCount
    }

    /// Between two looks that others' changes cause.
    private static let rest = Duration.milliseconds(30)

    private func hear() {
        do throws(Failure) {
            while true {
                let events = try kernel?.monitor.events() ?? []
                if events.isEmpty { break }
                isInDoubt = isInDoubt || events.contains(where: concernsServices)
            }
        } catch {
            Log.note(.warning, "failed", error)
            isInDoubt = true
        }
        guard isInDoubt, plan.isComplete else { return }
        planFlush(after: NodeServices.rest)
    }

    private func concernsServices(_ event: KernelEvent) -> Bool {
        switch event {
        case .lost: true
        case .table(_, let table), .set(_, let table, _), .filterRule(_, let table, _), .elements(_, let table, _, _):
            table == ServiceReconciler.table
        case .chain(_, let chain): chain.table == ServiceReconciler.table
        default: false
        }
    }

    /// Services are no longer served from this node.
    public static func cleanUp() throws(Failure) {
        var reconciler = try ServiceReconciler()
        try reconciler.remove()
    }
}

/// How it stands with the Services on this node.
public struct ServiceStatus: Sendable {
    public internal(set) var services = 0
    /// Whether the kernel has everything, as far as it has said.
    public internal(set) var isComplete = false
    /// Elements and chains that were changed.
    public internal(set) var changes = 0
    /// Those that were put back because somebody else had changed them.
    public internal(set) var repairs = 0
    /// Faults of objects that were found.
    public internal(set) var objections = 0
    /// Of the last batch.
    public internal(set) var lastDuration = Duration.zero
    /// Why the kernel does not have everything.
    public internal(set) var failure: Failure?
    /// What keeps some pods from being served although the kernel has everything.
    public internal(set) var trouble: String?
}
