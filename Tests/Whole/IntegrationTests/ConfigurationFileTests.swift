import ContainerRuntime
import Foundation
import Testing

/// The files of cni-conf work as they stand.
@Suite(.realKernel) struct ConfigurationFileTests {
    static let directory = Requirements.packageRoot + "/cni-conf"

    /// Each file with each version that it allows.
    static let cases: [(String, String)] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.filter { $0.hasSuffix(".conf") || $0.hasSuffix(".conflist") }.sorted().flatMap { name in
            ((try? NetworkList.load(file: directory + "/" + name))?.versions ?? ["unreadable"]).map { (name, $0) }
        }
    }()

    @Test func thereAreFilesOfEachKind() {
        let names = Set(Self.cases.map(\.0))
        #expect(names.contains { $0.hasSuffix(".conf") } && names.contains { $0.hasSuffix(".conflist") })
        #expect(names.count >= 5)
    }

    @Test(arguments: cases) func twoPodsComeMeetAndGo(_ file: String, _ version: String) throws {
        let node = try Node()
        let pods = try node.pods(2)
        var list = try NetworkList.load(file: Self.directory + "/" + file)
        list.version = version
        // Reservations go to their configured place; what is there, is this node's.
        let runtime = node.runtime(wrapper: node.withOwnVarLib)
        try runtime.status(list)
        let results = try pods.map { try runtime.add(list, $0.attachment).result }
        for (a, b) in zip(results[0].hosts, results[1].hosts) { try expectConnected(pods[0], a, pods[1], b) }
        for ip in results[0]["ips"]?.array ?? [] {
            let gateway = try #require(ip["gateway"]?.string)
            try pods[0].ping(gateway)
            let family = gateway.contains(":") ? "-6" : "-4"
            #expect(try pods[0].route("default", family: family)?["gateway"]?.string == gateway)
        }
        if results[0].addresses.isEmpty { try expectLayer2(pods) }
        for pod in pods { try runtime.check(list, pod.attachment) }
        if version == "1.1.0" {
            try runtime.gc(list, valid: [pods[0].valid])
            #expect(try isUntouched(pods[1]))
            try runtime.check(list, pods[0].attachment)
        }
        for pod in pods { try runtime.del(list, pod.attachment) }
        #expect(try pods.allSatisfy(isUntouched))
        #expect(try node.veths() == [])
        let networks = node.directory + "/var-lib/cni/networks"
        let left = (try? FileManager.default.subpathsOfDirectory(atPath: networks)) ?? []
        #expect(left.filter { $0.contains("/10.") || $0.contains("/fd") } == [])
    }

    /// Pods that bring their own addresses reach each other.
    func expectLayer2(_ pods: [Pod]) throws {
        for (number, pod) in pods.enumerated() { try pod.set("addr", "add", "10.99.0.\(number + 1)/24", "dev", "eth0") }
        try expectConnected(pods[0], "10.99.0.1", pods[1], "10.99.0.2")
    }
}
