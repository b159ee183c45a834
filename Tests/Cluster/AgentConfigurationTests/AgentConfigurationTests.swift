import Addresses
import AgentConfiguration
import NodeNetwork
import NodeRoutes
import Posix
import Testing

private func read(_ yaml: String) throws -> AgentConfiguration {
    try AgentConfiguration(yaml: yaml, hostName: "host")
}

private func refusal(_ yaml: String) -> String {
    do throws(Failure) {
        _ = try AgentConfiguration(yaml: yaml, hostName: "host")
        return "accepted"
    } catch { return "\(error)" }
}

/// Each key means what its documentation says, and what is wrong is told with its line.
@Suite struct AgentConfigurationTests {
    @Test func ofKubernetesOnlyTheRangesAreNeeded() throws {
        let configuration = try read("ranges: [{cidr: 10.244.0.0/16}, {cidr: \"fd00:244::/48\"}]")
        guard case .kubernetes(let kubernetes) = configuration.engine else {
            return #expect(Bool(false), "another engine")
        }
        #expect(kubernetes.kubeconfig == nil && kubernetes.servers.isEmpty)
        #expect(configuration.ranges.map { $0.nodePrefix } == [24, 64])
        #expect(configuration.ways.node == "host" && configuration.network == "pods")
        #expect(configuration.ways.routes.mode == .auto && configuration.ways.tunnelPort == 4789)
        #expect(configuration.ways.routes.clusterRanges == [CIDR("10.244.0.0/16")!, CIDR("fd00:244::/48")!])
        #expect(configuration.file.path == "/etc/cni/net.d/05-swiftlet.conflist")
        #expect(configuration.listen?.port == 9483)
    }

    @Test func everyKeyIsRead() throws {
        let configuration = try read(
            """
            engine: etcd
            node: n-1
            network: blue
            ranges: [{cidr: 10.0.0.0/8, nodePrefix: 20}]
            ways: vxlan
            routeProtocol: 99
            interfaces: [eth0, "bond*"]
            vxlan: {id: 7, port: 8472}
            etcd:
              servers: ["https://10.0.0.1:2379", "http://[::1]:2379"]
              certificateAuthority: /ca
              certificate: /c
              key: /k
              leaseSeconds: 600
              user: u
              passwordFile: /p
            plugin: {directory: /d, file: f.conflist, template: /t}
            listen: "[::1]:1"
            logLevel: debug
            """)
        guard case .etcd(let etcd) = configuration.engine else { return #expect(Bool(false), "another engine") }
        #expect(etcd.access.servers.count == 2 && etcd.access.key == .file("/k") && etcd.leaseSeconds == 600)
        #expect(configuration.ways.node == "n-1" && configuration.network == "blue")
        #expect(configuration.ways.routes.mode == .vxlan && configuration.ways.routes.origin == 99)
        #expect(configuration.ways.interfaces == ["eth0", "bond*"])
        #expect(configuration.ways.tunnelID == 7 && configuration.ways.tunnelPort == 8472)
        #expect(configuration.file.path == "/d/f.conflist" && configuration.template == "/t")
        #expect(configuration.listen?.host == "::1" && configuration.listen?.port == 1)
        #expect(configuration.logLevel == "debug")
        #expect(try read("ranges: [{cidr: 10.0.0.0/8}]\nlisten: none").listen == nil)
    }

    @Test func servicesAreServedWhereTheKeyIs() throws {
        let ranges = "ranges: [{cidr: 10.0.0.0/8}]\n"
        #expect(try read(ranges).services == nil)
        #expect(try read(ranges + "services: {enabled: false}").services == nil)
        let services = try read(
            ranges + "services: {ranges: [10.96.0.0/12], nodePortAddresses: [192.0.2.0/24], health: none}"
        )
        .services
        #expect(services?.ranges == [CIDR("10.96.0.0/12")!] && services?.health == nil)
        #expect(services?.nodePorts == .within([CIDR("192.0.2.0/24")!]))
        #expect(try read(ranges + "services: {enabled: true}").services?.health?.port == 10256)
    }

    static let wrong: [(String, String)] = [
        ("ways: routes\nrangs: []", "line 2: rangs is not a key of swiftlet-agent (did you mean ranges? known are"),
        ("vxlan: {prot: 1}", "line 1: vxlan.prot is not a key of swiftlet-agent (did you mean vxlan.port?"),
        ("ways: best", "line 1: ways must be one of auto, routes, vxlan, not \"best\""),
        ("\n\nvxlan: {id: 0}", "line 3: vxlan.id must be a number from 1 to 16777215, not \"0\""),
        ("ways: auto\nways: vxlan", "ways"),
        ("vxlan: []", "line 1: vxlan must be a mapping of keys to values, not a list"),
        ("- a", "line 1: the configuration must be a mapping of keys to values, not a list"),
        ("ranges: [{cidr: 10.244.0.1/16}]", "host bits (10.244.0.0/16 has none)"),
        ("ranges: [{cidr: 10.244.0.0/31}]", "too small"),
        ("ranges: [{nodePrefix: 24}]", "ranges[0].cidr is missing"),
        ("ranges: [{cidr: 10.0.0.0/8}, {cidr: 10.1.0.0/16}]", "overlap"),
        ("ranges: [{cidr: 10.0.0.0/16, nodePrefix: 15}]", "nodePrefix must be a number from 16 to 30"),
        ("engine: etcd\nranges: [{cidr: 10.0.0.0/8}]", "etcd is missing (etcd.servers says where it is)"),
        ("engine: etcd\netcd: {servers: [\"http://a:1\"]}", "ranges is missing"),
        ("engine: etcd\netcd: {servers: [\"a:1\"]}", "a:1 is not https://HOST:PORT"),
        (
            "ranges: [{cidr: 10.0.0.0/8}]\netcd: {servers: [\"http://a:1\"]}",
            "etcd is of no use with engine: kubernetes"
        ),
        ("engine: etcd\netcd: {servers: [\"http://a:1\"], key: /k}", "certificate and key must both be given"),
        ("node: a/b", "line 1: node must be a name"),
        (
            "engine: etcd\nranges: [{cidr: 10.0.0.0/8}]\netcd: {servers: [\"http://a:1\"]}\nservices: {}",
            "etcd knows only nodes"
        ),
        ("services: {ranges: [10.96.0.1/12]}", "is not a network such as 10.96.0.0/12"),
        ("services: {health: here}", "services.health must be ADDRESS:PORT"),
        ("listen: example.org:80", "listen must be ADDRESS:PORT"),
        ("engine: kubernetes", "ranges is missing: they are the cluster's --cluster-cidr"),
        ("routeProtocol: 16", "is another program's"),
        ("plugin: {file: ../x.conflist}", "is not the name of a configuration list"),
        ("ranges: [", "read the configuration"),
        ("ways: &a [*a]", "ways"),
    ]

    @Test(arguments: wrong) func whatIsWrongIsToldWithItsLine(_ yaml: String, _ expected: String) {
        #expect(refusal(yaml).contains(expected), "\(refusal(yaml))")
    }
}
