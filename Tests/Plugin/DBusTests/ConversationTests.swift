import Foundation
import Posix
import Testing

@testable import DBus

/// Opens a connection and throws it away.
private func open(_ address: String, milliseconds: Int = 3000) throws -> String? {
    guard let bus = try BusConnection.open(address, milliseconds: milliseconds) else { return nil }
    return bus.uniqueName
}

/// Buses that behave in every way but the right one.
@Suite struct ConversationTests {
    @Test func noSocketIsNoBus() throws {
        #expect(try open("unix:path=/nonexistent/bus") == nil)
        #expect(try open("unix:path=/nonexistent/a;unix:path=/nonexistent/b") == nil)
        #expect(try open("unix:abstract=swt-nobody-\(getpid())") == nil)
    }

    @Test func aSocketThatNobodyListensAtIsNoBus() throws {
        let bus = try FakeBus()
        bus.stopListening()
        #expect(try open(bus.address) == nil)
    }

    @Test func theNextAddressIsTried() throws {
        let bus = try FakeBus { peer in
            peer.welcome()
            peer.awaitEnd()
        }
        #expect(try open("unix:path=/nonexistent/bus;\(bus.address)") == ":1.1")
    }

    @Test func whatCannotBeConnectedToIsAnError() {
        #expect(throws: BusError.self) { try open("unix:path=/etc/passwd/bus") }
        #expect(throws: BusError.system(attempt: "connect to the bus at \(longPath)", .nameTooLong)) {
            try open("unix:path=\(longPath)")
        }
    }

    private var longPath: String { "/" + String(repeating: "x", count: 107) }

    @Test func descriptorsAreClosedOnExec() throws {
        let socket = try FileDescriptor.unixStreamSocket()
        #expect(fcntl(socket.rawValue, F_GETFD) == FD_CLOEXEC)
    }

    /// Each says how far the conversation has come when the bus says nothing more.
    @Test(arguments: [0, 1, 2])
    func aSilentBusIsGivenUpAfterTheLimit(_ step: Int) throws {
        let bus = try FakeBus { peer in
            if step == 1 { peer.shakeHands() }
            if step == 2 { peer.welcome() }
            peer.awaitEnd()
        }
        let start = ContinuousClock.now
        #expect(throws: BusError.timedOut(milliseconds: 200)) {
            var connection = try present(try BusConnection.open(bus.address, milliseconds: 200))
            _ = try connection.callBus("GetId")
        }
        let taken = ContinuousClock.now - start
        #expect(taken >= .milliseconds(199) && taken < .seconds(3), "\(taken)")
    }

    @Test func aBusWhoseQueueIsFullIsGivenUpAfterTheLimit() throws {
        let bus = try FakeBus(backlog: 0)
        let first = try FileDescriptor.unixStreamSocket()
        try first.connect(to: .path(bus.path))
        let start = ContinuousClock.now
        #expect(throws: BusError.timedOut(milliseconds: 200)) { try open(bus.address, milliseconds: 200) }
        #expect(ContinuousClock.now - start < .seconds(3))
        first.close()
    }

    /// Talking does not buy time.
    @Test func aBusThatTalksWithoutEndIsGivenUpAfterTheLimit() throws {
        let bus = try FakeBus { peer in
            peer.shakeHands()
            while peer.send(Captured.nameAcquired) {}
        }
        #expect(throws: BusError.timedOut(milliseconds: 200)) { try open(bus.address, milliseconds: 200) }
    }

    @Test func aBusThatClosesIsAnError() throws {
        let atOnce = try FakeBus { _ in }
        #expect(throws: BusError.closed) { try open(atOnce.address) }
        let later = try FakeBus { $0.shakeHands() }
        #expect(throws: BusError.closed) { try open(later.address) }
        let halfway = try FakeBus { peer in
            peer.shakeHands()
            peer.send(Array(Captured.hello.dropLast()))
        }
        #expect(throws: BusError.closed) { try open(halfway.address) }
    }

    @Test func aBusThatDoesNotWantUsIsAnError() throws {
        let bus = try FakeBus { peer in
            _ = peer.receive()
            peer.send("REJECTED DBUS_COOKIE_SHA1\r\n")
            peer.awaitEnd()
        }
        #expect(throws: BusError.rejected("REJECTED DBUS_COOKIE_SHA1")) { try open(bus.address) }
    }

    @Test(arguments: ["HTTP/1.1 400 Bad Request\r\n", "\n", String(repeating: "x", count: 5000)])
    func whatIsNoBusIsAnError(_ text: String) throws {
        let bus = try FakeBus { peer in
            _ = peer.receive()
            peer.send(text)
            peer.awaitEnd()
        }
        #expect(throws: BusError.self) { try open(bus.address) }
    }

    @Test func aMessageOfAnySizeIsNotWaitedFor() throws {
        let bus = try FakeBus { peer in
            peer.shakeHands()
            var octets = Captured.hello
            octets[7] = 0x7f
            peer.send(octets)
            peer.awaitEnd()
        }
        #expect(throws: BusError.messageTooLarge(0x7f00_0009 + 80)) { try open(bus.address) }
    }

    @Test func aMessageThatComesOctetByOctetIsPutTogether() throws {
        let bus = try FakeBus { peer in
            _ = peer.receive()
            for octet in "OK 12\r\n".utf8 {
                peer.send([octet])
                peer.awaitReading()
            }
            _ = peer.receive()
            for octet in Captured.hello + Captured.nameAcquired {
                peer.send([octet])
                peer.awaitReading()
            }
            peer.awaitEnd()
        }
        #expect(try open(bus.address) == ":1.3")
    }

    /// Signals, calls, answers to others, and answers in somebody else's name come before the true one.
    @Test func onlyTheTrueAnswerIsTaken() throws {
        let bus = try FakeBus { peer in
            peer.welcome()
            _ = peer.receive()
            var call = Outgoing(answering: 2, from: ":1.9", "")
            call.type = 1
            var unknown = Outgoing(answering: 2, from: ":1.2", "s", .string("unknown type"))
            unknown.type = 77
            peer.send(
                Captured.nameAcquired + call.octets + unknown.octets
                    + Outgoing(answering: 1, from: ":1.2", "s", .string("another call's")).octets
                    + Outgoing(answering: 2, from: ":1.9", "s", .string("another's")).octets
                    + Outgoing(answering: 2, from: ":1.2", "s", .string("true")).octets)
            peer.awaitEnd()
        }
        var connection = try present(try BusConnection.open(bus.address))
        let answer = try connection.call(
            MethodCall("m", [], destination: ":1.2", path: "/", interface: "a.b"))
        #expect(answer == .string("true"))
    }
}
