import ClusterEngine
import EngineHTTP
import Foundation
import Glibc
import NIOCore
import TestSupport

/// A real API server of Kubernetes with an etcd of its own, on free ports of 127.0.0.1, with its data in a temporary folder.
///
/// Nothing of it outlives this process. Who presents the token `admin-token` may do everything, `agent-token` what the agent's
/// ClusterRole grants, `stranger-token` nothing.
actor KubernetesAPIServer {
    struct Failure: Error, CustomStringConvertible { let description: String }

    let folder: String
    let url: String
    private let etcdURL: String
    private let ports: [Int]
    private var etcd: LeashedDaemon?
    private var server: LeashedDaemon?
    private var controllers: LeashedDaemon?
    private let administrator: EngineClient
    private let etcdClient: EngineClient

    /// The programs that scripts/build-kubernetes has built.
    static let programs = repository.path + "/build/kubernetes"

    /// Starts etcd and the API server, and waits until it answers.
    init() async throws {
        for program in ["kube-apiserver", "kube-controller-manager"]
        where !FileManager.default.isExecutableFile(atPath: "\(Self.programs)/\(program)") {
            throw Failure(
                description: "\(Self.programs)/\(program) is missing: run scripts/build-kubernetes build/kubernetes")
        }
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/etcd") else {
            throw Failure(description: "etcd is missing: run apt-get install etcd-server")
        }
        folder = FileManager.default.temporaryDirectory.appending(path: "kubernetes-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        ports = try Self.freePorts(3)
        etcdURL = "http://127.0.0.1:\(ports[0])"
        url = "https://127.0.0.1:\(ports[2])"
        etcdClient = EngineClient(EngineAccess([etcdURL]), userAgent: "test")
        administrator = EngineClient(Self.access("admin-token", url, folder), userAgent: "test")
        do {
            try write(
                "tokens.csv",
                """
                admin-token,admin,1,system:masters
                agent-token,swiftlet-agent,2
                stranger-token,stranger,3

                """)
            try output(of: "openssl genrsa -out \(folder)/account.key 2048")
            let peer = "http://127.0.0.1:\(ports[1])"
            etcd = try LeashedDaemon(
                [
                    "/usr/bin/etcd", "--data-dir", "\(folder)/etcd", "--listen-client-urls", etcdURL,
                    "--advertise-client-urls", etcdURL, "--listen-peer-urls", peer,
                    "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=\(peer)",
                ], log: "\(folder)/etcd.log")
            try await startServer()
            try await grant()
        } catch {
            await stop()
            throw error
        }
    }

    /// Ends everything and removes its files.
    func stop() async {
        for daemon in [controllers, server, etcd] { daemon?.end() }
        for client in [administrator, etcdClient] { await client.close() }
        try? FileManager.default.removeItem(atPath: folder)
    }

    // MARK: The API server

    func startServer() async throws {
        let key = "\(folder)/account.key"
        server = try LeashedDaemon(
            [
                "\(Self.programs)/kube-apiserver", "--etcd-servers=\(etcdURL)", "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1", "--secure-port=\(ports[2])", "--insecure-port=0",
                "--cert-dir=\(folder)/certificates", "--token-auth-file=\(folder)/tokens.csv",
                "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/24",
                "--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=\(key)",
                "--service-account-signing-key-file=\(key)",
                "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
                // Built with Go 1.19, it crashes while it keeps track of who has set which field (modern-go/reflect2).
                "--feature-gates=ServerSideApply=false",
                // Etcd is compacted when a test wants it; and no garbage of a killed server is left behind.
                "--etcd-compaction-interval=0", "--endpoint-reconciler-type=none",
            ], log: "\(folder)/server.log")
        let end = ContinuousClock.now + .seconds(90)
        while (try? await call("GET", "/readyz"))?.status != 200 {
            guard ContinuousClock.now < end else {
                let log = (try? String(contentsOfFile: "\(folder)/server.log", encoding: .utf8)) ?? ""
                throw Failure(description: "the API server does not become ready: \(log.suffix(3000))")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    func killServer() {
        server?.end()
        server = nil
    }

    /// SIGSTOP or SIGCONT.
    func signalServer(_ number: Int32) { server?.signal(number) }

    /// Starts the controller that gives new nodes subnets of 10.244.0.0/16.
    func startControllers() throws {
        let kubeconfig = try writeKubeconfig(token: "admin-token")
        controllers = try LeashedDaemon(
            [
                "\(Self.programs)/kube-controller-manager", "--kubeconfig=\(kubeconfig)", "--controllers=nodeipam",
                "--allocate-node-cidrs", "--cluster-cidr=10.244.0.0/16", "--leader-elect=false", "--port=0",
                "--secure-port=0",
            ], log: "\(folder)/controllers.log")
    }

    // MARK: Access

    nonisolated func access(_ token: String = "agent-token") -> EngineAccess { Self.access(token, url, folder) }

    private static func access(_ token: String, _ url: String, _ folder: String) -> EngineAccess {
        var access = EngineAccess([url])
        access.token = .text(token)
        access.authorities = .file("\(folder)/certificates/apiserver.crt")
        return access
    }

    /// - Returns: the path of a kubeconfig file.
    nonisolated func writeKubeconfig(token: String) throws -> String {
        try write(
            "\(token).kubeconfig",
            """
            apiVersion: v1
            kind: Config
            current-context: test
            clusters: [{name: test, cluster: {server: "\(url)", certificate-authority: certificates/apiserver.crt}}]
            users: [{name: test, user: {token: \(token)}}]
            contexts: [{name: test, context: {cluster: test, user: test}}]

            """)
    }

    /// Sends a request as the administrator.
    @discardableResult
    nonisolated func call(
        _ method: String, _ path: String, _ body: String? = nil, contentType: String = "application/json"
    ) async throws -> EngineClient.Response {
        let request = EngineClient.Request(method, path, body: body.map { Array($0.utf8) }, contentType: contentType)
        return try await administrator.send(request)
    }

    /// As ``call(_:_:_:contentType:)``, and throws unless the answer is a success.
    @discardableResult
    nonisolated func must(
        _ method: String, _ path: String, _ body: String? = nil, contentType: String = "application/json"
    ) async throws -> String {
        let answer = try await call(method, path, body, contentType: contentType)
        let text = String(buffer: answer.body)
        guard (200..<300).contains(answer.status) else {
            throw Failure(description: "\(method) \(path): \(answer.status) \(text)")
        }
        return text
    }

    // MARK: Nodes

    /// - Parameters:
    ///   - subnet: nil leaves it to the controllers.
    ///   - address: its InternalIP.
    nonisolated func addNode(_ name: String, subnet: String?, address: String) async throws {
        let spec = subnet.map { #"{"podCIDR":"\#($0)","podCIDRs":["\#($0)"]}"# } ?? "{}"
        try await must(
            "POST", "/api/v1/nodes",
            #"{"kind":"Node","apiVersion":"v1","metadata":{"name":"\#(name)"},"spec":\#(spec)}"#)
        try await setAddress(name, address)
    }

    nonisolated func setAddress(_ name: String, _ address: String) async throws {
        try await patchStatus(name, #"{"status":{"addresses":[{"type":"InternalIP","address":"\#(address)"}]}}"#)
    }

    nonisolated func patchStatus(_ name: String, _ patch: String) async throws {
        try await must(
            "PATCH", "/api/v1/nodes/\(name)/status", patch, contentType: "application/strategic-merge-patch+json")
    }

    nonisolated func removeNode(_ name: String) async throws { try await must("DELETE", "/api/v1/nodes/\(name)") }

    // MARK: etcd

    /// Removes an object without the API server's knowledge.
    nonisolated func eraseNode(_ name: String) async throws {
        _ = try await etcdCall("kv/deleterange", #"{"key":"\#(base64("/registry/minions/\(name)"))"}"#)
    }

    /// Makes etcd forget its history: everything older than now.
    nonisolated func compact() async throws {
        var revision = 0
        for number in 0..<20 {
            let body = #"{"key":"\#(base64("filler"))","value":"\#(base64("\(number)"))"}"#
            let answer = try JSONDecoder().decode(Answer.self, from: Data(try await etcdCall("kv/put", body).utf8))
            revision = Int(answer.header.revision) ?? 0
        }
        _ = try await etcdCall("kv/compaction", #"{"revision":"\#(revision)","physical":true}"#)
    }

    private struct Answer: Decodable {
        struct Header: Decodable { var revision: String }
        var header: Header
    }

    private nonisolated func etcdCall(_ method: String, _ body: String) async throws -> String {
        let answer = try await etcdClient.send(EngineClient.Request("POST", "/v3/\(method)", body: Array(body.utf8)))
        let text = String(buffer: answer.body)
        guard answer.status == 200 else { throw Failure(description: "\(method): \(answer.status) \(text)") }
        return text
    }

    private nonisolated func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    // MARK: Preparations

    /// What the agent's ClusterRole grants, to the user of `agent-token`.
    private nonisolated func grant() async throws {
        let path = "/apis/rbac.authorization.k8s.io/v1"
        let rules =
            #"{"apiGroups":[""],"resources":["nodes"],"verbs":["get","list","watch"]},"#
            + #"{"apiGroups":[""],"resources":["nodes/status"],"verbs":["patch"]},"#
            + #"{"apiGroups":[""],"resources":["events"],"verbs":["create"]}"#
        try await must("POST", "\(path)/clusterroles", #"{"metadata":{"name":"swiftlet-agent"},"rules":[\#(rules)]}"#)
        let group = "rbac.authorization.k8s.io"
        try await must(
            "POST", "\(path)/clusterrolebindings",
            #"{"metadata":{"name":"swiftlet-agent"},"roleRef":{"apiGroup":"\#(group)","kind":"ClusterRole","#
                + #""name":"swiftlet-agent"},"subjects":[{"apiGroup":"\#(group)","kind":"User","name":"swiftlet-agent"}]}"#
        )
        // Authorization reads its rules from a cache.
        let end = ContinuousClock.now + .seconds(20)
        let client = EngineClient(access(), userAgent: "test")
        while ContinuousClock.now < end {
            if try await client.send(EngineClient.Request("GET", "/api/v1/nodes")).status == 200 { break }
            try await Task.sleep(for: .milliseconds(50))
        }
        await client.close()
    }

    @discardableResult
    private nonisolated func write(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
        return "\(folder)/\(name)"
    }

    private static func freePorts(_ count: Int) throws -> [Int] {
        var sockets: [Int32] = []
        defer { for socket in sockets { close(socket) } }
        return try (0..<count).map { _ in
            let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            sockets.append(number)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let size = length
            let isBound = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(number, $0, size) == 0 && getsockname(number, $0, &length) == 0
                }
            }
            guard isBound else { throw Failure(description: "no free port") }
            return Int(UInt16(bigEndian: address.sin_port))
        }
    }
}
