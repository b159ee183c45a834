internal import Addresses
internal import Kernel
internal import NetlinkCodec
public import Posix
public import ServicePlan

/// Brings the kernel's table of Services to what is wanted. Nothing of it is anybody else's, and nothing else is changed, except for
/// connections of UDP to endpoints that serve no more, and `nf_conntrack_tcp_be_liberal`.
///
/// It keeps a copy of what the kernel has, so that a change costs what it changes; what others do to the table, ``isUntouched()``
/// tells and ``reconcile(to:)`` puts right. Belongs to one thread, in the network namespace in which it was made.
public struct ServiceReconciler: ~Copyable {
    var socket: NetlinkSocket
    /// Nil if it must be read.
    private var present: Present?
    /// Of the ruleset after the last batch; nil if others have changed something since.
    private var generation: UInt32?
    private let outOfWindow: OutOfWindow
    private var dropsInvalid = false

    /// Elements in one batch while many are sent: the kernel keeps others' changes waiting meanwhile.
    private static let batchSize = 20_000

    /// What happens to TCP segments out of the window. For connection tracking they are invalid, so their addresses would not be
    /// translated, and the client would answer what it then gets with a reset (kubernetes/kubernetes#74839).
    public enum OutOfWindow: Sendable, Hashable {
        /// They are taken for valid (`nf_conntrack_tcp_be_liberal`), which costs nothing; dropped where /proc/sys is read-only.
        case accepted
        /// A rule, which every forwarded packet passes, drops those from pods.
        case dropped
    }

    public init(outOfWindow: OutOfWindow = .accepted) throws(Failure) {
        socket = try NetlinkSocket(.netfilter)
        self.outOfWindow = outOfWindow
    }

    /// Reads what is there and changes the difference: at start, and whenever something may have been missed. Changes nothing as
    /// long as the plan is not complete.
    ///
    /// - Returns: how many elements and chains were changed.
    @discardableResult
    public mutating func reconcile(to plan: ServicePlan) throws(Failure) -> Int {
        guard plan.isComplete else { return 0 }
        try acceptOutOfWindow()
        do throws(Failure) { return try reconcile(to: plan, isThorough: false) } catch {
            // There are elements that nobody uses, or somebody has changed the table meanwhile.
            guard error.isMismatch else { throw error }
            return try reconcile(to: plan, isThorough: true)
        }
    }

    private mutating func reconcile(to plan: ServicePlan, isThorough: Bool) throws(Failure) -> Int {
        forget()
        let read = try Present.read(&socket, dropsInvalid: dropsInvalid, isThorough: isThorough)
        present = read.frame == .deviating ? Present(.deviating) : read
        var everything = Scope()
        everything.frontends = Array(Set(plan.table.frontends.keys).union(read.frontends.keys))
        everything.hairpins = read.hairpins.symmetricDifference(plan.table.hairpins)
        everything.clusterIPs = read.clusterIPs.symmetricDifference(plan.table.clusterIPs)
        everything.isComplete = true
        return try change(everything, to: plan.table)
    }

    /// Makes a change of the plan. Changes that follow each other may be merged before.
    ///
    /// - Returns: how many elements and chains were changed.
    /// - Throws: the kernel's refusal. If it is about the table, the next call begins with reading everything.
    @discardableResult
    public mutating func apply(_ change: ServiceChange, of plan: ServicePlan) throws(Failure) -> Int {
        guard plan.isComplete else { return 0 }
        guard present != nil else { return try reconcile(to: plan) }
        guard !change.isEmpty else { return 0 }
        var scope = Scope()
        scope.frontends = Array(change.frontends)
        scope.hairpins = change.hairpins
        scope.clusterIPs = change.clusterIPs
        do throws(Failure) { return try self.change(scope, to: plan.table) } catch {
            // Somebody has changed the table.
            guard error.isMismatch else { throw error }
            return try reconcile(to: plan)
        }
    }

    /// Whether nobody has changed any rules since the last change of ours: then there is nothing to look for.
    public mutating func isUntouched() throws(Failure) -> Bool {
        guard let generation, present != nil else { return false }
        return try socket.generation().number == generation
    }

    /// Deletes the table: Services are no longer served from this node.
    public mutating func remove() throws(Failure) {
        forget()
        var changes = Changes.batch(isLogged: false)
        changes.append("delete table \(ServiceRuleset.table)") { $0.deleteTable(ServiceRuleset.table) }
        do throws(Failure) { try socket.execute(changes) } catch {
            guard error.errno == .noSuchFile else { throw error }
        }
    }

    private mutating func forget() { (present, generation) = (nil, nil) }

    private mutating func acceptOutOfWindow() throws(Failure) {
        dropsInvalid = outOfWindow == .dropped
        guard !dropsInvalid else { return }
        do throws(Failure) { try Sysctl("netfilter/nf_conntrack_tcp_be_liberal").ensure("1") } catch {
            guard [.readOnlyFileSystem, .accessDenied, .notPermitted].contains(error.errno) else { throw error }
            dropsInvalid = true
        }
    }

    // Changing.

    /// What may differ.
    private struct Scope {
        var frontends: [Frontend] = []
        var hairpins: Set<IPAddress> = []
        var clusterIPs: Set<IPAddress> = []
        /// Whether it is everything.
        var isComplete = false
    }

    private mutating func change(_ scope: Scope, to table: ServiceTable) throws(Failure) -> Int {
        var counts = (changes: 0, batches: UInt32(0))
        let updated = udpFrontends(scope.frontends, scope.isComplete, table)
        do throws(Failure) {
            let before = try socket.generation().number
            let affected = try affinitiesConcerned(scope.frontends, scope.isComplete, table)
            try sendAll(scope, table, try staleAffinities(table, affected), &counts)
            // Packets that were on their way have noted what was there before.
            try endAffinities(table, affected, &counts)
            let after = try socket.generation().number
            generation = after == before &+ counts.batches ? after : nil
        } catch {
            forget()
            throw error
        }
        if !updated.isEmpty {
            try StaleConnections.end(&socket, updated) { table.frontends[$0]?.answer.all ?? [] }
        }
        return counts.changes
    }

    /// Sends everything in one batch, or in several if it is much: each frontend in one, what rejects last.
    private mutating func sendAll(
        _ scope: Scope, _ table: ServiceTable, _ stale: [(set: String, element: NftSetElement)],
        _ counts: inout (changes: Int, batches: UInt32)
    ) throws(Failure) {
        var batch = ServiceBatch()
        batch.dropsInvalid = dropsInvalid
        // What deviates is replaced in one moment.
        let isWhole = present!.frame == .deviating
        batch.makesFrame = present!.frame != .whole
        batch.mended = present!.damagedChains.filter { present!.uses[$0] != nil }
        batch.strayChains = present!.strayChains
        for (set, element) in present!.strays + stale { batch.elements.delete(element, of: set) }
        (present!.strays, present!.strayChains, present!.damagedChains) = ([], [], [])
        setRanges(.pods, present!.pods, table.podRanges, &batch)
        for address in scope.hairpins
        where table.hairpins.contains(address) && present!.hairpins.insert(address).inserted {
            batch.elements.add([.hairpin(address)], to: ServiceMap.hairpins.name(address.family))
        }
        for address in scope.clusterIPs
        where !table.clusterIPs.contains(address) && present!.clusterIPs.remove(address) != nil {
            batch.elements.delete(.clusterIP(address), of: ServiceMap.clusterIPs.name(address.family))
        }
        for frontend in scope.frontends {
            batch.set(table.frontends[frontend], at: frontend, from: present!.frontends[frontend])
            guard batch.count >= ServiceReconciler.batchSize, !isWhole else { continue }
            try send(batch, &counts)
            batch = ServiceBatch()
        }
        for address in scope.hairpins
        where !table.hairpins.contains(address) && present!.hairpins.remove(address) != nil {
            batch.elements.delete(.hairpin(address), of: ServiceMap.hairpins.name(address.family))
        }
        for address in scope.clusterIPs
        where table.clusterIPs.contains(address) && present!.clusterIPs.insert(address).inserted {
            batch.elements.add([.clusterIP(address)], to: ServiceMap.clusterIPs.name(address.family))
        }
        setRanges(.serviceRanges, present!.serviceRanges, table.serviceRanges, &batch)
        try send(batch, &counts)
        present!.pods = Present.RangeBound.of(table.podRanges)
        present!.serviceRanges = Present.RangeBound.of(table.serviceRanges)
    }

    /// A handful of ranges, made anew if they differ.
    private func setRanges(
        _ map: ServiceMap, _ present: Set<Present.RangeBound>, _ wanted: [CIDR], _ batch: inout ServiceBatch
    ) {
        guard Present.RangeBound.of(wanted) != present else { return }
        for family in IPFamily.allCases {
            batch.elements.empty(map.name(family))
            let elements = wanted.filter { $0.family == family }.flatMap { NftSetElement.range($0) }
            if !elements.isEmpty { batch.elements.add(elements, to: map.name(family)) }
        }
    }

    private mutating func send(
        _ batch: ServiceBatch, _ counts: inout (changes: Int, batches: UInt32)
    ) throws(Failure) {
        guard batch.count > 0 else { return }
        // What it has become is true only if the kernel agrees.
        var after = present!
        present = nil
        let changes = batch.changes(&after)
        try socket.execute(changes)
        present = after
        counts.changes += batch.count
        counts.batches &+= 1
    }

    // Affinity.

    /// Those of these frontends of which a client may be bound to an endpoint that it must not have; nil for all.
    private func affinitiesConcerned(
        _ frontends: [Frontend], _ isComplete: Bool, _ table: ServiceTable
    ) throws(Failure) -> Set<Frontend>? {
        if isComplete { return nil }
        return Set(
            frontends.filter { frontend in
                guard let old = present!.frontends[frontend], old.sticky != nil else { return false }
                guard let entry = table.frontends[frontend], entry.affinity != nil else { return true }
                let new = Standing(frontend, entry, over: old)
                return !Set(new.endpoints).isSuperset(of: old.endpoints)
                    || !Set(new.ownEndpoints).isSuperset(of: old.ownEndpoints) || new.external != old.external
            })
    }

    private mutating func staleAffinities(
        _ table: ServiceTable, _ frontends: Set<Frontend>?
    ) throws(Failure) -> [(set: String, element: NftSetElement)] {
        guard frontends?.isEmpty != true, present!.frame == .whole else { return [] }
        return try Affinities.stale(&socket, table, frontends)
    }

    private mutating func endAffinities(
        _ table: ServiceTable, _ frontends: Set<Frontend>?, _ counts: inout (changes: Int, batches: UInt32)
    ) throws(Failure) {
        for _ in 0..<4 {
            let stale = try staleAffinities(table, frontends)
            guard !stale.isEmpty else { return }
            var batch = ServiceBatch()
            for (set, element) in stale { batch.elements.delete(element, of: set) }
            let kept = present
            do throws(Failure) { try send(batch, &counts) } catch {
                // One of them has ended by itself.
                guard error.errno == .noSuchFile else { throw error }
                present = kept
            }
        }
    }

    // Connections.

    private func udpFrontends(_ frontends: [Frontend], _ isComplete: Bool, _ table: ServiceTable) -> [Frontend] {
        frontends.filter { frontend in
            guard frontend.transport == .udp, let answer = table.frontends[frontend]?.answer, !answer.all.isEmpty else {
                return false
            }
            return isComplete || !Set(answer.all).isSuperset(of: present!.frontends[frontend]?.endpoints ?? [])
                || present!.frontends[frontend]?.endpoints.isEmpty != false
        }
    }
}

extension Failure {
    /// Whether the kernel has something else than expected.
    fileprivate var isMismatch: Bool { errno == .noSuchFile || errno == .fileExists || errno == .busy }
}

extension NftSetElement {
    fileprivate static func hairpin(_ address: IPAddress) -> NftSetElement {
        NftSetElement(address.bytes + address.bytes, comment: "")
    }

    fileprivate static func clusterIP(_ address: IPAddress) -> NftSetElement {
        NftSetElement(address.bytes, comment: "")
    }
}
