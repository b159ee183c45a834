import ContainerRuntime
import Foundation
import TestSupport
import Testing

private let root = repository.path

private let configurations = files(in: "cni-conf")
private let chains = files(in: "Tests/Chains")

private func files(in directory: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "\(root)/\(directory)")) ?? [])
        .filter { $0.hasSuffix(".conflist") || $0.hasSuffix(".conf") }.sorted()
}

/// Containers of real runtimes, attached by the built plugin through the files that people copy, as they stand.
///
/// The scripts do the work, in namespaces of their own; they print a line for each assertion and end with 0 only if all
/// of them were seen to hold.
@Suite(.serialized) struct ClientTests {
    @Test func thereAreConfigurations() {
        #expect(configurations.count >= 6)
        #expect(chains.count >= 8)
    }

    @Test(arguments: configurations.map { "cni-conf/\($0)" } + chains.map { "Tests/Chains/\($0)" })
    func cnitoolAttachesChecksAndDetachesPods(_ configuration: String) throws {
        try run("cnitool.sh", [root + "/build/clients/cnitool", root + "/build/bin", "\(root)/\(configuration)"])
    }

    /// containerd takes no single `.conf` for pods, and insists on addresses.
    @Test(arguments: configurations.filter { $0.hasSuffix(".conflist") && !$0.contains("l2") })
    func containerdRunsContainersThatTalk(_ configuration: String) throws {
        try run("containerd.sh", [root + "/build/bin", "\(root)/cni-conf/\(configuration)"])
    }

    @Test func podmanRunsContainersThatTalkAndPublishAPort() throws {
        try run("podman.sh", [root + "/build/bin"])
    }

    @Test func theDaemonSetsContainerInstallsKeepsAndUninstalls() throws {
        try run("daemonset.sh", [root + "/build/bin"])
    }

    /// Three nodes with an agent each, in namespaces, and a real etcd or a real API server.
    @Test(arguments: [
        "restarts", "etcd-away", "killed", "cleanup", "moved", "troubles", "surroundings", "kubernetes", "services",
    ])
    func podsOfSeveralNodesReachEachOtherWhateverHappensToAgents(_ scenario: String) throws {
        try run("cluster.sh", [root + "/build/bin", scenario])
    }

    @Test func theDemonstrationOfAClusterWorksAndLeavesNothing() throws {
        let namespaces = try FileManager.default.contentsOfDirectory(atPath: "/run/netns")
        let outcome = try Launcher(timeout: .seconds(120)).run("\(root)/scripts/demo-cluster", environment: environment)
        let output = String(decoding: outcome.stdout, as: UTF8.self)
        #expect(outcome.exit == .code(0), "\(output)\(String(decoding: outcome.stderr, as: UTF8.self))")
        #expect(output.contains("42 pairs: each reaches the other"), "\(output)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: "/run/netns") == namespaces)
    }

    private let environment = ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"]

    private func run(_ script: String, _ arguments: [String]) throws {
        let outcome = try Launcher(timeout: .seconds(120)).run(
            "\(root)/Tests/Clients/\(script)", arguments: arguments,
            environment: environment)
        let output = String(decoding: outcome.stdout, as: UTF8.self)
        #expect(outcome.exit == .code(0), "\(output)\(String(decoding: outcome.stderr, as: UTF8.self))")
        #expect(output.contains("ok: "), "the script saw nothing")
    }
}
