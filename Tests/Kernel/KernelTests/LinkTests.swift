import Addresses
import CKernel
import Foundation
import Kernel
import NetlinkCodec
import Posix
import TestSupport
import Testing

/// Each in a process and a network namespace of its own: a namespace belongs to a thread, and test threads are shared.
@Suite struct LinkTests {
    @Test func aVethIsMadeWithItsPeerInTheOtherNamespace() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            let pod = try anotherNamespace()
            var host = try NetlinkSocket()
            var inside = try pod.run { () throws(Failure) in try NetlinkSocket() }
            let mac = MACAddress("02:00:00:00:00:01")!
            try host.execute("bridge") { $0.createBridge("br0", mac: mac, mtu: 1400, vlanFiltering: false) }
            let bridge = try host.link(.name("br0"))
            try require(bridge?.kind == "bridge" && bridge?.mac == mac && bridge?.mtu == 1400, "\(bridge as Any)")
            var port = LinkChange()
            port.isUp = true
            port.alias = "an owner"
            port.hairpin = true
            var changes = Changes()
            changes.append("veth") {
                $0.createVeth(
                    VethEnd(name: "host0"),
                    peer: VethEnd(name: "eth0", mac: MACAddress("02:00:00:00:00:02"), namespace: pod.descriptor),
                    mtu: 1300, master: bridge!.index)
            }
            changes.append("port") { $0.changeLink(.name("host0"), port) }
            try host.execute(changes)
            let end = try host.link(.name("host0"))
            try require(end?.master == bridge?.index && end?.alias == "an owner", "\(end as Any)")
            try require(end?.isHairpin == true && end?.isUp == true && end?.mtu == 1300, "\(end as Any)")
            let eth0 = try inside.link(.name("eth0"))
            try require(eth0?.kind == "veth" && eth0?.mac?.description == "02:00:00:00:00:02", "\(eth0 as Any)")
            try require(eth0?.peer == end?.index && end?.peer == eth0?.index, "the ends do not know each other")
            try require(try host.link(.name("eth0")) == nil, "the peer was made on the host")
        }
    }

    @Test func addressesRoutesAndNeighboursAreAddedListedAndRemoved() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket()
            let mac = MACAddress("02:00:00:00:00:01")!
            try socket.execute("bridge") { $0.createBridge("br0", mac: mac, mtu: nil, vlanFiltering: false) }
            let index = try socket.link(.name("br0"))!.index
            var up = LinkChange()
            up.isUp = true
            try socket.execute("up") { $0.changeLink(.index(index), up) }
            for text in ["10.9.0.1/24", "fd00:9::1/64"] {
                let address = CIDR(text)!
                try socket.execute("address") { $0.addAddress(address, to: index) }
                let found = try socket.addresses(of: index).first { $0.address == address }
                try require(found?.isUsable == true, "\(text): \(found as Any)")
                let family = address.family
                let route = Route(
                    to: CIDR(family == .v4 ? "10.10.0.0/16" : "fd00:10::/32")!, via: address.first.advanced(by: 9)!,
                    interface: index, table: 1000, priority: 77, mtu: 1350, advmss: 1200)
                try socket.execute("route") { $0.addRoute(route) }
                try require(try socket.routes(family).contains(route), "\(try socket.routes(family))")
                try socket.execute("remove route") { $0.deleteRoute(route) }
                try require(try !socket.routes(family).contains(route), "the route is still there")
                let neighbour = Neighbour(address.first.advanced(by: 9)!, mac: mac, interface: index)
                try socket.execute("neighbour") { $0.setNeighbour(neighbour) }
                try require(try socket.neighbours().contains(neighbour), "\(try socket.neighbours())")
                try socket.execute("remove neighbour") { $0.deleteNeighbour(neighbour) }
                try require(try !socket.neighbours().contains(neighbour), "the neighbour is still there")
                try socket.execute("remove address") { $0.deleteAddress(address, from: index) }
                try require(try !socket.addresses(of: index).contains { $0.address == address }, "still there")
            }
        }
    }

    @Test func errorsCarryTheKernelsOwnWordsAndTheTagOfTheChangeThatFailed() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket()
            var changes = Changes()
            changes.append("first", as: ChangeTag(1)) { $0.changeLink(.index(1), LinkChange()) }
            changes.append("a route nowhere", as: ChangeTag(2)) {
                $0.addRoute(Route(to: CIDR("10.1.0.0/16")!, via: IPAddress("10.2.0.1")!, interface: 1))
            }
            changes.append("a link that is missing") { $0.changeLink(.name("nosuch"), LinkChange()) }
            var up = LinkChange()
            up.isUp = true
            changes.append("lo up") { $0.changeLink(.index(1), up) }
            do {
                try socket.execute(changes)
                throw UnexpectedState("no error")
            } catch let error as Failure {
                try require(error.message.hasPrefix("a route nowhere: "), "\(error)")
                try require(error.change == ChangeTag(2) && error.errno == .networkUnreachable, "\(error)")
                try require(error.message.split(separator: ":").count > 2, "no words of the kernel: \(error)")
            }
            try require(try socket.link(.index(1))?.isUp == true, "a later change was not tried")
            do {
                try socket.requireSupport(of: "nosuchkind")
                throw UnexpectedState("no error")
            } catch let error as Failure {
                try require(error.errno == .notSupported, "\(error)")
            }
            // A kind that has a least MTU, and one that has none.
            for kind in ["veth", "ifb"] {
                try socket.requireSupport(of: kind)
                try require(try socket.links(kind: kind).isEmpty, "asking made a link")
            }
        }
    }

    @Test func aListThatNeedsManyDatagramsIsWhole() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket()
            for number in 0..<150 {
                let mac = MACAddress(locallyAdministered: UInt64(number))
                try socket.execute("bridge") { $0.createBridge("b\(number)", mac: mac, mtu: nil, vlanFiltering: false) }
            }
            let names = Set(try socket.links(kind: "bridge").map(\.name))
            try require(names == Set((0..<150).map { "b\($0)" }), "\(names.count) of 150")
        }
    }

    @Test func removalReturnsWhenTheLinkIsGoneAndItsChildEnds() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket(linkNotifications: true)
            try socket.execute("veth") {
                $0.createVeth(VethEnd(name: "a"), peer: VethEnd(name: "b"), mtu: nil, master: nil)
            }
            let index = try socket.link(.name("a"))!.index
            try socket.removeLink(index, named: "a", sentBy: .child)
            try require(try socket.link(.name("a")) == nil, "a is still there")
            try require(try socket.link(.name("b")) == nil, "its peer is still there")
            // The sender is still in the kernel, or has just ended; it must not stay.
            var status: Int32 = 0
            let child = waitpid(-1, &status, 0)
            try require(child > 0 || errno == ECHILD, "the child did not end")
            // Somebody else may be faster.
            try socket.removeLink(index, named: "a", sentBy: .child)
        }
    }

    @Test func whatTheKernelRefusesToRemoveIsAnError() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket(linkNotifications: true)
            do {
                try socket.removeLink(1, named: "lo", sentBy: .child)
                throw UnexpectedState("lo was removed")
            } catch let error as Failure {
                try require(error.errno == .notSupported, "\(error)")
            }
        }
    }
}
