internal import ClusterEngine
internal import Foundation
internal import Synchronization

/// Follows the keys under `nodes/`: a list, then every change after it. Broken streams go on where they ended; a new
/// list is made only if etcd has forgotten what came after, or is another one.
final class NodeWatch: Sendable {
    private struct Position {
        /// Of the last message; the stream goes on after it.
        var revision: Int64
        var cluster: Int64
    }

    private let keys: EtcdKeys
    private let client: EtcdClient
    private let table: NodeTable
    private let outlet: EventOutlet
    private let ownKeyChanged: @Sendable () -> Void
    private let position = Mutex<Position?>(nil)
    private let hasBegun = Mutex(false)
    private let alarm = Alarm()
    /// Whether the last attempt got as far as messages.
    private let isWatching = Mutex(false)
    /// When the stream was asked for.
    private let asked = Mutex<ContinuousClock.Instant?>(nil)

    /// - Parameter ownKeyChanged: this node's key is not as this run of the agent has written it.
    init(
        _ keys: EtcdKeys, _ client: EtcdClient, _ table: NodeTable, _ outlet: EventOutlet,
        ownKeyChanged: @escaping @Sendable () -> Void
    ) {
        self.keys = keys
        self.client = client
        self.table = table
        self.outlet = outlet
        self.ownKeyChanged = ownKeyChanged
    }

    /// The node has joined, so the list will contain it; or a new connection is wanted, since the old one may lead
    /// nowhere.
    func begin() async {
        hasBegun.withLock { $0 = true }
        await alarm.ring()
    }

    func run() async {
        while !hasBegun.withLock({ $0 }), !Task.isCancelled { await alarm.sleep(.seconds(3600)) }
        var backoff = Backoff(longest: .seconds(10))
        while !Task.isCancelled {
            let start = ContinuousClock.now
            let failure = await attempt()
            guard !Task.isCancelled else { return }
            // A stream that has been of use is simply continued; pauses, so that not all nodes come back in one moment.
            if ContinuousClock.now - start > .seconds(5) { backoff.reset() }
            switch failure?.kind {
            case nil: continue
            case .gone: position.withLock { $0 = nil }
            case _ where isWatching.withLock({ $0 }): break
            default: if let failure { outlet.trouble(failure, in: .watch) }
            }
            await alarm.sleep(backoff.pause())
        }
    }

    /// - Returns: nil if a new connection is wanted.
    private func attempt() async -> EngineFailure? {
        isWatching.withLock { $0 = false }
        asked.withLock { $0 = nil }
        return await withTaskGroup(of: EngineFailure?.self) { group in
            group.addTask { await self.follow() }
            group.addTask {
                await self.alarm.sleep(.seconds(365 * 86400))
                return nil
            }
            group.addTask { await self.noticeSilence() }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }

    /// etcd answers at once that the stream has begun; afterwards, silence is usual.
    private func noticeSilence() async -> EngineFailure? {
        let patience: Duration = .seconds(10)
        while !Task.isCancelled, !isWatching.withLock({ $0 }) {
            if let asked = asked.withLock({ $0 }), ContinuousClock.now - asked > patience {
                let failure = EngineFailure(.slow, "watch \(keys.nodes) at \(client.server): no answer in time")
                client.leaveServer()
                return failure
            }
            try? await Task.sleep(for: patience / 5)
        }
        try? await Task.sleep(for: .seconds(365 * 86400))
        return nil
    }

    private func follow() async -> EngineFailure? {
        do throws(EngineFailure) {
            if position.withLock({ $0 }) == nil { try await list() }
            asked.withLock { $0 = .now }
            let next = (position.withLock { $0?.revision } ?? 0) + 1
            try await client.watch(keys.nodes, from: next) { (message) throws(EngineFailure) in try receive(message) }
            return EngineFailure(.unreachable, "watch \(keys.nodes) at \(client.server): the stream has ended")
        } catch { return error }
    }

    private func list() async throws(EngineFailure) {
        var entries: [NodeTable.Entry] = []
        let moment = try await client.list(keys.nodes) { page in
            entries += page.compactMap { entry($0, isGone: false) }
        }
        let isForeign = table.replace(entries, at: moment.revision)
        position.withLock { $0 = Position(revision: moment.revision, cluster: moment.cluster) }
        if isForeign { ownKeyChanged() }
    }

    private func receive(_ message: WatchResponse) throws(EngineFailure) {
        if let compacted = message.compact_revision?.value, compacted > 0 {
            throw EngineFailure(.gone, "watch \(keys.nodes): the changes before revision \(compacted) are compacted")
        }
        if message.canceled == true {
            let reason = message.cancel_reason ?? "no reason given"
            throw EngineFailure(
                reason.contains("compacted") ? .gone : .overloaded, "watch \(keys.nodes): cancelled: \(reason)")
        }
        let revision = message.header?.revision?.value ?? 0
        let cluster = message.header?.cluster_id?.value ?? 0
        let known = position.withLock { $0 }
        if message.created == true {
            // A restored backup, or another cluster: changes would be waited for that have been made already.
            guard let known, known.cluster == cluster, known.revision <= revision else {
                throw EngineFailure(.gone, "watch \(keys.nodes): etcd has gone back to revision \(revision)")
            }
            isWatching.withLock { $0 = true }
            outlet.fine(.watch)
        }
        var isForeign = false
        let events = message.events ?? []
        for event in events {
            guard let found = event.kv, let entry = entry(found, isGone: event.type == "DELETE") else { continue }
            if table.change(entry) { isForeign = true }
        }
        // Beside changes, the header's revision may be later than changes that are still to come.
        if message.created != true, let known {
            let seen = events.isEmpty ? revision : events.compactMap { $0.kv?.modified }.max() ?? 0
            position.withLock { $0?.revision = max(known.revision, seen) }
        }
        if isForeign { ownKeyChanged() }
    }

    private func entry(_ found: KeyValue, isGone: Bool) -> NodeTable.Entry? {
        let key = found.name
        guard let name = keys.nodeName(key) else {
            guard !isGone else { return NodeTable.Entry(name: key, modified: found.modified) }
            return NodeTable.Entry(
                name: key, modified: found.modified, record: .failure(BadRecord("no node can have this name")))
        }
        guard !isGone else { return NodeTable.Entry(name: name, modified: found.modified) }
        do throws(BadRecord) {
            let record = try NodeRecord(found.octets)
            let node = try record.node(named: name, age: found.created)
            return NodeTable.Entry(name: name, modified: found.modified, record: .success((node, record.instance)))
        } catch { return NodeTable.Entry(name: name, modified: found.modified, record: .failure(error)) }
    }
}
