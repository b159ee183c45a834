import Foundation
import TestSupport

/// A member of an etcd, usually the only one, on 127.0.0.1 and with a data directory of its own.
///
/// It ends with the last reference to it, and with this process. The environment variable `SWIFTLET_TEST_ETCD` names
/// another program than `etcd`.
final class EtcdServer: Sendable {
    /// Files that a server and its clients show each other, all signed by one authority.
    struct Certificates: Sendable {
        let folder: URL

        var authority: String { folder.appending(path: "ca.pem").path }
        var server: String { folder.appending(path: "server.pem").path }
        var serverKey: String { folder.appending(path: "server.key").path }
        var client: String { folder.appending(path: "client.pem").path }
        var clientKey: String { folder.appending(path: "client.key").path }

        /// - Parameter serverUsage: the extended key usage of the server's certificate.
        init(serverUsage: String = "serverAuth,clientAuth") throws {
            folder = try temporaryFolder()
            try output(
                of: """
                    cd '\(folder.path)'
                    new() { openssl ecparam -name prime256v1 -genkey -noout -out $1.key; }
                    new ca
                    openssl req -x509 -new -key ca.key -subj /CN=authority -days 2 -out ca.pem
                    for who in server client; do
                        new $who
                        usage='\(serverUsage)'
                        if [ $who = client ]; then usage=clientAuth; fi
                        openssl req -new -key $who.key -subj /CN=$who -out $who.csr
                        printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=%s\\n' "$usage" > $who.ext
                        openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \\
                            -extfile $who.ext -out $who.pem
                    done
                    """)
        }
    }

    private let script: LeashedProcess
    private let folder: URL
    private let port: UInt16
    private let certificates: Certificates?
    private let current = ProcessNumber()

    /// The client URL.
    var url: String { "\(certificates == nil ? "http" : "https")://127.0.0.1:\(port)" }

    /// - Parameter certificates: TLS, for clients with a certificate only.
    convenience init(certificates: Certificates? = nil) throws {
        try self.init(number: 0, of: [try EtcdServer.freePort()], certificates: certificates)
        try waitUntilItListens()
    }

    /// Members that agree with each other; two of three can go on without the third.
    static func cluster(of count: Int) throws -> [EtcdServer] {
        let peers = try (0..<count).map { _ in try freePort() }
        let members = try peers.indices.map { try EtcdServer(number: $0, of: peers, certificates: nil) }
        for member in members { try member.waitUntilItListens() }
        return members
    }

    private init(number: Int, of peers: [UInt16], certificates: Certificates?) throws {
        folder = try temporaryFolder()
        port = try EtcdServer.freePort()
        self.certificates = certificates
        let client = "\(certificates == nil ? "http" : "https")://127.0.0.1:\(port)"
        let peer = "http://127.0.0.1:\(peers[number])"
        let all = peers.enumerated().map { "member\($0)=http://127.0.0.1:\($1)" }.joined(separator: ",")
        var arguments = [
            ProcessInfo.processInfo.environment["SWIFTLET_TEST_ETCD"] ?? "etcd",
            "--name", "member\(number)", "--data-dir", folder.appending(path: "data").path, "--log-level", "error",
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", all,
            // Permits leases of one second.
            "--heartbeat-interval", "20", "--election-timeout", "200",
        ]
        if let certificates {
            arguments += [
                "--cert-file", certificates.server, "--key-file", certificates.serverKey,
                "--trusted-ca-file", certificates.authority, "--client-cert-auth",
            ]
        }
        let commands = """
            start() { "$@" >>'\(folder.path)/log' 2>&1 </dev/null & process=$!; echo $process; }
            start "$@"
            while read -r word; do
                case $word in
                kill) kill -KILL $process; wait $process; echo gone ;;
                start) start "$@" ;;
                esac
            done
            kill -KILL $process
            wait $process
            rm -r '\(folder.path)'
            """
        script = try LeashedProcess(["sh", "-c", commands, "sh"] + arguments)
        try readNumber()
    }

    /// SIGKILL: as if the power had failed.
    func kill() throws {
        try script.writeLine("kill")
        let answer = script.readLine()
        guard answer == "gone" else { throw UnexpectedState("etcd: \(answer)") }
    }

    /// Of a server that does not run.
    func removeData() throws { try FileManager.default.removeItem(at: folder.appending(path: "data")) }

    func start() throws {
        try script.writeLine("start")
        try readNumber()
        try waitUntilItListens()
    }

    /// The kernel still accepts its connections, but nobody answers.
    func freeze() { _ = Foundation.kill(current.value, SIGSTOP) }

    func thaw() { _ = Foundation.kill(current.value, SIGCONT) }

    var isLeader: Bool {
        get throws {
            let fields = try control("endpoint status").split(separator: ",").map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            return fields.dropFirst(4).first == "true"
        }
    }

    /// Runs etcdctl, version 3, with this server.
    @discardableResult
    func control(_ command: String) throws -> String {
        var options = "--endpoints=\(url)"
        if let certificates {
            options +=
                " --cacert=\(certificates.authority) --cert=\(certificates.client) --key=\(certificates.clientKey)"
        }
        return try output(of: "ETCDCTL_API=3 etcdctl \(options) \(command)")
    }

    private func readNumber() throws {
        guard let number = pid_t(script.readLine()) else { throw UnexpectedState("etcd was not started") }
        current.value = number
    }

    /// etcd listens for clients when it can serve them.
    private func waitUntilItListens() throws {
        for _ in 0..<1000 {
            if EtcdServer.isListening(port) { return }
            usleep(10_000)
        }
        let log = try? String(contentsOf: folder.appending(path: "log"), encoding: .utf8)
        throw UnexpectedState("etcd does not start: \(log ?? "")")
    }

    private static func isListening(_ port: UInt16) -> Bool {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = loopback(port)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// Below the ports that the kernel gives to connections: a server that is started again finds it free.
    private static func freePort() throws -> UInt16 {
        for _ in 0..<1000 {
            let port = UInt16.random(in: 20000..<32000)
            guard given.add(port) else { continue }
            let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(socket) }
            var address = loopback(port)
            let isFree = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            if isFree { return port }
        }
        throw UnexpectedState("no free port")
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }
}

/// Which process a server is at the moment.
private final class ProcessNumber: @unchecked Sendable {
    private let lock = NSLock()
    private var number: pid_t = 0

    var value: pid_t {
        get { lock.withLock { number } }
        set { lock.withLock { number = newValue } }
    }
}

/// Ports that are some server's, even while it does not run.
private final class GivenPorts: @unchecked Sendable {
    private let lock = NSLock()
    private var ports: Set<UInt16> = []

    func add(_ port: UInt16) -> Bool { lock.withLock { ports.insert(port).inserted } }
}

private let given = GivenPorts()

func temporaryFolder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appending(path: "swiftlet-etcd-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
}
