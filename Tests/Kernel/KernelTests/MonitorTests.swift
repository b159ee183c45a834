import Addresses
import Foundation
import Kernel
import NetlinkCodec
import Posix
import TestSupport
import Testing

/// What is heard, as words to compare.
private func words(_ monitor: borrowing NetlinkMonitor) throws -> [String] {
    try monitor.events().map { event in
        switch event {
        case .link(let change, let link): "\(change) link \(link.name)"
        case .address(let change, let address): "\(change) address \(address.address)"
        case .route(let change, let route): "\(change) route \(route.destination)"
        case .neighbour(let change, let neighbour): "\(change) neighbour \(neighbour.address)"
        case .tunnelEntry(let change, let entry): "\(change) forwarding entry of \(entry.mac)"
        case .rule(let change, let rule): "\(change) rule \(rule.family) \(rule.table)"
        case .nexthop(let change, let nexthop): "\(change) nexthop \(nexthop.id) by \(nexthop.interface)"
        case .table(let change, let table): "\(change) table \(table)"
        case .chain(let change, let chain): "\(change) chain \(chain.chain.name) of \(chain.table)"
        case .filterRule(let change, let table, let rule): "\(change) rule of \(table) \(rule.chain)"
        case .set(let change, let table, let set): "\(change) set \(set.name) of \(table)"
        case .elements(let change, let table, let set, let list):
            "\(change) \(list.count) elements of \(table) \(set)"
        case .generation: "generation"
        case .other: "other"
        case .lost: "lost"
        }
    }
}

/// Whoever subscribes hears what is made and deleted, in order, and is told when something was lost.
@Suite struct MonitorTests {
    @Test func eachGroupIsHeardOfByThoseWhoSubscribeToItAlone() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket()
            try socket.execute("veth") {
                $0.createVeth(VethEnd(name: "d0"), peer: VethEnd(name: "d1"), mtu: nil, master: nil)
            }
            let index = try socket.link(.name("d0"))!.index
            let address = CIDR("10.1.0.1/24")!
            let links = try NetlinkMonitor(.links)
            let addresses = try NetlinkMonitor([.addressesIPv4, .addressesIPv6])
            let routes = try NetlinkMonitor([.routesIPv4])
            let neighbours = try NetlinkMonitor(.neighbours)
            let rules = try NetlinkMonitor([.rulesIPv4])
            let nexthops = try NetlinkMonitor(.nexthops)
            try require(try words(links).isEmpty, "something was heard before anything was done")
            var changes = Changes()
            var up = LinkChange()
            up.isUp = true
            changes.append("up") { $0.changeLink(.index(index), up) }
            changes.append("the other end up") { $0.changeLink(.name("d1"), up) }
            changes.append("address") { $0.addAddress(address, to: index) }
            changes.append("route") { $0.addRoute(Route(to: CIDR("10.2.0.0/16")!, interface: index)) }
            changes.append("neighbour") {
                $0.setNeighbour(
                    Neighbour(IPAddress("10.1.0.9")!, mac: MACAddress("02:00:00:00:00:09")!, interface: index))
            }
            changes.append("rule") { $0.addRule(RoutingRule(from: address.address, table: 100)) }
            changes.append("nexthop") { $0.addNexthop(7, interface: index) }
            changes.append("no nexthop") { $0.deleteNexthop(7) }
            changes.append("no address") { $0.deleteAddress(address, from: index) }
            changes.append("no link") { $0.deleteLink(.index(index)) }
            try socket.execute(changes)
            let heard = [
                try words(links), try words(addresses), try words(routes), try words(neighbours), try words(rules),
                try words(nexthops),
            ]
            try require(heard[0].first == "present link d0" && heard[0].contains("deleted link d0"), "\(heard[0])")
            let mine = heard[1].filter { $0.contains("10.1.0.1") }
            try require(mine == ["present address 10.1.0.1/24", "deleted address 10.1.0.1/24"], "\(heard[1])")
            try require(heard[2].contains("present route 10.2.0.0/16"), "\(heard[2])")
            try require(heard[3].contains("present neighbour 10.1.0.9"), "\(heard[3])")
            try require(heard[4] == ["present rule v4 100"], "\(heard[4])")
            try require(
                heard[5] == ["present nexthop 7 by \(index)", "deleted nexthop 7 by \(index)"], "\(heard[5])")
            for (number, kind) in ["link", "address", "route", "neighbour", "rule", "nexthop"].enumerated() {
                try require(heard[number].allSatisfy { $0.contains(kind) || $0 == "other" }, "\(heard[number])")
            }
        }
    }

    @Test func changesOfNftablesAreHeardWithTheGenerationThatTheyMake() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            let monitor = try NetlinkMonitor.ofNftables()
            var socket = try NetlinkSocket(.netfilter)
            let table = NftTable(.inet, "t")
            var changes = Changes.batch()
            changes.append("table") { $0.addTable(table) }
            changes.append("chain") { $0.addChain(NftChain("c"), to: table) }
            try socket.execute(changes)
            var undo = Changes.batch()
            undo.append("no table") { $0.deleteTable(table) }
            try socket.execute(undo)
            let heard = try words(monitor)
            try require(
                heard == [
                    "present table inet t", "present chain c of inet t", "generation", "deleted chain c of inet t",
                    "deleted table inet t", "generation",
                ], "\(heard)")
        }
    }

    @Test func aPortThatLeavesItsBridgeIsNoDeletedLink() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket()
            try socket.execute("bridge") {
                $0.createBridge("br0", mac: MACAddress("02:00:00:00:00:01")!, mtu: nil, vlanFiltering: false)
            }
            let bridge = try socket.link(.name("br0"))!.index
            try socket.execute("veth") {
                $0.createVeth(VethEnd(name: "a"), peer: VethEnd(name: "b"), mtu: nil, master: bridge)
            }
            let monitor = try NetlinkMonitor(.links)
            try socket.execute("no bridge") { $0.deleteLink(.index(bridge)) }
            let heard = try words(monitor)
            try require(heard.filter { $0.hasPrefix("deleted") } == ["deleted link br0"], "\(heard)")
        }
    }

    @Test func whoeverIsOverrunIsToldAndHearsOnAfterwards() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            let monitor = try NetlinkMonitor(.links)
            try monitor.setReceiveRoom(octets: 32768)
            var socket = try NetlinkSocket()
            try socket.execute("veth") {
                $0.createVeth(VethEnd(name: "d0"), peer: VethEnd(name: "d1"), mtu: nil, master: nil)
            }
            for number in 0..<100 {
                var change = LinkChange()
                change.alias = "\(number)"
                // Of a link that is down nobody hears.
                change.isUp = true
                try socket.execute("alias") { $0.changeLink(.name("d0"), change) }
            }
            var waiting = pollfd(fd: monitor.descriptor, events: Int16(POLLIN), revents: 0)
            try require(poll(&waiting, 1, 0) == 1, "an event loop would not have woken")
            try require(try words(monitor).filter { $0 == "lost" }.count == 1, "nobody said that something was lost")
            // The kernel may still tell of its carrier.
            try require(try !words(monitor).contains("lost"), "there is no end of it")
            try socket.execute("no veth") { $0.deleteLink(.name("d0")) }
            try require(try words(monitor).contains("deleted link d0"), "it hears nothing any more")
        }
    }
}
