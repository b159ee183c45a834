import ContainerRuntime
import Foundation
import TestSupport
import Testing

/// `host-device`: a device of the node goes into the pod, and comes back as it was called.
@Suite(.realKernel) struct HostDeviceTests {
    static let mac = "02:00:00:00:0d:01"

    /// A node with a device, `dev0`, whose cable leads to a host outside.
    final class Scene: Sendable {
        let node: Node
        let host: Pod

        init() throws {
            node = try Node()
            host = try node.pod()
            try node.set(
                "link", "add", "dev0", "address", mac, "type", "veth", "peer", "name", "eth0", "netns", host.netns)
            try host.setSysctl("ipv6/conf/eth0/accept_dad", "0")
            try host.set("addr", "add", "192.0.2.2/24", "dev", "eth0")
            try host.set("addr", "add", "2001:db8::2/64", "dev", "eth0", "nodad")
            try host.set("link", "set", "eth0", "up")
        }

        func network(
            _ keys: [String: JSONValue] = ["device": "dev0"], ipam: [String: JSONValue]? = Outside.neighbours,
            name: String = "net", version: String = "1.1.0"
        ) throws -> NetworkList {
            try node.network(node.plugin("host-device", keys, ipam: ipam), name: name, version: version)
        }
    }

    @Test(arguments: [#"{"device":"dev0"}"#, #"{"hwaddr":"02:00:00:00:0D:01"}"#])
    func theDeviceGoesIntoThePodAndComesBack(_ selector: String) throws {
        let scene = try Scene()
        let (node, pod) = (scene.node, try scene.node.pod())
        let list = try scene.network(JSONValue(parsing: selector).object ?? [:])
        try node.runtime().status(list)
        let before = try Snapshot(node, [pod]).withoutStore
        let result = try node.runtime().add(list, pod.attachment).result
        #expect(try node.link("dev0") == nil)
        #expect(try pod.link("eth0")?["ifalias"] == "dev0")
        #expect(result.interface("eth0")?["mac"]?.string == Self.mac && result.interface("eth0")?["mtu"] == 1500)
        #expect(result.interface("eth0")?["sandbox"]?.string == pod.path)
        #expect(result["ips"]?.array?.map { $0["interface"]?.integer } == [0, 0])
        try expectConnected(pod, "2001:db8::100", scene.host, "2001:db8::2")
        try expectConnected(pod, "192.0.2.100", scene.host, "192.0.2.2")
        try node.runtime().check(list, pod.attachment)
        // A pod that has it does not make the node unfit.
        try node.runtime().status(list)
        try expectRefused(list, node.pod(), code: 7, "failed to find host device")
        try node.runtime().del(list, pod.attachment)
        expectSame(try Snapshot(node, [pod]).withoutStore, as: before)
        try node.runtime().del(list, pod.attachment)
        expectSame(try Snapshot(node, [pod]).withoutStore, as: before)
    }

    /// A device that a program in the pod drives itself is no link: the result says all that there is to know, as the reference's does.
    @Test(arguments: ["vfio-pci", "uio_pci_generic", "igb_uio"], ["static", "host-local", nil])
    func aDeviceOfDPDKIsNamedInTheResult(_ driver: String, _ ipamType: String?) throws {
        let node = try Node()
        let pod = try node.pod()
        let script = """
            mount -t tmpfs none /sys/bus && mkdir -p /sys/bus/pci/devices/0000:00:1f.6 /sys/bus/pci/drivers/"$0" &&
                ln -s /sys/bus/pci/drivers/"$0" /sys/bus/pci/devices/0000:00:1f.6/driver && exec "$@"
            """
        let wrapper = ["unshare", "--mount", "sh", "-c", script, driver]
        let ipam: [String: JSONValue]? =
            switch ipamType {
            case "static":
                [
                    "type": "static", "routes": [["dst": "198.51.100.0/24"]],
                    "addresses": [["address": "10.44.0.7/24", "gateway": "10.44.0.1"], ["address": "fd00:44::7/64"]],
                ]
            case nil: nil
            default: ["subnet": "10.44.0.0/24"]
            }
        let list = try node.network(node.plugin("host-device", ["pciBusID": "0000:00:1f.6"], ipam: ipam))
        let before = try Snapshot(node, [pod]).withoutStore
        let ours = node.runtime(wrapper: wrapper)
        let result = try ours.add(list, pod.attachment).result
        #expect(result["interfaces"] == [["name": "eth0", "sandbox": .string(pod.path)]], "\(result.text)")
        #expect(
            (result["ips"]?.array ?? []).map { $0["interface"] }
                == Array(repeating: 0, count: ipam == nil ? 0 : ipamType == "static" ? 2 : 1))
        try ours.check(list, pod.attachment)
        try ours.del(list, pod.attachment)
        expectSame(try Snapshot(node, [pod]).withoutStore, as: before)

        let second = try node.pod()
        let reference = try node.runtime(path: [referencePlugins], wrapper: wrapper).add(list, second.attachment).result
        #expect(reference["interfaces"]?[0]?["name"] == "eth0", "\(reference.text)")
        #expect(reference["ips"]?.array?.map { $0["interface"] } == result["ips"]?.array?.map { $0["interface"] })
        // Ours always has `dns`.
        #expect(Set((reference.object ?? [:]).keys) == Set((result.object ?? [:]).keys).subtracting(["dns"]))
    }

    /// What the configuration asks for must be in the result, if there is no interface to look at.
    @Test func checkOfADeviceOfDPDKComparesTheResult() throws {
        let node = try Node()
        let pod = try node.pod()
        let wrapper = [
            "unshare", "--mount", "sh", "-c",
            #"mount -t tmpfs none /sys/bus && mkdir -p /sys/bus/pci/devices/a && ln -s vfio-pci /sys/bus/pci/devices/a/driver && exec "$@""#,
            "sh",
        ]
        func list(_ address: String) throws -> NetworkList {
            let ipam: [String: JSONValue] = ["type": "static", "addresses": [["address": .string(address)]]]
            return try node.network(node.plugin("host-device", ["pciBusID": "a"], ipam: ipam))
        }
        let runtime = node.runtime(wrapper: wrapper)
        _ = try runtime.add(list("10.44.0.7/24"), pod.attachment)
        try runtime.check(list("10.44.0.7/24"), pod.attachment)
        let error = try failure { try runtime.check(list("10.44.0.8/24"), pod.attachment) }
        #expect(error.code == 104 && error.msg.contains("Failed to match addr 10.44.0.8/24"), "\(error)")
    }

    @Test(arguments: everyVersion.suffix(4)) func layer2OnlyIsAnInterfaceThatIsUp(_ version: String) throws {
        let scene = try Scene()
        let (node, pod) = (scene.node, try scene.node.pod())
        let list = try scene.network(ipam: nil, version: version)
        let result = try node.runtime().add(list, pod.attachment).result
        #expect(result["interfaces"]?.array?.count == 1 && result["ips"] == nil)
        #expect(try pod.isUp("eth0"))
        if version >= "0.4.0" { try node.runtime().check(list, pod.attachment) }
        try node.runtime().del(list, pod.attachment)
        #expect(try node.link("dev0") != nil)
    }

    @Test func aDeviceThatTheKernelBroughtBackGetsItsNameBack() throws {
        for (keys, current) in [
            (["device": "dev0"], "eth0"), (["hwaddr": .string(Self.mac)], "eth0"),
            (["hwaddr": .string(Self.mac)], "dev"),
        ] as [([String: JSONValue], String)] {
            let scene = try Scene()
            let node = scene.node
            let pod = try node.pod()
            let list = try scene.network(keys)
            let before = try Snapshot(node).withoutStore
            _ = try node.runtime().add(list, pod.attachment)
            // So a physical device would come back when the pod's namespace ends; a veth would not.
            let index = try #require(try pod.link("eth0")?["ifindex"]?.integer)
            let name = current == "dev" ? "dev\(index)" : current
            try pod.set("link", "set", "eth0", "down")
            try pod.set("link", "set", "eth0", "netns", node.path, "name", name)
            try pod.end()
            try node.runtime().del(list, pod.attachment)
            expectSame(try Snapshot(node).withoutStore, as: before, "\(keys)")
        }
    }

    @Test func aDeviceWhosePodEndedWithoutDelIsFoundByTheNext() throws {
        for keys in [["device": "dev0"], ["hwaddr": .string(Self.mac)]] as [[String: JSONValue]] {
            let scene = try Scene()
            let node = scene.node
            let (pod, next) = (try node.pod(), try node.pod())
            let list = try scene.network(keys)
            _ = try node.runtime().add(list, pod.attachment)
            try pod.set("link", "set", "eth0", "down")
            try pod.set("link", "set", "eth0", "netns", node.path)
            try pod.end()
            _ = try node.runtime().add(list, next.attachment)
            #expect(try next.link("eth0")?["ifalias"] == "dev0")
            try node.runtime().del(list, next.attachment)
            #expect(try node.link("dev0") != nil)
        }
    }

    @Test func gcRestoresTheNameAndFreesTheAddress() throws {
        let scene = try Scene()
        let (node, pod) = (scene.node, try scene.node.pod())
        let list = try scene.network()
        let before = try Snapshot(node).withoutStore
        _ = try node.runtime().add(list, pod.attachment)
        try node.runtime().gc(list, valid: [pod.valid])
        try node.runtime().check(list, pod.attachment)
        try pod.set("link", "set", "eth0", "down")
        try pod.set("link", "set", "eth0", "netns", node.path)
        try pod.end()
        try node.runtime().gc(list, valid: [])
        expectSame(try Snapshot(node).withoutStore, as: before)
    }

    @Test func anAliasThatSomebodyElseGaveIsNoName() throws {
        for (keys, name) in [(["hwaddr": .string(Self.mac)], "dev0"), (["device": "dev1"], "dev0")]
            as [([String: JSONValue], String)]
        {
            let scene = try Scene()
            let (node, pod) = (scene.node, try scene.node.pod())
            try node.set("link", "set", name, "alias", "dmz")
            let list = try scene.network(keys)
            let before = try Snapshot(node).withoutStore
            try node.runtime().del(list, pod.attachment)
            try node.runtime().gc(list, valid: [])
            expectSame(try Snapshot(node).withoutStore, as: before)
        }
    }

    @Test func aLinkWhoseAliasIsTheDevicesNameIsLeftAlone() throws {
        let scene = try Scene()
        let (node, pod) = (scene.node, try scene.node.pod())
        try node.set("link", "add", "lan", "type", "bridge")
        try node.set("link", "set", "lan", "up", "alias", "dev0")
        let list = try scene.network()
        _ = try node.runtime().add(list, pod.attachment)
        #expect(try node.isUp("lan"))
        #expect(try pod.link("eth0")?["address"]?.string == Self.mac)
        try node.runtime().del(list, pod.attachment)
        #expect(try node.isUp("lan") && node.link("dev0") != nil)
    }

    @Test func aNameThatIsTakenOnTheNodeKeepsTheDeviceInThePod() throws {
        let scene = try Scene()
        let (node, pod) = (scene.node, try scene.node.pod())
        let list = try scene.network()
        _ = try node.runtime().add(list, pod.attachment)
        try node.set("link", "add", "dev0", "type", "veth", "peer", "name", "other")
        let error = try failure { try node.runtime().del(list, pod.attachment) }
        #expect(error.code == 103 && error.msg.contains("move eth0 back to the node as dev0"), "\(error)")
        // What can be done is done.
        #expect(try node.reservations() == [])
        #expect(try pod.link("eth0")?["ifalias"] == "dev0")
        try node.set("link", "del", "dev0")
        try node.runtime().del(list, pod.attachment)
        #expect(try node.link("dev0")?["address"]?.string == Self.mac)
    }

    @Test func anotherNetworksDeviceStaysInThePod() throws {
        let scene = try Scene()
        let (node, pod) = (scene.node, try scene.node.pod())
        try node.set("link", "add", "dev1", "type", "veth", "peer", "name", "other")
        let list = try scene.network()
        _ = try node.runtime().add(list, pod.attachment)
        let other = try scene.network(["device": "dev1"], ipam: nil, name: "other")
        try expectRefused(other, pod, code: 103, "already exists")
        try node.runtime().del(other, pod.attachment)
        try node.runtime().check(list, pod.attachment)
    }

    @Test func aConfigurationThatHasChangedSinceDoesNotKeepTheDevice() throws {
        let scene = try Scene()
        let (node, pod) = (scene.node, try scene.node.pod())
        _ = try node.runtime().add(scene.network(), pod.attachment)
        try node.runtime().del(scene.network(["device": "dev1"]), pod.attachment)
        #expect(try node.link("dev0")?["address"]?.string == Self.mac)
        #expect(try isUntouched(pod))
    }

    @Test func anAddThatFailsBringsTheDeviceBack() throws {
        for route in [#"{"dst":"10.9.0.0/16","gw":"172.31.0.1"}"#] {
            let scene = try Scene()
            let ipam = Outside.neighbours.merging(["routes": [try JSONValue(parsing: route)]]) { $1 }
            try expectRefused(scene.network(ipam: ipam), scene.node.pod(), code: 100, "add route")
        }
    }

    @Test(arguments: [
        (#"{}"#, 7, #"specify either "device", "hwaddr", "kernelpath" or "pciBusID""#),
        (#"{"device":"nosuch"}"#, 7, "failed to find host device: nosuch"), (#"{"device":7}"#, 6, "device"),
        (#"{"hwaddr":"02:00:00:00:0d:99"}"#, 7, "failed to find host device: MAC 02:00:00:00:0d:99"),
        (#"{"hwaddr":"zz"}"#, 7, #"failed to parse MAC address "zz""#),
        (#"{"kernelpath":"/sys/class/net"}"#, 7, "must be absolute and begin with /sys/devices/"),
        (#"{"kernelpath":"/sys/devices/../class"}"#, 7, "must be absolute and begin with /sys/devices/"),
        (#"{"kernelpath":"/sys/devices/nosuch"}"#, 7, "failed to find host device: /sys/devices/nosuch"),
        (#"{"pciBusID":"../../x"}"#, 7, "is not the address of a device"),
        (#"{"pciBusID":"ffff:ff:1f.7"}"#, 7, "failed to find host device"),
        (#"{"device":"lo"}"#, 100, "move lo to"),
    ])
    func aWrongConfigurationIsNamedAndNothingIsLeft(_ keys: String, _ code: Int, _ text: String) throws {
        let scene = try Scene()
        let pod = try scene.node.pod()
        let list = try scene.network(JSONValue(parsing: keys).object ?? [:])
        try expectRefused(list, pod, code: code, text)
        // DEL needs nothing of it.
        try scene.node.runtime().del(list, pod.attachment)
    }

    @Test func aDeviceThatTheRuntimeHasChosenComesFirst() throws {
        let scene = try Scene()
        let pod = try scene.node.pod()
        let list = try scene.network(["device": "dev0", "capabilities": ["deviceID": true]])
        try expectRefused(
            list, pod, attachment: pod.with(capabilities: ["deviceID": "ffff:ff:1f.7"]), code: 7,
            "runtime config DeviceID ffff:ff:1f.7 not found or unsupported")
        // Runtimes do not repeat it for DEL.
        _ = try scene.node.runtime().add(list, pod.attachment)
        try scene.node.runtime().del(list, pod.attachment)
        #expect(try scene.node.link("dev0") != nil)
    }

    @Test func aPlaceInSysfsLeadsToTheDeviceThere() throws {
        let scene = try Scene()
        let (node, pod) = (scene.node, try scene.node.pod())
        // Of this node, not of the machine.
        let runtime = node.runtime(wrapper: [
            "unshare", "--mount", "sh", "-c", #"mount -t sysfs none /sys && exec "$@""#, "sh",
        ])
        let list = try scene.network(["kernelpath": "/sys/devices/virtual"])
        let before = try Snapshot(node, [pod]).withoutStore
        _ = try runtime.add(list, pod.attachment)
        #expect(try pod.link("eth0")?["address"]?.string == Self.mac)
        try runtime.check(list, pod.attachment)
        try runtime.del(list, pod.attachment)
        expectSame(try Snapshot(node, [pod]).withoutStore, as: before)
    }

    @Test func checkFindsAnotherDevice() throws {
        let damages: [CheckTests.Damage] = [
            .init("it is missing", "interface eth0 is missing") { try $1.set("link", "del", "eth0") },
            .init("it is down", "is down") { try $1.set("link", "set", "eth0", "down") },
            .init("its address is missing", "address 192.0.2.100/24 is missing") {
                try $1.set("addr", "del", "192.0.2.100/24", "dev", "eth0")
            },
            .init("its route is missing", "route") { try $1.set("route", "del", "default") },
            .init("its MAC is another", "has MAC") {
                try $1.set("link", "set", "eth0", "address", "02:00:00:00:00:99")
            },
            .init("its name on the node is lost", "is not the device asked for: dev0") {
                try $1.set("link", "set", "eth0", "alias", "dev9")
            },
        ]
        for damage in damages {
            let scene = try Scene()
            try CheckTests.expectFound(
                damage, of: scene.node.pod(), on: scene.node, scene.network())
        }
    }
}
