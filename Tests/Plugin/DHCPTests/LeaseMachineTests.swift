import Addresses
import Testing

@testable import DHCP

/// A lease's life in simulated time, against a server that loses what it is told to lose.
@Suite struct LeaseMachineTests {
    static let identity = ClientIdentity(
        hardwareAddress: MessageTests.mac, provided: [.clientIdentifier: [0, 65]], requested: [.subnetMask, .routers],
        wantsBroadcast: false)

    /// A network with one server.
    final class World {
        var machine: LeaseMachine
        var now = 0
        var sent: [Message] = []
        /// Whether each was broadcast.
        var broadcasts: [Bool] = []
        var gained: [Lease] = []
        var lost: [Lease] = []
        /// Whether the server hears the n-th message.
        var hears: (Int) -> Bool
        var address = IPAddress("10.0.0.9")!
        var server = IPAddress("10.0.0.1")!
        var refuses = false
        var leaseTime: UInt32 = 1000

        init(_ machine: LeaseMachine, hears: @escaping (Int) -> Bool = { _ in true }) {
            self.machine = machine
            self.hears = hears
        }

        convenience init(hears: @escaping (Int) -> Bool = { _ in true }) {
            self.init(LeaseMachine(identity, longestDelay: 62_000, seed: 1, at: 0), hears: hears)
        }

        func answer(_ message: Message) -> Message? {
            var kind = message.kind == .discover ? Message.Kind.offer : .acknowledge
            if refuses, message.kind == .request { kind = .refuse }
            guard message.kind != .release else { return nil }
            var reply = Message(reply: kind, to: message, address)
            reply.options[.serverIdentifier] = server.bytes
            reply.options[.subnetMask] = [255, 255, 255, 0]
            reply.options[.leaseTime] = leaseTime.octets
            return reply
        }

        func perform(_ actions: [LeaseMachine.Action]) {
            for action in actions {
                switch action {
                case .gained(let lease): gained.append(lease)
                case .lost(let lease): lost.append(lease)
                case .broadcast(let message), .unicast(let message, _):
                    if case .broadcast = action { broadcasts.append(true) } else { broadcasts.append(false) }
                    sent.append(message)
                    guard hears(sent.count), let answer = answer(message) else { continue }
                    perform(machine.receive(answer, at: now))
                }
            }
        }

        /// Lets time pass to the machine's next deadline, or up to a limit.
        func step(limit: Int = .max) {
            now = max(now, min(machine.deadline, limit))
            perform(machine.timer(at: now))
        }

        func run(until end: Int) { while machine.deadline <= end { step() } }
    }

    @Test func aLeaseIsFourMessages() throws {
        let world = World()
        world.step()
        #expect(world.sent.map(\.kind) == [.discover, .request])
        #expect(world.sent[1].options[.serverIdentifier] == [10, 0, 0, 1])
        #expect(world.sent[1].options[.requestedAddress] == [10, 0, 0, 9])
        #expect(world.sent.allSatisfy { $0.options[.clientIdentifier] == [0, 65] && $0.clientAddress.isUnspecified })
        #expect(world.sent[0].options[.parameterRequestList] == [1, 3])
        #expect(world.gained.map(\.address) == [CIDR("10.0.0.9/24")])
        #expect(world.machine.deadline == 500_000 && !world.machine.isWaiting)
    }

    /// Every pattern of losses among the first ten messages: sooner or later there is a lease.
    @Test func whateverIsLostTheLeaseComesInTheEnd() {
        for pattern in 0..<1024 {
            let world = World { $0 > 10 || pattern >> ($0 - 1) & 1 == 1 }
            world.run(until: 400_000)
            #expect(world.gained.count == 1, "pattern \(pattern)")
            // Pauses of 1.5 s at least; one request more for each offer.
            #expect(world.sent.count <= 13)
        }
    }

    @Test func pausesDoubleUpToTheirLimitAndAreNotAllAlike() {
        var firsts: Set<Int> = []
        for seed in 1..<20 as Range<UInt64> {
            let world = World(LeaseMachine(Self.identity, longestDelay: 62_000, seed: seed, at: 0)) { _ in false }
            var times: [Int] = []
            for _ in 0..<10 {
                world.step()
                times.append(world.now)
            }
            let pauses = zip(times, times.dropFirst()).map { $1 - $0 }
            for (pause, nominal) in zip(pauses, [2, 4, 8, 16, 32, 62, 62, 62, 62]) {
                #expect((nominal * 750...nominal * 1250).contains(pause))
            }
            firsts.insert(pauses[0])
        }
        #expect(firsts.count > 10)
    }

    @Test func aLeaseIsRenewedWithItsServerAndThenWithAny() {
        let world = World { $0 <= 2 }
        world.run(until: 999_000)
        // At T1, then after half of what is left until T2 each time; at T2; then likewise until the end.
        #expect(world.broadcasts.dropFirst(2).first == false)
        let renewals = Array(zip(world.sent, world.broadcasts).dropFirst(2))
        #expect(renewals.allSatisfy { $0.0.kind == .request && $0.0.clientAddress == IPAddress("10.0.0.9") })
        #expect(
            renewals.allSatisfy { $0.0.options[.serverIdentifier] == nil && $0.0.options[.requestedAddress] == nil })
        let rebindings = renewals.filter { $0.1 }.count
        #expect(rebindings > 1 && renewals.count > rebindings && renewals.count <= 10)
        #expect(world.lost.isEmpty)
        world.run(until: 1_000_000)
        #expect(world.lost.count == 1 && world.machine.lease == nil)
        #expect(world.sent.last?.options[.requestedAddress] == [10, 0, 0, 9])
    }

    @Test func aRenewalStartsTheTimesAnew() {
        let world = World()
        world.run(until: 1_800_000)
        #expect(world.gained.map(\.expiry) == [1_000_000, 1_500_000, 2_000_000, 2_500_000])
        #expect(world.lost.isEmpty)
    }

    /// A server that hears the first request, but whose answer is lost, counts from then.
    @Test func aLeaseIsCountedFromTheFirstRequestForIt() {
        let world = World { $0 != 2 && $0 != 4 }
        world.run(until: 100_000)
        #expect(world.sent.map(\.kind) == [.discover, .request, .request])
        #expect(world.gained.map(\.expiry) == [1_000_000])
        // Likewise a renewal, which is answered at its second sending.
        world.run(until: 750_000)
        #expect(world.gained.last?.expiry == 1_500_000 && world.now > 600_000)
    }

    @Test func anotherServerMayRebind() {
        let world = World()
        world.step()
        world.hears = { _ in false }
        world.run(until: 874_999)
        world.hears = { _ in true }
        world.server = IPAddress("10.0.0.2")!
        world.run(until: 875_000)
        #expect(world.gained.map { $0.server.description } == ["10.0.0.1", "10.0.0.2"])
    }

    @Test func aRefusedRenewalLosesTheLease() {
        let world = World()
        world.step()
        world.refuses = true
        world.hears = { $0 <= 3 }
        world.step()
        #expect(world.lost.count == 1 && world.machine.lease == nil)
        #expect(world.machine.problem.description.contains("did not renew lease"))
        // The same address again, and the pod has it back.
        world.refuses = false
        world.hears = { _ in true }
        world.run(until: 700_000)
        #expect(world.gained.count == 2 && world.machine.lease?.address == CIDR("10.0.0.9/24"))
    }

    @Test func anotherAddressIsNotTaken() {
        let world = World()
        world.step()
        world.refuses = true
        world.step()
        world.refuses = false
        world.address = IPAddress("10.0.0.77")!
        world.run(until: 3_000_000)
        #expect(world.gained.count == 1)
        #expect(world.machine.problem.description.contains("10.0.0.77 instead of 10.0.0.9"))
        #expect(world.sent.suffix(5).allSatisfy { $0.kind == .discover })
    }

    @Test func aServerThatRefusesItsOwnOfferIsAskedAgainLater() {
        let world = World()
        world.refuses = true
        world.run(until: 20_000)
        #expect((3...12).contains(world.sent.count) && world.gained.isEmpty)
        #expect(world.machine.problem.description.contains("NACK'd own offer"))
        world.refuses = false
        world.run(until: 200_000)
        #expect(world.gained.count == 1)
    }

    @Test func othersAnswersAreNotHeard() throws {
        var machine = LeaseMachine(Self.identity, longestDelay: 62_000, seed: 1, at: 0)
        guard case .broadcast(let discover)? = machine.timer(at: 0).first else {
            Issue.record("no discover")
            return
        }
        let world = World(machine)
        let offer = try #require(world.answer(discover))
        #expect(machine.receive(discover, at: 0).isEmpty)
        for (transaction, mac) in [
            (discover.transaction &+ 1, MessageTests.mac), (discover.transaction, MACAddress("02:00:00:00:00:02")!),
        ] {
            let other = Message(
                reply: .offer, to: Message(.discover, transaction: transaction, from: mac), world.address)
            var copy = other
            copy.options = offer.options
            #expect(machine.receive(copy, at: 0).isEmpty)
        }
        #expect(machine.receive(offer, at: 0).count == 1)
    }

    @Test func aLeaseOfAnEarlierRunIsKeptUp() {
        let first = World()
        first.step()
        let lease = first.gained[0]
        for (now, kind, isBroadcast) in [
            (400_000, nil, false), (600_000, .request, false), (900_000, .request, true),
            (2_000_000, .discover, true),
        ] as [(Int, Message.Kind?, Bool)] {
            let world = World(LeaseMachine(Self.identity, lease: lease, longestDelay: 62_000, seed: 2, at: now)) { _ in
                false
            }
            world.now = now
            world.perform(world.machine.timer(at: now))
            #expect(world.sent.first?.kind == kind)
            if kind != nil { #expect(world.broadcasts[0] == isBroadcast) }
            #expect(world.lost.isEmpty == (now < lease.expiry))
        }
    }

    @Test func releaseNamesAddressAndServer() {
        let world = World()
        world.step()
        world.perform(world.machine.release())
        let release = world.sent.last
        #expect(release?.kind == .release && release?.clientAddress == IPAddress("10.0.0.9"))
        #expect(
            release?.options[.serverIdentifier] == [10, 0, 0, 1] && release?.options[.clientIdentifier] == [0, 65])
        #expect(world.broadcasts.last == false)
    }
}

extension Message {
    /// What a server sends: read from its octets, as there is no other way to make one.
    init(reply kind: Kind, to message: Message, _ address: IPAddress) {
        var octets = message.encoded
        octets[0] = 2
        octets.replaceSubrange(16..<20, with: address.bytes)
        octets.replaceSubrange(12..<16, with: [0, 0, 0, 0])
        self.init(octets)!
        options = [.messageType: [kind.rawValue]]
    }
}
