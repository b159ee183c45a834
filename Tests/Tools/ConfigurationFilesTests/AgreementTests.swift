import CNI
import ConfigurationFiles
import Foundation
import JSON
import Plugins
import Posix
import Synchronization
import TestSupport
import TestSupport
import Testing

/// What a plugin refuses is an error here, in its words, and what it takes is none.
@Suite struct AgreementTests {
    /// A block of each plugin with as many keys as go together, and junk to put in their place.
    static let blocks: [String] = [
        """
        {"type": "swiftlet", "bridge": "br7", "ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.5", "rangeEnd":
        "10.1.0.9", "gateway": "10.1.0.1"}], [{"subnet": "fd00::/64"}]], "routes": [{"dst": "0.0.0.0/0", "mtu": 1400}],
        "mtu": 1400, "vlan": 5, "ipMasq": true, "nonMasqueradeCIDRs": ["10.0.0.0/8"], "antiSpoof": true, "snat": false,
        "conditionsV4": ["ip saddr 10.0.0.0/8"], "markMasqBit": 3, "ingressRate": 8000, "ingressBurst": 8000,
        "ingressPolicy": "isolated", "dns": {"nameservers": ["10.1.0.1"]}, "gsoIPv4MaxSize": 100000}
        """,
        """
        {"type": "bridge", "bridge": "br7", "isGateway": true, "isDefaultGateway": false, "forceAddress": true, "mtu": 1500,
        "hairpinMode": true, "promiscMode": false, "vlan": 5, "vlanTrunk": [{"minID": 5, "maxID": 7}, {"id": 9}],
        "preserveDefaultVlan": true, "macspoofchk": true, "ipMasq": true, "ipMasqBackend": "nftables", "enabledad": true,
        "portIsolation": true, "args": {"cni": {"mac": "02:00:00:00:00:01"}}, "ipam": {"type": "host-local",
        "subnet": "10.1.0.0/24", "rangeStart": "10.1.0.5", "dataDir": "/none", "resolvConf": "/etc/resolv.conf",
        "ranges": [[{"subnet": "10.2.0.0/24"}, {"subnet": "10.3.0.0/24"}]], "routes": [{"dst": "10.0.0.0/8", "gw": "10.1.0.1"}]}}
        """,
        #"{"type": "bridge", "disableContainerInterface": true, "hairpinMode": true}"#,
        """
        {"type": "ptp", "ipMasq": true, "mtu": 1400, "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24",
        "gateway": "10.1.0.1"}, {"address": "fd00::5/64"}], "routes": [{"dst": "::/0"}], "dns": {"search": ["x"]}}}
        """,
        #"{"type": "macvlan", "master": "eth9", "mode": "vepa", "mtu": 1400, "mac": "02:00:00:00:00:01", "linkInContainer": true, "bcqueuelen": 5}"#,
        #"{"type": "ipvlan", "master": "eth9", "mode": "l3s", "mtu": 0, "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24"}]}}"#,
        #"{"type": "vlan", "master": "eth9", "vlanId": 7, "mtu": 1400, "linkInContainer": false}"#,
        #"{"type": "tap", "multiQueue": true, "mtu": 1400, "owner": 5, "group": 6, "bridge": "br7", "selinuxContext": ""}"#,
        #"{"type": "host-device", "device": "eth9", "hwaddr": "02:00:00:00:00:01", "kernelpath": "/sys/devices/x", "pciBusID": "0000:00:99.0"}"#,
        #"{"type": "dummy", "ipam": {"type": "host-local", "subnet": "10.1.0.0/24", "dataDir": "/none"}}"#,
        """
        {"type": "macvlan", "ipam": {"type": "dhcp", "daemonSocketPath": "/none", "provide": [{"option": "host-name",
        "value": "x", "fromArg": "K8S_POD_NAME"}], "request": [{"option": "3", "skipDefault": true}], "priority": 5,
        "suppress": ["gateway"]}}
        """,
        #"{"type": "portmap", "snat": true, "masqAll": true, "conditionsV4": ["ip", "daddr", "10.0.0.1"], "conditionsV6": [], "markMasqBit": 5, "backend": "nftables"}"#,
        #"{"type": "firewall", "ingressPolicy": "open", "backend": "iptables", "iptablesAdminChainName": "X", "firewalldZone": "trusted"}"#,
        #"{"type": "bandwidth", "ingressRate": 8000, "ingressBurst": 8000, "egressRate": 8000, "egressBurst": 8000}"#,
        #"{"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}, "mac": "02:00:00:00:00:01", "promisc": true, "mtu": 1400, "allmulti": true, "txQLen": 5, "dataDir": "/none"}"#,
        #"{"type": "sbr", "table": 100, "gateways": ["10.1.0.1", "fd00::1"], "addSourceHints": true}"#,
        #"{"type": "vrf", "vrfname": "red", "table": 100}"#,
        #"{"type": "loopback"}"#,
    ]

    static let junk: [JSON] = [
        nil, true, 0, 1, -1, 4095, 65536, 1_000_000_000_000, .real(1.5), "", "x", "10.1.0.0/24", "10.1.0.7/24",
        "10.1.0.300",
        "fd00::/64", "::1", "eth0", "a/b", "isolated", "l2", "static", "host-local", "net.core.somaxconn", [], ["x"],
        [[]],
        [["subnet": "10.9.0.0/30"]], [[["subnet": "10.1.0.0/16"]]], [:], ["subnet": "10.1.0.0/24"], ["x": 1],
        [["id": 5000]],
    ]

    @Test(arguments: blocks)
    func pluginAndValidatorAgree(_ text: String) throws {
        let block = try JSON(parsing: Array(text.utf8))
        try expectAgreement(block, mustBeTaken: true)
        var random = SplitMix64(seed: 7)
        var refused = 0
        let rounds = 80
        for _ in 0..<rounds {
            var changed = block
            for _ in 0...Int.random(in: 0..<3, using: &random) { changed.mutate(&random, Self.junk) }
            if try expectAgreement(changed) { refused += 1 }
        }
        // Both verdicts have been seen.
        let keys = block.object?.members.count ?? 0
        #expect(keys <= 1 || (refused > 5 && refused < rounds))
    }

    /// Those that fuzzing begins with: as people and other programs write them.
    static let corpus: [JSON] = {
        let directory = "\(repository.path)/Tests/Whole/FuzzTests/Corpora/configuration"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.sorted().compactMap { name in
            FileManager.default.contents(atPath: "\(directory)/\(name)").flatMap { try? JSON(parsing: Array($0)) }
        }.filter { $0.object?["type"] != nil }
    }()

    @Test func theyAgreeOnWhatPeopleWrite() throws {
        #expect(Self.corpus.count > 20)
        for block in Self.corpus { try expectAgreement(block) }
    }

    /// - Returns: whether it is refused.
    @discardableResult
    private func expectAgreement(_ block: JSON, mustBeTaken: Bool = false) throws -> Bool {
        guard case .object(let object) = block, case .string(let type) = object["type"] ?? nil,
            let plugin = PluginDescription.of(type)
        else { return false }
        let refusals = refusals(object, plugin)
        let behind = plugin.role == .chained
        let list: JSON = [
            "cniVersion": "1.1.0", "name": "net",
            "plugins": .array((behind ? [["type": "bridge"]] : []) + [block]),
        ]
        let report = Validator(binDirectory: nil).check(list.serialized(), file: "net.conflist")
        let errors = report.findings.filter {
            $0.severity == .error && $0.path.hasPrefix("plugins[\(behind ? 1 : 0)]")
                && !$0.message.contains("hands out no addresses")
        }
        let document = String(decoding: block.serialized(pretty: false), as: UTF8.self)
        #expect(
            refusals.isEmpty == errors.isEmpty,
            "\(document): the plugin says \(refusals.map(\.message)), the validator \(errors.map(\.message))")
        for refusal in refusals {
            #expect(
                errors.contains { $0.message.hasSuffix(refusal.message) },
                "\(document): the plugin says \(refusal.message), the validator \(errors.map(\.message))")
        }
        if mustBeTaken { #expect(refusals.map(\.message) == [], "\(document)") }
        return !refusals.isEmpty
    }

    /// What the plugin, and the one it gets addresses from, say of the configuration before they touch anything.
    private func refusals(_ object: JSON.Object, _ plugin: PluginDescription) -> [Failure] {
        var object = object
        object["cniVersion"] = "1.1.0"
        object["name"] = "net"
        // One that is chained reads it before it looks at what is there.
        if plugin.role == .chained {
            object["prevResult"] = [
                "cniVersion": "1.1.0", "interfaces": [["name": "eth0", "sandbox": "/none"]],
                "ips": [["address": "10.1.0.5/24", "interface": 0]],
            ]
        }
        let input = JSON.object(object).serialized()
        // ADD opens the pod's namespace before anything else, but what only hands out addresses needs none.
        let commands: [PluginTraits.Role: String] = [.chained: "CHECK", .addresses: "STATUS"]
        let own = refusal(plugin.type, commands[plugin.role] ?? "ADD", input)
        guard own == nil, case .object(let ipam) = object["ipam"] ?? nil, case .string(let type) = ipam["type"] ?? nil,
            PluginDescription.of(type)?.role == .addresses
        else { return own.map { [$0] } ?? [] }
        return refusal(type, "STATUS", input).map { [$0] } ?? []
    }

    /// The error of a call for a pod that is not there; nil where the plugin has nothing against the configuration.
    private func refusal(_ type: String, _ command: String, _ input: [UInt8]) -> Failure? {
        let output = Mutex<[UInt8]>([])
        let environment = Environment([
            "CNI_COMMAND=\(command)", "CNI_CONTAINERID=none", "CNI_NETNS=/none/netns", "CNI_IFNAME=eth0",
            "CNI_PATH=/none",
        ])
        let status = Dispatcher(Registry.plugins).run(
            as: type, environment,
            Dispatcher.Streams(
                read: { input }, write: { text in output.withLock { $0 = text } }, log: { _ in }))
        guard status != 0, let error = try? JSON(parsing: output.withLock { $0 }), let failure = Failure(error),
            [.incompatibleVersion, .unsupportedField, .decodingFailure, .invalidConfiguration].contains(failure.code),
            // Of the pod, or of what another plugin has made, and not of the configuration.
            !["needs a bridge", "failed to find host device", "Link not found", "the pod has no such address"].contains(
                where: failure.message.contains)
        else { return nil }
        return failure
    }
}

extension JSON {
    fileprivate var object: Object? {
        guard case .object(let object) = self else { return nil }
        return object
    }

    /// Changes one thing somewhere below: a value, a key, or whether it is there.
    fileprivate mutating func mutate(_ random: inout SplitMix64, _ junk: [JSON]) {
        switch self {
        case .object(var object):
            // What is above and below must be a plugin of that type still.
            let members = object.members.filter { $0.key != "type" }
            guard let member = members.randomElement(using: &random) else { return }
            switch Int.random(in: 0..<8, using: &random) {
            case 0: object[member.key] = nil
            case 1: object[member.key + "x"] = member.value
            case 2...5:
                var value = member.value
                value.mutate(&random, junk)
                object[member.key] = value
            default: object[member.key] = junk.randomElement(using: &random)!
            }
            self = .object(object)
        case .array(var elements) where !elements.isEmpty:
            let index = Int.random(in: 0..<elements.count, using: &random)
            elements[index].mutate(&random, junk)
            self = .array(elements)
        default: self = junk.randomElement(using: &random)!
        }
    }
}
