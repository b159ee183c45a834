internal import ClusterEngine
internal import ClusterState
internal import Synchronization

/// The nodes as last told, which tells what has changed.
///
/// This node's own entry is as this run of the agent has written it, whatever stands in etcd: another machine under the
/// same name must not be taken for this one, and the watch may be faster or slower than the answers to writes.
final class NodeTable: Sendable {
    /// A state of a key under `nodes/`.
    struct Entry: Sendable {
        var name: String
        /// The revision of the change.
        var modified: Int64
        /// Nil if the key is gone.
        var record: Result<(node: ClusterNode, instance: String), BadRecord>?
    }

    private struct State {
        var known: [String: ClusterNode] = [:]
        /// The revision of this node's last own change.
        var written: Int64 = 0
        var isListed = false
        /// Names whose values cannot be used.
        var bad: Set<String> = []
    }

    private let own: String
    private let instance: String
    private let outlet: EventOutlet
    private let state = Mutex(State())

    init(own: String, instance: String, _ outlet: EventOutlet) {
        self.own = own
        self.instance = instance
        self.outlet = outlet
    }

    /// What this node has just written itself.
    func wrote(_ node: ClusterNode, at modified: Int64) {
        state.withLock { state in
            let old = state.known.updateValue(node, forKey: own)
            state.written = modified
            if state.isListed, old != node { outlet.send(.node(node)) }
        }
    }

    /// A change of one key, in the order of the changes.
    ///
    /// - Returns: whether this node's own key is not as this run has written it.
    func change(_ entry: Entry) -> Bool {
        state.withLock { state in
            guard entry.name != own else { return isForeign(entry, state) }
            let old = state.known[entry.name]
            let new = usable(entry, old, &state)
            state.known[entry.name] = new
            if new != old { outlet.send(new.map { .node($0) } ?? .removed(entry.name)) }
            if state.bad.isEmpty { outlet.fine(.entries) }
            return false
        }
    }

    /// A complete list.
    ///
    /// - Parameter modified: the revision of the list.
    /// - Returns: as ``change(_:)``.
    func replace(_ entries: [Entry], at modified: Int64) -> Bool {
        state.withLock { state in
            let old = state.known
            let bad = state.bad
            state.known = [:]
            state.bad = []
            var ownEntry = Entry(name: own, modified: modified)
            for entry in entries {
                if entry.name == own {
                    ownEntry = entry
                } else {
                    if bad.contains(entry.name) { state.bad.insert(entry.name) }
                    state.known[entry.name] = usable(entry, old[entry.name], &state)
                }
            }
            state.known[own] = old[own]
            if !state.isListed || state.known != old {
                outlet.send(.nodes(state.known.values.sorted { $0.name < $1.name }))
            }
            state.isListed = true
            if state.bad.isEmpty { outlet.fine(.entries) }
            return isForeign(ownEntry, state)
        }
    }

    private func isForeign(_ entry: Entry, _ state: State) -> Bool {
        guard entry.modified > state.written else { return false }
        guard case .success(let (_, instance)) = entry.record else { return true }
        return instance != self.instance
    }

    /// - Returns: nil if the key is gone. A node whose entry cannot be used stays as it was.
    private func usable(_ entry: Entry, _ old: ClusterNode?, _ state: inout State) -> ClusterNode? {
        guard case .failure(let reason) = entry.record else {
            state.bad.remove(entry.name)
            return (try? entry.record?.get())?.node
        }
        if state.bad.insert(entry.name).inserted, state.bad.count <= 10 {
            outlet.trouble(
                EngineFailure(
                    .malformed, "the entry of node \(entry.name.prefix(80)) in etcd cannot be used: \(reason)",
                    advice: "if no node writes it, remove it: swiftletctl cluster forget"),
                in: .entries, again: true)
        }
        return old
    }
}
