import Addresses
import CNI
import JSON
import Testing

/// What a version can carry of a result: written down here a second time, after the table of conversions of libcni.
private func carried(_ result: CNIResult, by version: SpecVersion) -> CNIResult {
    var kept = result
    if version < .v1_0_0 {
        for index in kept.interfaces.indices {
            kept.interfaces[index].mtu = nil
            kept.interfaces[index].socketPath = nil
            kept.interfaces[index].pciID = nil
        }
    }
    if version < .v0_3_0 {
        kept.interfaces = []
        kept.ips = []
        kept.routes = []
        for family in IPFamily.allCases {
            guard var first = result.ips.first(where: { $0.address.family == family }) else { continue }
            first.interface = nil
            kept.ips.append(first)
            kept.routes += result.routes.filter { $0.destination.family == family }
                .map { CNIResult.Route(destination: $0.destination, gateway: $0.gateway) }
        }
    }
    return kept
}

private func read(_ json: JSON) throws -> CNIResult { try CNIResult(JSONReader(json)) }

@Suite struct ResultTests {
    @Test(arguments: SpecVersion.allCases, SpecVersion.allCases)
    func everyVersionIsConvertedToEveryOther(_ from: SpecVersion, _ to: SpecVersion) throws {
        let first = try read(CNIResult.example.json(version: from))
        #expect(first == carried(.example, by: from))
        let second = try read(first.json(version: to))
        #expect(second == carried(carried(.example, by: from), by: to))
        // Nothing gets lost a second time.
        #expect(try second.json(version: to) == first.json(version: to))
    }

    static let dns: JSON = [
        "nameservers": ["10.1.0.53"], "domain": "example.org", "search": ["a.example.org"], "options": ["ndots:5"],
    ]

    @Test(arguments: [SpecVersion.v1_0_0, .v1_1_0])
    func aResultOf1xHasEverything(_ version: SpecVersion) throws {
        #expect(
            try CNIResult.example.json(version: version) == [
                "cniVersion": .string(version.rawValue),
                "interfaces": [
                    ["name": "cni0", "mac": "02:00:00:00:00:10", "mtu": 1500],
                    [
                        "name": "eth0", "mac": "02:00:00:00:00:21", "mtu": 1400, "sandbox": "/run/netns/pod-1",
                        "socketPath": "/run/s", "pciID": "0000:00:1f.6",
                    ],
                ],
                "ips": [
                    ["interface": 1, "address": "10.1.0.5/16", "gateway": "10.1.0.1"], ["address": "10.2.0.5/16"],
                    ["interface": 1, "address": "fd00::5/64", "gateway": "fd00::1"],
                ],
                "routes": [
                    ["dst": "0.0.0.0/0", "gw": "10.1.0.1"],
                    [
                        "dst": "::/0", "gw": "fd00::1", "mtu": 1400, "advmss": 1340, "priority": 100, "table": 1000,
                        "scope": 0,
                    ],
                    ["dst": "192.168.0.0/16"],
                ], "dns": ResultTests.dns,
            ])
    }

    @Test(arguments: [SpecVersion.v0_3_0, .v0_3_1, .v0_4_0])
    func aResultOf03And04HasTheFamilyOfAddressesAndNoNewerFieldsOfInterfaces(_ version: SpecVersion) throws {
        #expect(
            try CNIResult.example.json(version: version) == [
                "cniVersion": .string(version.rawValue),
                "interfaces": [
                    ["name": "cni0", "mac": "02:00:00:00:00:10"],
                    ["name": "eth0", "mac": "02:00:00:00:00:21", "sandbox": "/run/netns/pod-1"],
                ],
                "ips": [
                    ["version": "4", "interface": 1, "address": "10.1.0.5/16", "gateway": "10.1.0.1"],
                    ["version": "4", "address": "10.2.0.5/16"],
                    ["version": "6", "interface": 1, "address": "fd00::5/64", "gateway": "fd00::1"],
                ],
                "routes": [
                    ["dst": "0.0.0.0/0", "gw": "10.1.0.1"],
                    [
                        "dst": "::/0", "gw": "fd00::1", "mtu": 1400, "advmss": 1340, "priority": 100, "table": 1000,
                        "scope": 0,
                    ],
                    ["dst": "192.168.0.0/16"],
                ], "dns": ResultTests.dns,
            ])
    }

    @Test(arguments: [SpecVersion.v0_1_0, .v0_2_0])
    func aResultOf01And02HasTheFirstAddressOfEachFamily(_ version: SpecVersion) throws {
        #expect(
            try CNIResult.example.json(version: version) == [
                "cniVersion": .string(version.rawValue),
                "ip4": [
                    "ip": "10.1.0.5/16", "gateway": "10.1.0.1",
                    "routes": [["dst": "0.0.0.0/0", "gw": "10.1.0.1"], ["dst": "192.168.0.0/16"]],
                ],
                "ip6": ["ip": "fd00::5/64", "gateway": "fd00::1", "routes": [["dst": "::/0", "gw": "fd00::1"]]],
                "dns": ResultTests.dns,
            ])
    }

    @Test(arguments: SpecVersion.allCases)
    func anEmptyResultIsWrittenExceptWhereTheVersionNeedsAnAddress(_ version: SpecVersion) throws {
        guard version >= .v0_3_0 else {
            let error = #expect(throws: CNIError.self) { try CNIResult().json(version: version) }
            #expect(error?.code == .incompatibleVersion)
            return
        }
        var expected: JSON = ["cniVersion": .string(version.rawValue), "routes": [], "dns": [:]]
        if version >= .v1_0_0 { expected = ["cniVersion": .string(version.rawValue), "dns": [:]] }
        #expect(try CNIResult().json(version: version) == expected)
    }

    /// An IPAM plugin's result: no interfaces, and addresses that belong to none.
    @Test(arguments: SpecVersion.allCases)
    func anAbbreviatedResultHasNoInterfaces(_ version: SpecVersion) throws {
        let result = CNIResult(ips: [.init(address: CIDR("10.1.0.5/16")!)])
        let text = String(decoding: try result.json(version: version).serialized(), as: UTF8.self)
        #expect(!text.contains("interface"))
        #expect(try read(result.json(version: version)) == result)
    }

    @Test func aResultWithoutAVersionIsReadAs010OrAsAssumed() throws {
        let legacy: JSON = ["ip4": ["ip": "10.1.0.5/16"]]
        #expect(try read(legacy).ips == [.init(address: CIDR("10.1.0.5/16")!)])
        let modern: JSON = ["ips": [["address": "10.1.0.5/16"]]]
        #expect(try CNIResult(JSONReader(modern), assuming: .v1_0_0).ips.count == 1)
        #expect(try read(modern).ips.isEmpty)
    }

    @Test func aResultOfAnUnknownVersionIsCode1() {
        let error = #expect(throws: CNIError.self) { try read(["cniVersion": "9.9.9"]) }
        #expect(error?.code == .incompatibleVersion)
    }

    @Test func emptyTextsCountAsAbsentAsInGo() throws {
        let result = try read([
            "cniVersion": "1.0.0",
            "interfaces": [["name": "eth0", "mac": "", "sandbox": "", "socketPath": "", "pciID": "", "mtu": nil]],
            "ips": [["address": "10.1.0.5/16", "gateway": "", "interface": nil]],
            "routes": [["dst": "10.0.0.0/8", "gw": ""]], "dns": ["domain": "", "search": nil],
        ])
        #expect(result.interfaces == [.init(name: "eth0")])
        #expect(result.ips == [.init(address: CIDR("10.1.0.5/16")!)])
        #expect(result.routes == [.init(destination: CIDR("10.0.0.0/8")!)])
        #expect(result.dns.isEmpty)
        let legacy = try read(["cniVersion": "0.2.0", "ip4": ["ip": "10.1.0.5/16", "gateway": ""]])
        #expect(legacy.ips == result.ips)
    }

    @Test func unknownFieldsAreIgnoredAndNullsAreAbsent() throws {
        #expect(
            try read(["cniVersion": "1.1.0", "new": 1, "ips": nil, "routes": nil, "dns": nil, "interfaces": nil])
                == CNIResult())
    }

    @Test(arguments: [0, 3, -1, 4_294_967_296] as [Int64])
    func anIndexOfAnInterfaceThatIsNotThereSaysNothing(_ index: Int64) throws {
        let result = try read([
            "cniVersion": "1.1.0", "ips": [["address": "10.1.0.5/16", "interface": .integer(index)]],
        ])
        #expect(result.ips == [.init(address: CIDR("10.1.0.5/16")!)])
    }

    @Test func addressesWrittenAsMappedToIPv6AreIPv4() throws {
        let result = try read([
            "cniVersion": "1.1.0", "ips": [["address": "::ffff:10.1.0.5/112", "gateway": "::ffff:10.1.0.1"]],
            "routes": [["dst": "::ffff:0:0/96", "gw": "::ffff:a01:1"]],
        ])
        #expect(result.ips == [.init(address: CIDR("10.1.0.5/16")!, gateway: IPAddress("10.1.0.1")!)])
        #expect(result.routes == [.init(destination: CIDR("0.0.0.0/0")!, gateway: IPAddress("10.1.0.1")!)])
    }

    static let wrong: [(JSON, CNIError.Code, String)] = [
        (["interfaces": 1], .decodingFailure, "interfaces must be an array"),
        (["interfaces": [1]], .decodingFailure, "interfaces[0] must be an object"),
        (["interfaces": [["mac": "x"]]], .invalidConfiguration, "interfaces[0].name is missing"),
        (["interfaces": [["name": "a", "mtu": -1]]], .invalidConfiguration, "interfaces[0].mtu must be from 0"),
        (["ips": [[:]]], .invalidConfiguration, "ips[0].address is missing"),
        (["ips": [["address": "10.1.0.5"]]], .invalidConfiguration, "ips[0].address must be an address with prefix"),
        (["ips": [["address": "10.1.0.5/33"]]], .invalidConfiguration, "ips[0].address must be an address with prefix"),
        (["ips": [["address": "10.1.0.5/16", "gateway": "x"]]], .invalidConfiguration, "ips[0].gateway must be an IP"),
        (["ips": [["address": "10.1.0.5/16", "interface": "0"]]], .decodingFailure, "ips[0].interface must be"),
        (["routes": [["dst": "10.0.0.0"]]], .invalidConfiguration, "routes[0].dst must be an address with prefix"),
        (
            ["routes": [["dst": "10.0.0.0/8", "table": 4_294_967_296]]], .invalidConfiguration,
            "routes[0].table must be"
        ),
        (["dns": ["search": "x"]], .decodingFailure, "dns.search must be an array"),
    ]

    @Test(arguments: wrong)
    func aResultThatCannotBeReadSaysWhere(_ fields: JSON, _ code: CNIError.Code, _ message: String) {
        guard case .object(var object) = fields else {
            Issue.record("\(fields) is no object")
            return
        }
        object["cniVersion"] = "1.1.0"
        let error = #expect(throws: CNIError.self) { try read(.object(object)) }
        #expect(error?.code == code)
        #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")")
    }
}
