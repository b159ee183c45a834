import Addresses
import Attachments
import CNI
import NetlinkCodec
import Testing

@testable import Plugins

/// What a network wants of its gateways is worked out without a node.
@Suite struct GatewayPlanTests {
    private static func settings(_ keys: String) throws -> BridgeSettings {
        let text = #"{"cniVersion": "1.1.0", "name": "net", "type": "bridge"\#(keys)}"#
        let request = try Request(reading: Configuration(Array(text.utf8)), for: .add) { _ in }
        return try BridgeSettings(request, Bridge.defaults)
    }

    private static func result(_ addresses: [String], gateways: [String?] = []) -> CNIResult {
        CNIResult(
            ips: addresses.enumerated().map { position, address in
                let gateway = gateways.indices.contains(position) ? gateways[position] : nil
                return .init(address: CIDR(address)!, gateway: gateway.flatMap { IPAddress($0) })
            })
    }

    private static let pod = result(["10.1.0.5/24", "fd00:1::5/64", "10.1.0.6/24"])

    @Test func aNetworkThatIsNoGatewayWantsNothingAndLeavesTheResultAlone() throws {
        let plan = try GatewayPlan(Self.pod, Self.settings(""))
        #expect(plan.addresses.isEmpty && plan.result == Self.pod)
        #expect(try plan.changes(to: [CIDR("10.9.0.1/24")!]).isEmpty)
    }

    @Test func aGatewayIsTheFirstAddressOfTheSubnetUnlessTheResultNamesOne() throws {
        let plan = try GatewayPlan(
            Self.result(["10.1.0.5/24", "fd00:1::5/64"], gateways: ["10.1.0.254"]),
            Self.settings(#", "isGateway": true"#))
        #expect(plan.addresses.map(\.description) == ["10.1.0.254/24", "fd00:1::1/64"])
        #expect(plan.result.ips.map { $0.gateway?.description } == ["10.1.0.254", "fd00:1::1"])
        #expect(plan.result.routes.isEmpty)
    }

    @Test func aDefaultGatewayGetsOneRouteForEachFamilyThatHasNone() throws {
        var pod = Self.pod
        pod.routes = [.init(destination: CIDR("::/0")!, gateway: IPAddress("fd00:1::9"))]
        let plan = try GatewayPlan(pod, Self.settings(#", "isDefaultGateway": true"#))
        let routes = plan.result.routes.map { "\($0.destination) \($0.gateway!)" }
        #expect(routes == ["::/0 fd00:1::9", "0.0.0.0/0 10.1.0.1"])
        #expect(plan.addresses.map(\.description) == ["10.1.0.1/24", "fd00:1::1/64"])
    }

    /// CHECK works out from ADD's result what ADD has set up.
    @Test(arguments: [
        "", #", "isGateway": true"#, #", "isDefaultGateway": true, "vlan": 7"#,
        #", "isDefaultGateway": true, "gsoIPv6MaxSize": 131072"#,
    ])
    func aPlanOfWhatAPlanHasCompletedIsTheSame(_ keys: String) throws {
        let settings = try Self.settings(keys)
        let plan = try GatewayPlan(Self.pod, settings)
        let again = try GatewayPlan(plan.result, settings)
        #expect(again.result == plan.result && again.addresses == plan.addresses)
    }

    @Test func theGatewaysOfAVLANAreOnAnInterfaceOfItsOwnWhoseNameTheKernelTakes() throws {
        let plan = try GatewayPlan(Self.pod, Self.settings(#", "isGateway": true, "vlan": 100"#))
        #expect(plan.interface == "cni0.100")
        let long = try Self.settings(#", "isGateway": true, "vlan": 100, "bridge": "a-long-name0""#)
        let error = #expect(throws: CNIError.self) { try GatewayPlan(Self.pod, long) }
        #expect(error?.code == .invalidConfiguration)
        // Without addresses there is no such interface.
        #expect(try GatewayPlan(CNIResult(), long).addresses.isEmpty)
    }

    @Test func anMTUBelowIPv6sLeastIsRefusedWithAnIPv6Address() throws {
        let settings = try Self.settings(#", "mtu": 1279"#)
        let error = #expect(throws: CNIError.self) { try GatewayPlan(Self.pod, settings) }
        #expect(error?.code == .invalidConfiguration)
        #expect(try GatewayPlan(Self.result(["10.1.0.5/24"]), settings).addresses.isEmpty)
    }

    /// Every subset of a handful of addresses that a bridge may have: its own, neighbours', link-local ones.
    @Test(arguments: [false, true])
    func whatIsMissingIsAddedAndWhatIsInTheWayGoesOnlyIfThatIsAllowed(_ isForced: Bool) throws {
        let plan = try GatewayPlan(
            Self.pod, Self.settings(#", "isGateway": true, "forceAddress": \#(isForced)"#))
        let own = plan.addresses
        let inTheWay = ["10.1.0.9/24", "192.0.2.1/30", "fd00:1::9/64"].map { CIDR($0)! }
        let others = ["fd00:2::1/64", "fe80::1/64", "169.254.1.1/16"].map { CIDR($0)! }
        let everything = own + inTheWay + others
        for subset in 0..<(1 << everything.count) {
            let present = everything.indices.filter { subset >> $0 & 1 == 1 }.map { everything[$0] }
            let missing = own.filter { !present.contains($0) }
            let conflicts = inTheWay.filter { other in
                present.contains(other) && missing.contains { $0.family == other.family }
            }
            guard conflicts.isEmpty || isForced else {
                let error = #expect(throws: CNIError.self) { try plan.changes(to: present) }
                #expect(error?.code == .conflict, "\(present)")
                continue
            }
            let changes = try plan.changes(to: present)
            #expect(changes.added == missing && Set(changes.removed) == Set(conflicts), "\(present)")
            #expect(changes.isEmpty == missing.isEmpty && changes.removed.count == conflicts.count, "\(present)")
            // Once made, there is nothing left to do.
            let after = present.filter { !changes.removed.contains($0) } + changes.added
            #expect(try plan.changes(to: after).isEmpty, "\(present)")
        }
    }

    /// A VLAN's gateway is on an interface of its own, which the result names behind those that every pod has.
    @Test func theResultNamesTheInterfaceThatCarriesTheGateway() throws {
        func link(_ name: String, _ index: UInt8) throws -> Link {
            var builder = MessageBuilder()
            builder.createBridge(
                name, mac: MACAddress(locallyAdministered: UInt64(index)), mtu: 1400, vlanFiltering: false)
            // ifi_index, behind the 16 octets of struct nlmsghdr (linux/netlink.h).
            var octets = builder.bytes
            octets[16 + 4] = index
            return try #require(Message.parse(octets[...])?.first.flatMap { Link($0) })
        }
        let (bridge, gateway) = (try link("br0", 7), try link("br0.100", 9))
        let owner = AttachmentName(network: "net", containerID: "c", ifname: "eth0")
        let veth = VethPair(owner, mac: nil, mtu: 1400, Self.pod)
        for (carrier, names) in [
            (bridge, ["br0", owner.hostName, "eth0"]), (gateway, ["br0", owner.hostName, "eth0", "br0.100"]),
        ] {
            var result = Self.pod
            result.describe(bridge, veth, in: "/run/netns/c", carrier)
            #expect(result.interfaces.map(\.name) == names && result.ips.allSatisfy { $0.interface == 2 })
            #expect(result.interfaces.filter { $0.sandbox != nil }.map(\.name) == ["eth0"])
            #expect(result.interfaces.last?.mtu == 1400 && result.interfaces.allSatisfy { $0.mac != nil })
        }
    }
}
