import Addresses
import CKernel
import Foundation
import Kernel
import NetlinkCodec
import Posix
import TestSupport
import Testing

private let local = IPAddress("127.0.0.1")!
private let other = IPAddress("127.0.0.2")!
private let local6 = IPAddress("::1")!
private let tcp: UInt8 = 6
private let udp: UInt8 = 17
private let sctp: UInt8 = 132

/// Makes an entry without a packet, as `conntrack -I` does.
private func insert(
    _ tuple: ConnectionTuple, zone: UInt16 = 0, into socket: inout NetlinkSocket
) throws {
    let address = { (builder: inout MessageBuilder, source: IPAddress, destination: IPAddress) in
        builder.nested(1) {
            $0.attribute(source.family == .v4 ? 1 : 3, source)
            $0.attribute(source.family == .v4 ? 2 : 4, destination)
        }
    }
    let ports = { (builder: inout MessageBuilder, source: UInt16, destination: UInt16) in
        builder.nested(2) {
            $0.attribute(1, uint8: tuple.protocolNumber)
            $0.attribute(2, bigEndian: source)
            $0.attribute(3, bigEndian: destination)
        }
    }
    try socket.execute("insert \(tuple)") { builder in
        // IPCTNL_MSG_CT_NEW; REQUEST, EXCL, CREATE.
        builder.message(1 << 8, flags: 0x601) { message in
            message.append(UInt8(tuple.family == .v4 ? AF_INET : AF_INET6))
            for _ in 0..<3 { message.append(UInt8(0)) }
            message.nested(1) {
                address(&$0, tuple.source, tuple.destination)
                ports(&$0, tuple.sourcePort, tuple.destinationPort)
                if tuple.zone != 0 { $0.attribute(3, bigEndian: tuple.zone) }
            }
            message.nested(2) {
                address(&$0, tuple.destination, tuple.source)
                ports(&$0, tuple.destinationPort, tuple.sourcePort)
            }
            // CTA_TIMEOUT in seconds, CTA_ZONE.
            message.attribute(7, bigEndian: UInt32(600))
            if zone != 0 { message.attribute(18, bigEndian: zone) }
        }
    }
}

/// Everything that is tracked in the namespace, of one family.
private func everything(_ family: IPFamily, _ socket: inout NetlinkSocket) throws -> [Connection] {
    try socket.dump("list everything", { Connection($0) }) { builder in
        builder.message(1 << 8 | 1, flags: 0x301) { message in
            message.append(UInt8(family == .v4 ? AF_INET : AF_INET6))
            for _ in 0..<3 { message.append(UInt8(0)) }
        }
    }
}

/// Real entries in namespaces of their own.
@Suite struct ConntrackTests {
    @Test func onlyTheEntriesOfOnePortProtocolAndFamilyGo() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            try trackConnections()
            var socket = try NetlinkSocket(.netfilter)
            try require(try socket.connectionCount() == 0, "a new namespace tracks connections")
            let sender = try LoopbackSocket(SOCK_DGRAM, at: local)
            let sender6 = try LoopbackSocket(SOCK_DGRAM, at: local6)
            for port: UInt16 in [5353, 5354] {
                for address in [local, other] { try sender.send(to: address, port) }
                try sender6.send(to: local6, port)
            }
            let listener = try LoopbackSocket(SOCK_STREAM, at: local, port: 5353)
            try listener.listens()
            let client = try LoopbackSocket(SOCK_STREAM, at: local)
            try client.connects(to: local, 5353)
            try require(try socket.connectionCount() == 7, "\(try socket.connectionCount()) entries")

            let found = try socket.connections(.v4, protocolNumber: udp, destinationPort: 5353)
            try require(Set(found.map(\.original.destination)) == [local, other] && found.count == 2, "\(found)")
            for connection in found {
                try require(connection.original.sourcePort == sender.port, "\(connection)")
                try require(connection.original.source == local && connection.zone == 0, "\(connection)")
                try require(connection.reply.source == connection.original.destination, "\(connection)")
                try require(connection.reply.destinationPort == sender.port, "\(connection)")
                try require(connection.reply.sourcePort == 5353, "\(connection)")
                try socket.delete(connection)
                // Gone already: fine.
                try socket.delete(connection)
            }
            try require(try socket.connections(.v4, protocolNumber: udp, destinationPort: 5353).isEmpty, "still there")
            let left = try everything(.v4, &socket).map(\.original)
            try require(left.count == 3, "\(left)")
            try require(left.count { $0.protocolNumber == tcp && $0.destinationPort == 5353 } == 1, "\(left)")
            try require(left.count { $0.protocolNumber == udp && $0.destinationPort == 5354 } == 2, "\(left)")
            try require(try everything(.v6, &socket).count == 2, "the other family's are gone")

            let found6 = try socket.connections(.v6, protocolNumber: udp, destinationPort: 5353)
            try require(found6.map(\.original.destination) == [local6], "\(found6)")
            for connection in found6 { try socket.delete(connection) }
            let left6 = try everything(.v6, &socket).map(\.original.destinationPort)
            try require(left6 == [5354], "\(left6)")
            let ofTCP = try socket.connections(.v4, protocolNumber: tcp, destinationPort: 5353)
            try require(ofTCP.map(\.original.sourcePort) == [client.port], "\(ofTCP)")
        }
    }

    @Test func anAddressNarrowsTheSelectionAndPortsWidenIt() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            try trackConnections()
            var socket = try NetlinkSocket(.netfilter)
            let (sender, sender6) = (
                try LoopbackSocket(SOCK_DGRAM, at: local), try LoopbackSocket(SOCK_DGRAM, at: local6)
            )
            for port: UInt16 in 1000...1009 {
                for address in [local, other] { try sender.send(to: address, port) }
                try sender6.send(to: local6, port)
            }
            let one = try socket.connections(.v4, protocolNumber: udp, destinationPort: 1003, destination: other)
            try require(one.map(\.original.destination) == [other], "\(one)")
            try require(one.map(\.original.destinationPort) == [1003], "\(one)")
            let one6 = try socket.connections(.v6, protocolNumber: udp, destinationPort: 1003, destination: local6)
            try require(one6.map(\.original.destinationPort) == [1003], "\(one6)")
            let none = try socket.connections(
                .v6, protocolNumber: udp, destinationPort: 1003, destination: IPAddress("::2")!)
            try require(none.isEmpty, "\(none)")
            let several = try socket.connections(
                ConnectionFilter(.v4, protocolNumber: udp, destinationPorts: [1000, 1005, 999], destination: local))
            try require(several.map(\.original.destinationPort).sorted() == [1000, 1005], "\(several)")
            try require(several.allSatisfy { $0.original.destination == local }, "\(several)")
            // What cannot be is not asked for: nothing, rather than everything.
            for filter in [
                ConnectionFilter(.v4, protocolNumber: udp, destinationPorts: []),
                ConnectionFilter(.v4, protocolNumber: udp, destinationPorts: [1000], destination: local6),
            ] {
                let found = try socket.connections(filter)
                try require(found.isEmpty, "\(found)")
            }
        }
    }

    /// What does not match is not even sent: the messages are counted as they come.
    @Test func theKernelItselfLeavesOutWhatDoesNotMatch() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            try trackConnections()
            var socket = try NetlinkSocket(.netfilter)
            let sender = try LoopbackSocket(SOCK_DGRAM, at: local)
            for port: UInt16 in 1000..<1050 { for address in [local, other] { try sender.send(to: address, port) } }
            let listener = try LoopbackSocket(SOCK_STREAM, at: local, port: 1003)
            try listener.listens()
            let client = try LoopbackSocket(SOCK_STREAM, at: local)
            try client.connects(to: local, 1003)
            for (ports, destination, count) in [
                ([1003], nil, 2), ([1003], other, 1), ([1003], IPAddress("127.0.0.3")!, 0), ([1003, 1004], nil, 100),
                ([1003, 1004], other, 50),
            ] as [(Set<UInt16>, IPAddress?, Int)] {
                let filter = ConnectionFilter(
                    .v4, protocolNumber: udp, destinationPorts: ports, destination: destination)
                let messages = try socket.dump("count", { $0 }) { $0.dumpConnections(filter) }
                try require(messages.count == count, "\(filter): \(messages.count) messages, not \(count)")
            }
        }
    }

    /// The kernel compares ports of TCP and UDP only; what it sends of others is looked at here.
    @Test func portsOfOtherProtocolsAreComparedAsWell() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket(.netfilter)
            for port: UInt16 in 3000..<3010 {
                try insert(ConnectionTuple(sctp, from: local, 4000, to: other, port), into: &socket)
                try insert(ConnectionTuple(udp, from: local, 4000, to: other, port), into: &socket)
            }
            let found = try socket.connections(.v4, protocolNumber: sctp, destinationPort: 3005)
            try require(found.map(\.original.destinationPort) == [3005], "\(found)")
            for connection in found { try socket.delete(connection) }
            let left = try everything(.v4, &socket).map(\.original)
            try require(left.count == 19, "\(left.count) left of 20")
            try require(!left.contains { $0.protocolNumber == sctp && $0.destinationPort == 3005 }, "\(left)")
        }
    }

    @Test func fiveHundredEntriesAtOnce() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            try trackConnections()
            var socket = try NetlinkSocket(.netfilter)
            // All open at once, so that each has a port of its own.
            let senders = try (0..<500).map { _ in try LoopbackSocket(SOCK_DGRAM, at: local) }
            for sender in senders { try sender.send(to: local, 53) }
            let sender6 = try LoopbackSocket(SOCK_DGRAM, at: local6)
            try sender6.send(to: local6, 53)
            let found = try socket.connections(.v4, protocolNumber: udp, destinationPort: 53)
            try require(found.map(\.original.sourcePort).sorted() == senders.map(\.port).sorted(), "\(found.count)")
            for connection in found { try socket.delete(connection) }
            try require(try everything(.v4, &socket).isEmpty, "some are left")
            try require(try everything(.v6, &socket).count == 1, "the other family's is gone")
        }
    }

    @Test func theSameTupleInAnotherZoneStays() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket(.netfilter)
            let plain = ConnectionTuple(udp, from: local, 4000, to: other, 53)
            let inOneDirection = ConnectionTuple(udp, from: local, 4001, to: other, 53, zone: 9)
            try insert(plain, into: &socket)
            for zone: UInt16 in [7, 8] { try insert(plain, zone: zone, into: &socket) }
            try insert(inOneDirection, into: &socket)
            let found = try socket.connections(.v4, protocolNumber: udp, destinationPort: 53)
            try require(Set(found.map(\.zone)) == [0, 7, 8] && found.count == 4, "\(found)")
            try require(found.contains { $0.original == inOneDirection }, "\(found)")
            var left = Set(found)
            while let next = left.first(where: { $0.zone == 8 }) ?? left.first(where: { $0.original.zone == 9 })
                ?? left.first
            {
                try socket.delete(next)
                left.remove(next)
                try require(Set(try everything(.v4, &socket)) == left, "after \(next)")
            }
        }
    }

    @Test func theSameTupleWithAnotherNumberStays() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket(.netfilter)
            let tuple = ConnectionTuple(udp, from: local, 4000, to: other, 53)
            try insert(tuple, into: &socket)
            let earlier = try socket.connections(.v4, protocolNumber: udp, destinationPort: 53)
            try require(earlier.map(\.original) == [tuple], "\(earlier)")
            var later = earlier
            // The number goes with the place in the kernel's memory: others take it, until the tuple gets a new one.
            for port: UInt16 in 1000..<1200 where later == earlier {
                for connection in later { try socket.delete(connection) }
                try insert(ConnectionTuple(udp, from: local, 4000, to: other, port), into: &socket)
                try insert(tuple, into: &socket)
                later = try socket.connections(.v4, protocolNumber: udp, destinationPort: 53)
            }
            try require(later.count == 1 && later != earlier, "\(later)")
            try socket.delete(earlier[0])
            try require(
                try socket.connections(.v4, protocolNumber: udp, destinationPort: 53) == later, "the later one is gone")
        }
    }

    @Test func aSocketSeesItsOwnNamespaceOnly() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            let pod = try anotherNamespace()
            var inside = try pod.run { () throws(Failure) in try NetlinkSocket(.netfilter) }
            var socket = try NetlinkSocket(.netfilter)
            let tuple = ConnectionTuple(udp, from: local, 4000, to: other, 53)
            for number in 0..<2 {
                try insert(tuple, into: &inside)
                if number == 0 { try require(try socket.connectionCount() == 0, "the other namespace's are counted") }
                try insert(tuple, into: &socket)
                let found = try socket.connections(.v4, protocolNumber: udp, destinationPort: 53)
                try require(found.count == 1, "\(found)")
                for connection in found { try socket.delete(connection) }
                let there = try inside.connections(.v4, protocolNumber: udp, destinationPort: 53)
                try require(there.count == 1, "the other namespace's is gone")
                for connection in there { try inside.delete(connection) }
            }
        }
    }
}
