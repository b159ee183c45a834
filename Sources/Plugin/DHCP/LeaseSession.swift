internal import Addresses
internal import Attachments
internal import CNI
internal import Posix

/// One attachment's lease, from the first request to the last: the machine that decides, and the interface on which it acts.
final class LeaseSession {
    let owner: AttachmentName
    let link: PodLink
    private(set) var identity: ClientIdentity
    private var machine: LeaseMachine
    private let directory: LeaseDirectory
    /// Whether the address has been removed from the pod.
    private var isWithdrawn = false
    /// Until when to wait for an answer while holding a lease, in milliseconds. Then the socket is closed, because it keeps the
    /// pod's namespace alive and the next transmission may be hours away.
    private var listensUntil = Int.max
    private static let answerTime = 3_000
    /// When to report failure to the caller that waits for the first lease, in milliseconds; nil if none waits.
    private(set) var limit: Int?

    enum Outcome {
        case ongoing
        /// The first lease was granted.
        case granted(Lease)
        /// The time for the first lease is over.
        case failed(Failure)
        /// The pod no longer exists.
        case gone
    }

    /// Starts asking for a lease.
    ///
    /// - Precondition: the link is open.
    init(
        _ owner: AttachmentName, _ link: PodLink, _ identity: ClientIdentity, _ directory: LeaseDirectory,
        _ options: DaemonOptions, at now: Int
    ) {
        self.owner = owner
        self.link = link
        self.identity = identity
        self.directory = directory
        limit = now + options.resendTimeout
        machine = LeaseMachine(
            identity, longestDelay: min(options.timeout, options.resendMaximum), seed: .random(in: 0...UInt64.max),
            at: now)
    }

    /// Resumes a lease of an earlier daemon.
    init(
        _ owner: AttachmentName, _ record: LeaseRecord, _ directory: LeaseDirectory, _ options: DaemonOptions,
        at now: Int
    ) {
        self.owner = owner
        self.directory = directory
        identity = record.settings
        link = PodLink(netns: record.netns, ifname: owner.ifname)
        link.serverHardware = record.serverHardware
        machine = LeaseMachine(
            identity, lease: record.lease, longestDelay: options.resendMaximum, seed: .random(in: 0...UInt64.max),
            at: now)
    }

    /// The lease that is currently valid.
    var lease: Lease? { isWithdrawn ? nil : machine.lease }

    var problem: Failure { machine.problem }

    /// When to do something next.
    var deadline: Int { min(machine.deadline, limit ?? .max, listensUntil) }

    /// Handles what is due.
    func timer(at now: Int) -> Outcome {
        guard now >= deadline else { return .ongoing }
        if let limit, now >= limit { return .failed(machine.problem) }
        if now >= listensUntil {
            link.close()
            listensUntil = .max
        }
        guard now >= machine.deadline else { return .ongoing }
        if limit == nil {
            // Reopened each time: an open socket would not notice that the pod is gone.
            link.close()
            switch presence {
            case .namespaceGone: return .gone
            // The lease's interface will not come back.
            case .interfaceMissing where machine.lease.map { now >= $0.expiry } ?? true: return .gone
            case .interfaceMissing, .present: break
            }
        }
        return perform(machine.timer(at: now), at: now)
    }

    /// Handles messages that have arrived on the socket.
    func receive(at now: Int) -> Outcome {
        while machine.isWaiting, let message = link.receive() {
            let outcome = perform(machine.receive(message, at: now), at: now)
            if case .ongoing = outcome { continue }
            return outcome
        }
        return .ongoing
    }

    /// Whether the pod's interface is still the one that the lease is for.
    var presence: PodLink.Presence {
        do { return try link.open(expecting: identity.hardwareAddress) } catch {
            Daemon.log("\(owner): \(error)")
            return .present
        }
    }

    /// Releases the lease, as far as possible, and forgets it.
    func release() {
        if machine.lease != nil, case .present = presence {
            Daemon.log("\(owner): releasing lease")
            _ = perform(machine.release(), at: BootClock.milliseconds)
        }
        forget()
    }

    func forget() {
        link.close()
        directory.remove(owner)
    }

    private func perform(_ actions: [LeaseMachine.Action], at now: Int) -> Outcome {
        guard !actions.isEmpty else { return .ongoing }
        var outcome = Outcome.ongoing
        for action in actions {
            switch action {
            case .broadcast(let message): send(message)
            case .unicast(let message, let lease): send(message, from: lease.address.address, to: lease.server)
            case .gained(let lease):
                gained(lease, at: now)
                if limit != nil { outcome = .granted(lease) }
                limit = nil
            case .lost(let lease): lost(lease)
            }
        }
        listensUntil = limit == nil && link.descriptor != nil ? now + LeaseSession.answerTime : .max
        if !machine.isWaiting {
            link.close()
            listensUntil = .max
        }
        return outcome
    }

    /// A message that cannot be sent is sent again later, as if it had been lost.
    private func send(
        _ message: Message, from source: IPAddress = Message.unspecified, to server: IPAddress? = nil
    ) {
        do throws(Errno) { try link.send(message, from: source, to: server) } catch {
            Daemon.log("\(owner): send on \(link.ifname) in \(link.netns): \(error)")
            // A socket whose interface has gone receives nothing any more.
            if error == .noSuchDevice || error == .noSuchDeviceOrAddress { link.close() }
        }
    }

    private func gained(_ lease: Lease, at now: Int) {
        Daemon.log("\(owner): lease of \(lease.address) from \(lease.server) for \((lease.expiry - now) / 1000) s")
        do throws(Errno) {
            try directory.write(owner, link.netns, identity, link.serverHardware, lease)
        } catch { Daemon.log("\(owner): write to \(directory.path): \(error); a restart forgets this lease") }
        guard isWithdrawn else { return }
        do {
            try link.restore(lease)
            isWithdrawn = false
        } catch { Daemon.log("\(owner): \(error)") }
    }

    private func lost(_ lease: Lease) {
        Daemon.log("\(owner): \(machine.problem): taking \(lease.address) from \(link.ifname)")
        isWithdrawn = true
        do { try link.withdraw(lease) } catch { Daemon.log("\(owner): \(error)") }
    }
}
