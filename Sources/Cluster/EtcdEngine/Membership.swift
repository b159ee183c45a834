internal import Addresses
internal import ClusterEngine
internal import ClusterState

/// Keeps a node in the network: gets its name and its subnets, renews them, and says when it cannot be sure of them any
/// more.
actor Membership {
    private let settings: EtcdSettings
    private let claiming: Claiming
    private let client: EtcdClient
    private let table: NodeTable
    private let outlet: EventOutlet
    private let watch: NodeWatch
    private let alarm = Alarm()
    private let doubtAlarm = Alarm()

    private var addresses: [IPAddress] = []
    private var published: [IPAddress]?
    private var presence: Lease?
    private var hasHadName = false
    private var lease: Lease?
    private var claim: Claim?
    private var isInDoubt = false
    /// Somebody may have changed this node's entries.
    private var isSuspicious = false

    init(
        _ settings: EtcdSettings, _ claiming: Claiming, _ client: EtcdClient, _ table: NodeTable, _ outlet: EventOutlet,
        _ watch: NodeWatch
    ) {
        self.settings = settings
        self.claiming = claiming
        self.client = client
        self.table = table
        self.outlet = outlet
        self.watch = watch
    }

    func announce(_ addresses: [IPAddress]) async {
        self.addresses = addresses
        await alarm.ring()
    }

    /// Somebody has changed this node's key.
    func checkSoon() async {
        isSuspicious = true
        await alarm.ring()
    }

    func run() async {
        // Shorter than the presence lasts, which each attempt renews.
        var backoff = Backoff(longest: .seconds(settings.presenceSeconds) / 4)
        while !Task.isCancelled {
            do throws(EngineFailure) {
                try await join()
                backoff.reset()
                try await hold()
            } catch {
                guard !Task.isCancelled else { return }
                reportFailure(error)
                await alarm.sleep(backoff.pause())
            }
        }
    }

    /// Tells doubt when it begins, whatever request is still waited for.
    func tellDoubtInTime() async {
        while !Task.isCancelled {
            doubtIfOver()
            let left = isInDoubt ? nil : claim.flatMap { _ in lease }.map { $0.certainty.end - .now }
            await doubtAlarm.sleep(left.map { max($0, .milliseconds(1)) } ?? .seconds(3600))
        }
    }

    /// Lets other machines have the name at once.
    func leave() async {
        if let presence { try? await client.revoke(presence.id) }
    }

    private func join() async throws(EngineFailure) {
        try await claiming.agree()
        try await keepPresence()
        try await claiming.takeName(presence!.id, isFirst: !hasHadName)
        hasHadName = true
        try await keepLease()
        let addresses = addresses
        isSuspicious = false
        let new = try await claiming.claim(claim?.subnets ?? [], lease: lease!.id, addresses)
        claim = new
        published = addresses
        let now = new.subnets.map { "\($0)" }.joined(separator: ", ")
        for (subnet, holder) in new.lost {
            outlet.trouble(
                EngineFailure(
                    .conflict,
                    "subnet \(subnet) of this node has gone to \(holder); it has \(now) now",
                    advice: "start this node's pods anew: the addresses of those that run are another node's"),
                in: .claim, again: true)
        }
        tellTable(new, addresses)
        // What it hangs on may be what the node has had to leave.
        await watch.begin()
        await certain()
    }

    private func tellTable(_ claim: Claim, _ addresses: [IPAddress]) {
        table.wrote(
            ClusterNode(settings.node, addresses: addresses, subnets: claim.subnets, age: claim.age), at: claim.modified
        )
    }

    /// Returns when the node has to join again.
    private func hold() async throws(EngineFailure) {
        var backoff = Backoff(longest: .seconds(settings.presenceSeconds) / 4)
        var server = client.server
        var hadFailure = false
        var nextRenewal = ContinuousClock.now + ClaimCertainty.interval(settings.claimSeconds)
        while !Task.isCancelled {
            if !hadFailure, !isSuspicious, published == addresses { await alarm.sleep(pauseBetweenSigns()) }
            guard !Task.isCancelled else { return }
            do throws(EngineFailure) {
                guard try await renewPresence() else { return }
                if isSuspicious || isInDoubt || hadFailure || ContinuousClock.now >= nextRenewal {
                    isSuspicious = false
                    guard try await renewClaim() else { return }
                    nextRenewal = .now + ClaimCertainty.interval(settings.claimSeconds)
                }
                guard try await publishAddresses() else { return }
                if hadFailure || client.server != server { await watch.begin() }
                server = client.server
                hadFailure = false
                backoff.reset()
                await certain()
            } catch {
                guard !Task.isCancelled else { return }
                hadFailure = true
                reportFailure(error)
                await alarm.sleep(backoff.pause())
            }
        }
    }

    private func pauseBetweenSigns() -> Duration {
        let usual = min(.seconds(settings.presenceSeconds) / 6, ClaimCertainty.interval(settings.claimSeconds))
        return usual * Double.random(in: 0.8...1)
    }

    /// - Returns: false if the presence has ended.
    private func renewPresence() async throws(EngineFailure) -> Bool {
        guard let kept = presence, try await client.renew(kept.id) != nil else {
            presence = nil
            return false
        }
        return true
    }

    /// - Returns: false if the claim is lost, or may be.
    private func renewClaim() async throws(EngineFailure) -> Bool {
        guard let kept = lease, let claim else { return false }
        let asked = ContinuousClock.now
        guard let seconds = try await client.renew(kept.id) else {
            lease = nil
            doubt("the lease of this node's subnets has ended in etcd")
            return false
        }
        guard try await claiming.holds(claim) else {
            doubt("this node's entries in etcd have been changed or removed by others")
            return false
        }
        lease = Lease(id: kept.id, certainty: ClaimCertainty(asked: asked, seconds: seconds))
        return true
    }

    private func publishAddresses() async throws(EngineFailure) -> Bool {
        let wanted = addresses
        guard wanted != published, var held = claim, let lease else { return true }
        guard let revision = try await claiming.publish(wanted, held, lease: lease.id) else {
            isSuspicious = true
            return try await renewClaim()
        }
        held.modified = revision
        claim = held
        published = wanted
        tellTable(held, wanted)
        return true
    }

    private func keepPresence() async throws(EngineFailure) {
        if let kept = presence, try await client.renew(kept.id) != nil { return }
        presence = nil
        presence = try await granted(settings.presenceSeconds)
    }

    private func keepLease() async throws(EngineFailure) {
        if let kept = lease {
            let asked = ContinuousClock.now
            if let seconds = try await client.renew(kept.id) {
                lease = Lease(id: kept.id, certainty: ClaimCertainty(asked: asked, seconds: seconds))
                return
            }
            lease = nil
            if claim != nil { doubt("the lease of this node's subnets has ended in etcd") }
        }
        lease = try await granted(settings.claimSeconds)
    }

    private func granted(_ seconds: Int) async throws(EngineFailure) -> Lease {
        let asked = ContinuousClock.now
        let (id, seconds) = try await client.grant(seconds)
        return Lease(id: id, certainty: ClaimCertainty(asked: asked, seconds: seconds))
    }

    private func reportFailure(_ failure: EngineFailure) {
        outlet.trouble(failure, in: .claim)
        // Another machine with this node's name, or another node with its subnets.
        if claim != nil, failure.kind == .conflict { doubt(failure) }
    }

    private func doubtIfOver() {
        guard claim != nil, let lease, !lease.certainty.holds(at: .now) else { return }
        doubt("etcd has not been reached for as long as it keeps this node's subnets", .unreachable)
    }

    private func certain() async {
        isInDoubt = false
        outlet.certain()
        await doubtAlarm.ring()
    }

    private func doubt(_ reason: String, _ kind: EngineFailure.Kind = .conflict) {
        doubt(
            EngineFailure(
                kind, "\(reason): \(claim?.subnets.map { "\($0)" }.joined(separator: ", ") ?? "")",
                advice: "no new pods until they are this node's again"))
    }

    private func doubt(_ failure: EngineFailure) {
        isInDoubt = true
        outlet.doubt(failure)
    }
}
