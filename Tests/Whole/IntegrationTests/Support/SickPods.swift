import ContainerRuntime
import Foundation

/// Faults of reservations, of pods' links, and of who is thought to be where.
extension SickNode {
    static let reservations: [SickNode] = [
        SickNode("a pod's reservations are deleted", "cut-off", "10.44.0.2, fd00:44::2") {
            for address in ["10.44.0.2", "fd00:44::2"] {
                try FileManager.default.removeItem(atPath: $0.file(address))
            }
        },
        SickNode("the reservation of one family is deleted", "cut-off", "another pod may get it: fd00:44::2") {
            try FileManager.default.removeItem(atPath: $0.file("fd00:44::2"))
        },
        SickNode("a reservation is empty", "cut-off", "another pod may get it: 10.44.0.2") {
            try $0.node.reserve("10.44.0.2", "")
        },
        SickNode("a reservation is garbage", "cut-off", "another pod may get it: 10.44.0.2") {
            try $0.node.reserve("10.44.0.2", "\u{0}\u{1}garbage")
        },
        SickNode("a reservation names somebody else", "cut-off", "reserved for net/somebody/eth0") {
            try $0.node.reserve("10.44.0.2", "somebody\r\neth0")
        },
        SickNode("a reservation names another pod", "cut-off", "reserved for net/") {
            try $0.node.reserve("10.44.0.2", "\($0.pods[1].id)\r\neth0")
        },
        SickNode("a pod has ended without DEL", "leftovers", "namespace is gone", cutsOff: false, endsPod: true) {
            try $0.end($0.pods[0])
        },
    ]

    static let podLinks: [SickNode] = [
        SickNode("hairpin mode is off", "bridge-port", "hairpin mode", everything, hostPorts: true) {
            try $0.node.set("link", "set", $0.veth(of: $0.pods[0]), "type", "bridge_slave", "hairpin", "off")
        },
        SickNode("a port is isolated", "bridge-port", "isolation") {
            try $0.node.set("link", "set", $0.veth(of: $0.pods[0]), "type", "bridge_slave", "isolated", "on")
        },
        SickNode("a port is blocked", "bridge-port", "not forwarding") {
            try $0.node.set("link", "set", $0.veth(of: $0.pods[0]), "type", "bridge_slave", "state", "1")
        },
        SickNode("the limit towards a pod is gone", "limits", "10000000 bit/s", everything, endsPod: true) {
            try $0.node.exec("tc", "qdisc", "del", "dev", $0.veth(of: $0.pods[0]), "root")
        } mend: {
            try $0.attachAnew($0.pods[0])
        },
        SickNode("the limit of what a pod sends is gone", "limits", "what the pod sends", everything, endsPod: true) {
            try $0.node.exec("tc", "qdisc", "del", "dev", $0.veth(of: $0.pods[0]), "ingress")
        } mend: {
            try $0.attachAnew($0.pods[0])
        },
        SickNode("an ifb is deleted", "limits", "what the pod sends", everything, endsPod: true) { scene in
            let ifb = try scene.node.links().first { $0["linkinfo"]?["info_kind"] == "ifb" }?["ifname"]?.string
            try scene.node.set("link", "del", ifb ?? "")
        } mend: {
            for pod in $0.pods { try $0.attachAnew(pod) }
        },
        SickNode(
            "a pod has another address", "pod-address", "which has 10.44.0.99 instead", besides: ["pod-route"]
        ) {
            try $0.pods[0].set("addr", "del", "10.44.0.2/24", "dev", "eth0")
            try $0.pods[0].set("addr", "add", "10.44.0.99/24", "dev", "eth0")
        },
        SickNode("a pod has taken another's address", "duplicate-address", "several pods use it") {
            try $0.pods[1].set("addr", "add", "10.44.0.2/24", "dev", "eth0")
        },
        SickNode("a pod has no default route", "pod-route", "missing") {
            try $0.pods[0].set("route", "del", "default")
        },
        SickNode("a pod has no IPv6 default route", "pod-route", "missing") {
            try $0.pods[0].set("-6", "route", "del", "default")
        },
        SickNode("a pod's default route leads to nobody", "pod-route", "10.44.0.77") {
            try $0.pods[0].set("route", "replace", "default", "via", "10.44.0.77")
        },
        SickNode("a pod's MTU is larger than its port's", "mtu", "MTU") {
            try $0.pods[0].set("link", "set", "eth0", "mtu", "9000")
        },
        SickNode("the uplink is narrower than pods", "mtu", "1280", cutsOff: false) {
            try $0.node.set("link", "set", "uplink", "mtu", "1280")
        } mend: {
            try $0.node.set("link", "set", "uplink", "mtu", "1500")
        },
        SickNode("a pod's interface is down", "port-down", "is down in the pod", besides: ["pod-route"]) {
            try $0.pods[0].set("link", "set", "eth0", "down")
        } mend: {
            try $0.restoreRoutes(of: $0.pods[0])
        },
        SickNode("the node's end of a veth is down", "port-down", "is down") {
            try $0.node.set("link", "set", $0.veth(of: $0.pods[0]), "down")
        },
        SickNode("a veth is out of its bridge", "port-down", "not a port of any bridge") {
            try $0.node.set("link", "set", $0.veth(of: $0.pods[0]), "nomaster")
        },
        SickNode("a veth is in another bridge", "port-down", "a port of br9") {
            let veth = try $0.veth(of: $0.pods[0])
            try $0.node.set("link", "add", "br9", "type", "bridge")
            try $0.node.set("link", "set", "br9", "up")
            try $0.node.set("link", "set", veth, "master", "br9")
        },
        SickNode("the bridge is down", "bridge-down", "it is down", besides: ["gateway-missing", "pod-route"]) {
            try $0.node.set("link", "set", "cbr0", "down")
        },
    ]

    static let neighbours: [SickNode] = [
        SickNode("the node has a wrong permanent neighbour", "wrong-mac", "the entry is permanent") {
            try $0.node.set(
                "neigh", "replace", "10.44.0.2", "lladdr", "02:00:00:00:00:01", "dev", "cbr0", "nud", "permanent")
        },
        SickNode("the node has a wrong permanent IPv6 neighbour", "wrong-mac", "the entry is permanent") {
            try $0.node.set(
                "-6", "neigh", "replace", "fd00:44::2", "lladdr", "02:00:00:00:00:01", "dev", "cbr0", "nud", "permanent"
            )
        },
        SickNode("the node has learned a wrong neighbour", "wrong-mac", "the node sends to 02:00:00:00:00:01") {
            // As if somebody answered for it again and again.
            try $0.node.setSysctl("ipv4/neigh/cbr0/base_reachable_time_ms", "3600000")
            try $0.node.set(
                "neigh", "replace", "10.44.0.2", "lladdr", "02:00:00:00:00:01", "dev", "cbr0", "nud", "reachable")
        },
        SickNode("a pod has a wrong permanent neighbour", "wrong-mac", "the pod sends to 02:00:00:00:00:01") {
            try $0.pods[0].set(
                "neigh", "replace", "10.44.0.1", "lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "permanent")
        },
        SickNode("the bridge has a wrong forwarding entry", "wrong-mac", "forwarding entry") {
            let mac = try $0.pods[0].link("eth0")?["address"]?.string ?? ""
            try $0.node.exec(
                "bridge", "fdb", "replace", mac, "dev", $0.veth(of: $0.pods[1]), "master", "static", "sticky")
        },
        SickNode("two pods have one MAC", "wrong-mac", "has it too", victim: 1) {
            let mac = try $0.pods[0].link("eth0")?["address"]?.string ?? ""
            try $0.pods[1].set("link", "set", "eth0", "address", mac)
        } mend: {
            // What others have learned is forgotten when somebody speaks.
            try $0.forgetNeighbours()
        },
        SickNode("ARP is off in a pod", "wrong-mac", "arp off") {
            try $0.pods[0].set("link", "set", "eth0", "arp", "off")
        },
        SickNode("ARP is off on the bridge", "wrong-mac", "arp off") {
            try $0.node.set("link", "set", "cbr0", "arp", "off")
        },
    ]
}

extension DoctorScene {
    /// What an operator does whom the advice tells to end the pod: its runtime attaches it again.
    func attachAnew(_ pod: Pod) throws {
        try runtime.del(list, pod.attachment)
        _ = try runtime.add(list, pod.attachment)
    }

    func restoreRoutes(of pod: Pod) throws {
        let answer = try examine()
        try type(answer.commands)
    }

    func forgetNeighbours() throws {
        try node.set("neigh", "flush", "dev", "cbr0")
        for pod in pods { try pod.set("neigh", "flush", "dev", "eth0") }
        try node.exec("ip", "link", "set", "cbr0", "type", "bridge", "fdb_flush")
    }
}
