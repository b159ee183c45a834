public import Addresses
public import ClusterEngine
internal import Synchronization

/// A cluster whose nodes are kept in etcd, version 3.4 or newer, by its JSON gateway.
///
/// The node claims one subnet of each range in a transaction that only one node can win, under a lease that it renews.
/// Under a shorter lease it says that it is present.
public final class EtcdEngine: ClusterEngine {
    private struct State {
        var addresses: [IPAddress] = []
        var membership: Membership?
    }

    private let settings: EtcdSettings
    private let client: EtcdClient
    private let instance = NodeIdentity.newInstance()
    private let state = Mutex(State())

    /// - Precondition: the settings are valid, see ``EtcdSettings/validate()``; tests may use shorter times.
    public init(_ settings: EtcdSettings) {
        self.settings = settings
        client = EtcdClient(settings.access, user: settings.user, password: settings.password)
    }

    /// Runs once at a time.
    public func follow(_ report: @escaping @Sendable (EngineEvent) async -> Void) async {
        let outlet = EventOutlet()
        let claimant = Claimant(settings, instance: instance)
        let table = NodeTable(own: settings.node, instance: instance, outlet)
        let (checks, check) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let watch = NodeWatch(claimant.keys, client, table, outlet) { check.yield() }
        let claiming = Claiming(settings: settings, claimant: claimant, client: client)
        let membership = Membership(settings, claiming, client, table, outlet, watch)
        let addresses = state.withLock { state in
            state.membership = membership
            return state.addresses
        }
        await membership.announce(addresses)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await event in outlet.events { await report(event) } }
            group.addTask { for await _ in checks { await membership.checkSoon() } }
            group.addTask { await membership.run() }
            group.addTask { await membership.tellDoubtInTime() }
            group.addTask { await watch.run() }
        }
    }

    public func announce(_ addresses: [IPAddress]) async {
        let membership = state.withLock { state in
            state.addresses = addresses
            return state.membership
        }
        await membership?.announce(addresses)
    }

    /// Nobody waits for it: etcd starts no pods.
    public func announceReadiness() async throws(EngineFailure) {}

    /// Also takes back the node's presence; its claim stays.
    public func close() async {
        await state.withLock { $0.membership }?.leave()
        await client.close()
    }
}
