public import Addresses
public import Posix

/// The client that asks for a lease, and its options.
public struct ClientIdentity: Sendable, Hashable {
    public let hardwareAddress: MACAddress
    /// Options that the client includes in each message, with their contents, including the client identifier.
    public let provided: [OptionCode: [UInt8]]
    /// Options that the client requests, in order of preference.
    public let requested: [OptionCode]
    /// Whether to ask servers to broadcast their answers.
    public let wantsBroadcast: Bool

    public init(
        hardwareAddress: MACAddress, provided: [OptionCode: [UInt8]], requested: [OptionCode], wantsBroadcast: Bool
    ) {
        self.hardwareAddress = hardwareAddress
        self.provided = provided
        self.requested = requested
        self.wantsBroadcast = wantsBroadcast
    }
}

/// The client's states for one lease (RFC 2131, figure 5). It has no side effects: it receives the time and incoming messages,
/// and returns the actions to take. Times are milliseconds of any one clock.
///
/// After a lease is lost, it asks again, but only for the same address, because the client's user has already passed the address
/// on.
public struct LeaseMachine: Sendable {
    public enum State: Sendable, Hashable {
        case selecting
        /// An offer was accepted.
        case requesting(Lease)
        case bound(Lease)
        /// T1 has passed: asks the server again.
        case renewing(Lease)
        /// T2 has passed: asks any server.
        case rebinding(Lease)
    }

    public enum Action: Sendable, Hashable {
        case broadcast(Message)
        /// To the server, from the leased address.
        case unicast(Message, Lease)
        /// Granted or prolonged.
        case gained(Lease)
        /// The address must no longer be used.
        case lost(Lease)
    }

    public private(set) var state = State.selecting
    /// When to call ``timer(at:)``.
    public private(set) var deadline: Int
    /// The latest obstacle.
    public private(set) var problem = Failure(.inputOutput, "no DHCP server has answered")
    private let identity: ClientIdentity
    private let longestDelay: Int
    private var wanted: IPAddress?
    private var transaction: UInt32 = 0
    private var began: Int
    private var attempts = 0
    private var random: UInt64

    /// The first delay between transmissions, and the shortest between renewals of a lease that is about to end.
    static let firstDelay = 2_000
    private static let leastRenewalDelay = 60_000
    private static let requestAttempts = 3

    /// - Parameter lease: granted in an earlier run; it is maintained, or requested again if it has ended.
    /// - Parameter longestDelay: between two transmissions while there is no lease; milliseconds.
    public init(_ identity: ClientIdentity, lease: Lease? = nil, longestDelay: Int, seed: UInt64, at now: Int) {
        self.identity = identity
        self.longestDelay = max(longestDelay, 1)
        random = seed
        began = now
        deadline = now
        if let lease {
            wanted = lease.address.address
            state = .bound(lease)
            deadline = lease.renewal
        }
    }

    /// The lease that is currently valid.
    public var lease: Lease? {
        switch state {
        case .bound(let lease), .renewing(let lease), .rebinding(let lease): lease
        case .selecting, .requesting: nil
        }
    }

    /// Whether to listen for answers.
    public var isWaiting: Bool { if case .bound = state { false } else { true } }

    /// The actions due at ``deadline``. Also correct at any later time: a machine may have been suspended.
    public mutating func timer(at now: Int) -> [Action] {
        guard now >= deadline else { return [] }
        if let lease, now >= lease.expiry {
            return lose(lease, at: now, because: "the lease of \(lease.address.address) has ended")
        }
        switch state {
        case .selecting: return discover(at: now)
        case .requesting(let offer):
            guard attempts < LeaseMachine.requestAttempts else {
                problem = Failure(.inputOutput, "DHCP server \(offer.server) does not acknowledge its own offer")
                return discover(at: now, anew: true)
            }
            return request(offer, at: now)
        case .bound(let lease), .renewing(let lease), .rebinding(let lease):
            return now >= lease.rebinding
                ? prolong(.rebinding(lease), lease, until: lease.expiry, at: now)
                : prolong(.renewing(lease), lease, until: lease.rebinding, at: now)
        }
    }

    /// The actions for an incoming message. Messages for other clients, or late ones, cause none.
    public mutating func receive(_ message: Message, at now: Int) -> [Action] {
        guard message.isReply, message.transaction == transaction,
            message.hardwareAddress == identity.hardwareAddress
        else { return [] }
        switch (state, message.kind) {
        case (.selecting, .offer): return consider(message, at: now)
        case (.requesting(let offer), .acknowledge): return take(message, insteadOf: offer, at: now)
        case (.requesting(let offer), .refuse):
            guard message.isFrom(offer.server) else { return [] }
            problem = Failure(.inputOutput, "DHCP server \(offer.server) NACK'd own offer\(message.reason)")
            return again(at: now)
        case (.renewing(let lease), .acknowledge), (.rebinding(let lease), .acknowledge):
            return take(message, insteadOf: lease, at: now)
        case (.renewing(let lease), .refuse):
            guard message.isFrom(lease.server) else { return [] }
            return lose(lease, at: now, because: "DHCP server \(lease.server) did not renew lease\(message.reason)")
        case (.rebinding(let lease), .refuse):
            return lose(lease, at: now, because: "a DHCP server did not renew lease\(message.reason)")
        default: return []
        }
    }

    /// Releases the lease. The machine must not be used after it.
    public mutating func release() -> [Action] {
        guard let lease else { return [] }
        newTransaction()
        var message = Message(.release, transaction: transaction, from: identity.hardwareAddress)
        message.clientAddress = lease.address.address
        message.options[.serverIdentifier] = lease.server.bytes
        message.options[.clientIdentifier] = identity.provided[.clientIdentifier]
        return [.unicast(message, lease)]
    }

    // MARK: - Without a lease

    private mutating func discover(at now: Int, anew: Bool = false) -> [Action] {
        if anew || attempts == 0 {
            attempts = 0
            began = now
            newTransaction()
        }
        state = .selecting
        var message = compose(.discover, at: now)
        message.options[.requestedAddress] = wanted?.bytes
        backOff(at: now)
        return [.broadcast(message)]
    }

    /// Starts again, after a pause.
    private mutating func again(at now: Int) -> [Action] {
        state = .selecting
        newTransaction()
        backOff(at: now)
        return []
    }

    private mutating func consider(_ message: Message, at now: Int) -> [Action] {
        let offer: Lease
        do throws(Failure) { offer = try Lease(message, since: now) } catch {
            problem = error
            return []
        }
        if let wanted, offer.address.address != wanted {
            problem = Failure(
                .inputOutput, "DHCP server \(offer.server) offers \(offer.address.address) instead of \(wanted)")
            return []
        }
        attempts = 0
        return request(offer, at: now)
    }

    private mutating func request(_ offer: Lease, at now: Int) -> [Action] {
        state = .requesting(offer)
        var message = compose(.request, at: now)
        message.options[.serverIdentifier] = offer.server.bytes
        message.options[.requestedAddress] = offer.address.address.bytes
        if attempts == 0 { began = now }
        backOff(at: now)
        return [.broadcast(message)]
    }

    // MARK: - With a lease

    private mutating func prolong(_ next: State, _ lease: Lease, until end: Int, at now: Int) -> [Action] {
        if state != next {
            state = next
            newTransaction()
            began = now
        }
        var message = compose(.request, at: now)
        message.clientAddress = lease.address.address
        // Half of the remaining time, but not too often (RFC 2131, section 4.4.5).
        deadline = min(end, now + max((end - now) / 2, LeaseMachine.leastRenewalDelay))
        if case .rebinding = next { return [.broadcast(message)] }
        return [.unicast(message, lease)]
    }

    private mutating func take(_ message: Message, insteadOf present: Lease, at now: Int) -> [Action] {
        let lease: Lease
        // Counted from the request, so that our lease never ends after the server's.
        do throws(Failure) { lease = try Lease(message, since: began) } catch {
            problem = error
            return []
        }
        guard lease.address.address == present.address.address else {
            problem = Failure(
                .inputOutput,
                "DHCP server \(lease.server) gives \(lease.address.address) instead of \(present.address.address)")
            return []
        }
        state = .bound(lease)
        wanted = lease.address.address
        attempts = 0
        deadline = lease.renewal
        return [.gained(lease)]
    }

    private mutating func lose(_ lease: Lease, at now: Int, because reason: String) -> [Action] {
        problem = Failure(.inputOutput, reason)
        return [.lost(lease)] + discover(at: now, anew: true)
    }

    // MARK: - Messages and pauses

    private func compose(_ kind: Message.Kind, at now: Int) -> Message {
        var message = Message(kind, transaction: transaction, from: identity.hardwareAddress)
        for (code, value) in identity.provided where message.options[code] == nil { message.options[code] = value }
        message.options[.parameterRequestList] = identity.requested.map { $0.rawValue }
        // What fits into an Ethernet frame.
        message.options[.maximumMessageSize] = UInt16(1472).octets
        message.seconds = UInt16(clamping: (now - began) / 1000)
        message.wantsBroadcast = identity.wantsBroadcast
        return message
    }

    /// Doubles the pause with each transmission, plus or minus a quarter, so that pods started together drift apart.
    private mutating func backOff(at now: Int) {
        let delay = min(LeaseMachine.firstDelay << min(attempts, 16), longestDelay)
        attempts += 1
        deadline = now + delay * 3 / 4 + Int(nextRandom() % UInt64(delay / 2 + 1))
    }

    private mutating func newTransaction() { transaction = UInt32(truncatingIfNeeded: nextRandom()) }

    /// SplitMix64.
    private mutating func nextRandom() -> UInt64 {
        random &+= 0x9e37_79b9_7f4a_7c15
        var mixed = random
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

extension Message {
    fileprivate func isFrom(_ server: IPAddress) -> Bool { options.address(.serverIdentifier) == server }

    /// The server's reason, for people.
    fileprivate var reason: String {
        let text = (options[.serverMessage] ?? []).filter { (0x20..<0x7f).contains($0) }
        return text.isEmpty ? "" : ": " + String(decoding: text.prefix(100), as: UTF8.self)
    }
}
