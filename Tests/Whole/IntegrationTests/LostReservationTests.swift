import ContainerRuntime
import Foundation
import Testing

/// The address of a pod that lives is nobody else's, whatever somebody has done to the files.
@Suite(.realKernel) struct LostReservationTests {
    /// What happens to a file.
    enum Damage: String, Sendable, CaseIterable, CustomTestStringConvertible {
        case removed, emptied, garbage, ofSomebody

        var testDescription: String { rawValue }

        func harm(_ address: String, on node: Node) throws {
            switch self {
            case .removed: try FileManager.default.removeItem(atPath: "\(node.data)/net/\(address)")
            case .emptied: try node.reserve(address, "")
            case .garbage: try node.reserve(address, "\u{0}\u{0}")
            case .ofSomebody: try node.reserve(address, "somebody\r\neth0")
            }
        }
    }

    /// Everybody who adds or frees reads all files then, and would hand out again what nobody has.
    @Test(arguments: Damage.allCases) func addHandsOutOthers(_ damage: Damage) throws {
        let node = try Node()
        let list = try node.network(node.swiftlet(["subnet": "10.44.0.0/29"]))
        let pods = try node.pods(3)
        for pod in pods[..<2] { _ = try node.runtime().add(list, pod.attachment) }
        try damage.harm("10.44.0.2", on: node)
        // So that the search starts there, and sees that somebody was here.
        try FileManager.default.removeItem(atPath: "\(node.data)/net/last_reserved_ip.0")
        let added = try node.runtime().add(list, pods[2].attachment).result
        #expect(added.hosts == ["10.44.0.4"])
        #expect(try node.reservation("10.44.0.2") == "\(pods[0].id)\r\neth0")
        try node.runtime().check(list, pods[0].attachment)
        for pod in pods { try node.runtime().del(list, pod.attachment) }
        #expect(try node.reservations() == [])
    }

    /// The same by the plugin `host-local`, which runs by itself.
    @Test func theIPAMPluginKeepsThemToo() throws {
        let node = try Node()
        let list = try node.network(node.gatewayBridge())
        let pods = try node.pods(2)
        _ = try node.runtime().add(list, pods[0].attachment)
        try Damage.removed.harm("10.44.0.2", on: node)
        try FileManager.default.removeItem(atPath: "\(node.data)/net/last_reserved_ip.0")
        #expect(try node.runtime().add(list, pods[1].attachment).result.hosts == ["10.44.0.3"])
        #expect(try node.reservation("10.44.0.2") == "\(pods[0].id)\r\neth0")
    }

    @Test(arguments: Damage.allCases) func garbageCollectionFreesNoLivingPodsAddress(_ damage: Damage) throws {
        let scene = try DoctorScene(pods: 2)
        try damage.harm("10.44.0.2", on: scene.node)
        let rehearsal = try scene.ctl("gc", ["--dry-run"])
        #expect(rehearsal.text.contains("would reserve 10.44.0.2"), "\(rehearsal.text)")
        #expect(!rehearsal.text.contains("would free"), "\(rehearsal.text)")
        let check = try scene.check(scene.pods[0])
        #expect(check.exit == .code(1) && check.text.contains("✗ address 10.44.0.2"), "\(check.text)")
        let status = try scene.ctl("status")
        #expect(status.text.contains("reserves the addresses of living pods again"), "\(status.text)")
        let freed = try scene.ctl("gc", ["--older-than", "0", "--json"])
        #expect(freed.json?["putBack"]?.array?.count == 1 && freed.json?["freed"] == [], "\(freed.text)")
        #expect(try scene.node.reservation("10.44.0.2") == "\(scene.pods[0].id)\r\neth0")
        try scene.runtime.check(scene.list, scene.pods[0].attachment)
        try scene.expectHealthy()
    }

    /// What a strange file says is freed where nobody lives by it, and what is said to be freed is.
    @Test func whatNobodyHasIsFreed() throws {
        let scene = try DoctorScene(pods: 1)
        try Damage.ofSomebody.harm("10.44.0.77", on: scene.node)
        let freed = try scene.ctl("gc", ["--older-than", "0", "--json"])
        #expect(freed.json?["freed"]?.array?.count == 1, "\(freed.text)")
        #expect(try scene.node.reservations() == ["10.44.0.2", "fd00:44::2"])
    }

    @Test func aListenerOnAHostPortIsToldOnStandardError() throws {
        let node = try Node()
        let list = try node.network(node.swiftlet(["subnet": "10.44.0.0/24", "capabilities": ["portMappings": true]]))
        let pods = try node.pods(2)
        let daemon = try Responder("sshd", in: node, 22, [.tcp])
        func errors(_ pod: Pod, _ port: Int64) throws -> String {
            try node.runtime().add(list, pod.with(ports: hostPort(port, .tcp))).runs.map { $0.outcome.errorText }
                .joined()
        }
        let told = try errors(pods[0], 22)
        #expect(told.contains("host port 22/tcp: a program of this node listens on it"), "\(told)")
        #expect(try !errors(pods[1], 23).contains("listens"))
        withExtendedLifetime(daemon) {}
    }
}
