import ContainerRuntime
import Testing

/// `static` hands out what it is told to, by itself and behind `bridge`, and its CHECK looks.
@Suite(.realKernel) struct StaticTests {
    func plugin(_ ipam: [String: JSONValue], type: String = "bridge") -> JSONValue {
        .object([
            "type": .string(type), "ipam": .object(["type": "static"].merging(ipam) { _, own in own }),
            "capabilities": ["ips": true],
        ])
    }

    static let addresses: JSONValue = [
        ["address": "10.44.0.7/24", "gateway": "10.44.0.1"], ["address": "fd00:44::7/64", "gateway": ""],
    ]

    @Test(arguments: everyVersion) func theResultIsTheReferencesInEveryVersion(_ version: String) throws {
        let node = try Node()
        let list = try node.network(
            plugin(
                [
                    "addresses": Self.addresses,
                    "routes": [["dst": "0.0.0.0/0"], ["dst": "::/0", "gw": "fd00:44::9"]],
                    "dns": ["nameservers": ["10.44.0.53"], "search": ["cluster.local"]],
                ], type: "static"), version: version)
        let attachment = PodAttachment(containerID: "a", netns: "/run/netns/none")
        let ours = try node.runtime().add(list, attachment).result
        #expect(ours.addresses == ["10.44.0.7/24", "fd00:44::7/64"])
        #expect(ours["dns"]?["nameservers"] == ["10.44.0.53"])
        if Requirements.referenceVersions.contains(version) {
            #expect(ours == (try node.runtime(path: [Requirements.referenceBin]).add(list, attachment).result))
        }
        try node.runtime().del(list, attachment)
    }

    @Test func behindBridgeThePodHasTheAddressAndCheckSeesItGone() throws {
        let node = try Node()
        let pods = try node.pods(2)
        let lists = try (7...8).map {
            let address: JSONValue = [
                ["address": .string("10.44.0.\($0)/24")], ["address": .string("fd00:44::\($0)/64")],
            ]
            return try node.network(plugin(["addresses": address]))
        }
        for (pod, list) in zip(pods, lists) { _ = try node.runtime().add(list, pod.attachment) }
        try expectConnected(pods[0], "10.44.0.7", pods[1], "10.44.0.8")
        try expectConnected(pods[0], "fd00:44::7", pods[1], "fd00:44::8")
        try node.runtime().check(lists[0], pods[0].attachment)
        try node.runtime().status(lists[0])
        try pods[0].set("addr", "del", "fd00:44::7/64", "dev", "eth0")
        let error = try failure { try node.runtime().check(lists[0], pods[0].attachment) }
        #expect(error.code == 104)
        #expect(error.msg.contains("static: Failed to match addr fd00:44::7/64 on interface eth0"))
        // Configured otherwise than it was.
        let other = try node.network(plugin(["addresses": [["address": "10.44.0.8/24", "gateway": "10.44.0.1"]]]))
        #expect(try failure { try node.runtime().check(other, pods[1].attachment) }.msg.contains("prevResult lacks it"))
        try node.runtime().gc(lists[0], valid: [pods[1].valid])
        try node.runtime().del(lists[0], pods[0].attachment)
        try pods[1].end()
        try node.runtime().del(lists[1], pods[1].attachment)
        #expect(try node.veths() == [])
    }

    /// The gateway that the configuration leaves out is filled in by the plugin that `static` serves.
    @Test(arguments: ["isGateway", "isDefaultGateway", "ptp"])
    func checkPassesRightAfterAddWithoutAGateway(_ arrangement: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let ipam: JSONValue = [
            "type": "static", "addresses": [["address": "10.44.0.7/24"], ["address": "fd00:44::7/64"]],
        ]
        let plugin: JSONValue =
            arrangement == "ptp"
            ? ["type": "ptp", "ipam": ipam] : ["type": "bridge", arrangement: true, "ipam": ipam]
        let list = try node.network(plugin)
        _ = try node.runtime().add(list, pod.attachment)
        try node.runtime().check(list, pod.attachment)
        try node.runtime().del(list, pod.attachment)
        #expect(try node.veths() == [])
    }

    @Test func theRuntimeAddsToTheListOrTakesItsPlace() throws {
        let node = try Node()
        let pod = try node.pod()
        func addresses(
            _ ipam: [String: JSONValue] = ["addresses": [["address": "10.44.0.7/24"]]],
            args: [(String, String)] = [], cni: JSONValue? = nil, ips: JSONValue? = nil
        ) throws -> [String] {
            var object = plugin(ipam, type: "static").object ?? [:]
            if let cni { object["args"] = ["cni": ["ips": cni]] }
            let attachment = pod.with(args: args, capabilities: ips.map { ["ips": $0] } ?? [:])
            let result = try node.runtime().add(node.network(.object(object)), attachment).result
            return (result["ips"]?.array ?? []).map {
                "\($0["address"]?.string ?? "")\($0["gateway"]?.string.map { " by \($0)" } ?? "")"
            }
        }
        #expect(
            try addresses(args: [("IP", "10.45.0.9/24, fd00::9/64"), ("GATEWAY", "10.45.0.1,10.44.0.1")])
                == ["10.44.0.7/24 by 10.44.0.1", "10.45.0.9/24 by 10.45.0.1", "fd00::9/64"])
        #expect(try addresses(args: [("IP", "10.45.0.9/24")], cni: ["10.46.0.9/24"]) == ["10.46.0.9/24"])
        #expect(
            try addresses(cni: ["10.46.0.9/24"], ips: ["10.47.0.9/24", "fd00::9/64"]) == ["10.47.0.9/24", "fd00::9/64"])
        #expect(
            try addresses([:], args: [("GATEWAY", "10.47.0.1")], ips: ["10.47.0.9/24"]) == ["10.47.0.9/24 by 10.47.0.1"]
        )
        #expect(try addresses([:]) == [])
    }

    @Test(arguments: [
        (
            #"{"addresses":[{"address":"10.44.0.7"}]}"#, 7,
            "the 'address' field is expected to be in CIDR notation, got: '10.44.0.7'"
        ),
        (#"{"addresses":[{"gateway":"10.44.0.1"}]}"#, 7, "ipam.addresses[0].address is missing"),
        (#"{"addresses":[{"address":"10.44.0.7/24","gateway":"x"}]}"#, 7, "ipam.addresses[0].gateway"),
        (#"{"addresses":[{"address":"10.44.0.7/24","gateway":"fd00::1"}]}"#, 7, "invalid gateway address: fd00::1"),
        (#"{"addresses":[{"address":"10.44.0.7/24"},{"address":"10.44.0.7/16"}]}"#, 7, "10.44.0.7 is listed twice"),
        (#"{"addresses":{}}"#, 6, "ipam.addresses must be an array"),
        (#"{"dns":{"nameservers":"10.44.0.53"}}"#, 6, "ipam.dns.nameservers"),
    ]) func whatMakesNoSenseIsNamed(_ ipam: String, _ code: Int, _ text: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(plugin(try JSONValue(parsing: ipam).object ?? [:], type: "static"))
        for attempt in [{ _ = try node.runtime().add(list, pod.attachment) }, { try node.runtime().status(list) }] {
            let error = try failure(attempt)
            #expect(error.code == code)
            #expect(error.msg.contains(text), "\(error)")
        }
        try node.runtime().del(list, pod.attachment)
    }

    @Test(arguments: [
        ("IP", "10.44.0.7", "the 'ip' field is expected to be in CIDR notation, got: '10.44.0.7'"),
        ("GATEWAY", "10.44.0", "invalid gateway address: 10.44.0"),
    ]) func argumentsAreReadStrictly(_ key: String, _ value: String, _ text: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(plugin(["addresses": Self.addresses], type: "static"))
        let error = try failure { _ = try node.runtime().add(list, pod.with(args: [(key, value)])) }
        #expect(error.msg.contains(text), "\(error)")
        let capability = pod.with(capabilities: ["ips": ["10.44.0.7"]])
        #expect(
            try failure { _ = try node.runtime().add(list, capability) }.msg.contains(
                "an entry in the 'ips' field is NOT in CIDR notation, got: '10.44.0.7'"))
    }
}
