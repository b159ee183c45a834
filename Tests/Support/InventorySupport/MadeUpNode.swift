import Addresses
import Attachments
import IPAM
import Inventory
import Netfilter
import NetlinkCodec
import Plugins
import Posix

/// A made-up node: one network on `cbr0`, with pods connected by veths.
package struct MadeUpNode {
    package var seen = Observations()
    package static let now = 1_795_000_000

    package init(subnet: String = "10.44.0.0/24") {
        seen.node = "node-1"
        seen.time = Self.now
        var bridge = Interface(index: 3, name: "cbr0", kind: "bridge")
        bridge.alias = "swiftlet bridge"
        bridge.addresses = [CIDR("10.44.0.1/24")!]
        var uplink = Interface(index: 2, name: "eth0")
        uplink.addresses = [CIDR("192.168.7.10/24")!]
        seen.interfaces = [Interface(index: 1, name: "lo"), uplink, bridge]
        seen.routes = [NodeRoute(to: CIDR("0.0.0.0/0")!, via: IPAddress("192.168.7.1")!, interface: "eth0")]
        let ranges = try! [RangeSet([Pool(subnet: CIDR(subnet)!)])]
        let network = ConfiguredNetwork(
            name: "pods", plugins: ["swiftlet"], bridge: "cbr0", dataDirectory: "/var/lib/cni/networks", ranges: ranges)
        seen.configured = [SeenConfiguration(network, path: "/etc/cni/net.d/10-pods.conflist")]
        seen.stores = [SeenStore(network: "pods", directory: "/var/lib/cni/networks/pods", reservations: [])]
    }

    package static func id(_ number: Int, network: String = "pods") -> AttachmentName {
        AttachmentName(network: network, containerID: "container-\(number)", ifname: "eth0")
    }

    package static func address(_ number: Int) -> IPAddress { IPAddress(.v4, 0x0a2c_0001 + UInt128(number)) }

    /// Adds what an ADD leaves of the pod with this number, from 1.
    package mutating func attach(_ number: Int, record: PodRules? = nil) {
        var veth = Interface(index: 100 + UInt32(number), name: "veth\(number)", kind: "veth")
        veth.alias = "swiftlet \(Self.id(number))"
        veth.master = 3
        veth.peer = 2
        veth.peerNamespaceID = Int32(number)
        veth.mtu = 1500
        seen.interfaces.append(veth)
        var inside = Interface(index: 2, name: "eth0", kind: "veth")
        inside.addresses = [CIDR(Self.address(number), 24)]
        inside.mtu = 1500
        inside.peer = veth.index
        inside.peerNamespaceID = 0
        inside.counters = LinkCounters()
        inside.counters?.receivedOctets = 1_234_567
        seen.namespaces.append(
            SeenNamespace(
                Namespace(path: "/run/netns/pod-\(number)", inode: 5000 + UInt64(number), id: Int32(number)),
                interfaces: [Interface(index: 1, name: "lo"), inside], nodeID: 0))
        reserve(number)
        if let record { note(number, record, isAlive: true) }
    }

    package mutating func reserve(_ number: Int, ago seconds: Int = 60, isOfEarlierBoot: Bool = false) {
        let owner = Self.id(number).attachment
        let old = seen.stores[0]
        seen.stores[0] = SeenStore(
            network: old.network, directory: old.directory,
            reservations: old.reservations + [
                ListedReservation(
                    Reservation(unit: .host(Self.address(number)), owner: owner),
                    time: Timestamp(seconds: Self.now - seconds, nanoseconds: 0), isOfEarlierBoot: isOfEarlierBoot)
            ])
    }

    package mutating func note(_ number: Int, _ rules: PodRules, isAlive: Bool) {
        seen.records.append(
            RecordedRules(
                owner: RulesOwner(Self.id(number), plugin: "swiftlet"), rules: rules,
                namespacePath: "/run/netns/pod-\(number)", isNamespaceAlive: isAlive,
                time: Timestamp(seconds: Self.now - 60, nanoseconds: 0)))
    }

    /// Removes the pod's namespace, and with it both ends of its veth.
    package mutating func end(_ number: Int) {
        seen.namespaces.removeAll { $0.namespace.id == Int32(number) }
        seen.interfaces.removeAll { $0.name == "veth\(number)" }
    }

    package var snapshot: Snapshot { Snapshot(seen) }
}

package let masquerade = PodRules(masquerade: Masquerade(sources: [CIDR("10.44.0.0/24")!], exceptions: []))
