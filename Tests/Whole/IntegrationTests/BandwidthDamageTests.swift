import ContainerRuntime
import Foundation
import Testing

/// Whatever somebody does to a pod's limits: CHECK sees it and says what, and DEL works all the same.
@Suite(.realKernel) struct BandwidthDamageTests {
    /// A shell script; `$veth` and `$ifb` are the two interfaces. CHECK has to say the words.
    struct Damage: Sendable, CustomTestStringConvertible {
        let script: String
        let words: String

        init(_ script: String, _ words: String) {
            self.script = script
            self.words = words
        }

        var testDescription: String { script }
    }

    /// What can be done to the bucket of either interface.
    static let ofBuckets = ["veth", "ifb"].flatMap { name in
        let bucket = "dev $\(name) root tbf"
        return [
            Damage("tc qdisc del dev $\(name) root", "has no token bucket"),
            Damage("tc qdisc replace dev $\(name) root pfifo limit 100", "has no token bucket"),
            Damage("tc qdisc replace \(bucket) rate 51mbit burst 125000 limit 281250", "doesn't match"),
            Damage("tc qdisc replace \(bucket) rate 50mbit burst 130000 limit 281250", "doesn't match"),
            Damage("tc qdisc replace \(bucket) rate 50mbit burst 125000 limit 281251", "doesn't match"),
            Damage(
                "tc qdisc replace \(bucket) rate 50mbit burst 125000 limit 281250 peakrate 60mbit mtu 2000",
                "doesn't match"),
        ]
    }

    static let filter = "tc filter add dev $veth parent ffff: protocol"
    static let all = "u32 match u32 0 0 action mirred egress"

    static let ofTheWay = [
        Damage("tc qdisc del dev $veth ingress", "no ingress queueing discipline"),
        Damage("tc filter del dev $veth ingress", "no filter of"),
        Damage("tc filter del dev $veth ingress; \(filter) ip prio 1 \(all) redirect dev $ifb", "no filter of"),
        Damage("tc filter del dev $veth ingress; \(filter) all prio 1 \(all) mirror dev $ifb", "no filter of"),
        Damage("tc filter del dev $veth ingress; \(filter) all prio 1 \(all) redirect dev cbr0", "no filter of"),
        Damage(
            "tc filter del dev $veth ingress; \(filter) all prio 1 u32 match ip dst 10.0.0.0/8 action mirred egress redirect dev $ifb",
            "no filter of"),
        Damage("\(filter) all prio 1 handle ::1 u32 match ip dst 10.0.0.0/8 flowid 1:1", "no filter of"),
        Damage("ip link set $ifb down", "is down"),
        Damage("ip link del $ifb", "of kind ifb is missing"),
        Damage("ip link set $ifb down; ip link set $ifb name other up", "of kind ifb is missing"),
        Damage("ip link set $ifb alias 'swiftlet net/another/eth0'", "of kind ifb is missing"),
    ]

    /// Now in one way, now in the other.
    @Test(arguments: (ofBuckets + ofTheWay).enumerated().map { ($0.isMultiple(of: 2) ? LimitedBy.alone : .chain, $1) })
    func checkSaysWhatIsWrong(_ way: LimitedBy, _ damage: Damage) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try way.network(node, limits(megabits: 50))
        _ = try node.runtime().add(list, pod.attachment)
        try node.runtime().check(list, pod.attachment)
        try node.shell(
            "veth=$1 ifb=$2; set -e; \(damage.script)", node.onlyLink("veth"), node.onlyLink("ifb"))
        let before = try node.shaping()
        let error = try failure { try node.runtime().check(list, pod.attachment) }
        #expect(error.code == 104 && error.msg.contains(damage.words), "\(error)")
        #expect(try node.shaping() == before)
        try node.runtime().del(list, pod.attachment)
        #expect(try node.veths() == [])
    }

    /// Nothing of it is the pod's to undo.
    @Test func thePodCannotHelpItself() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try LimitedBy.alone.network(node, limits(megabits: 50))
        _ = try node.runtime().add(list, pod.attachment)
        try pod.exec("tc", "qdisc", "replace", "dev", "eth0", "root", "pfifo", "limit", "1000")
        try pod.exec("tc", "qdisc", "add", "dev", "eth0", "ingress")
        try pod.set("link", "set", "eth0", "gso_max_size", "65536")
        try node.runtime().check(list, pod.attachment)
        #expect(try node.shaping().count == 4)
    }
}
