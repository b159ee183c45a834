import ContainerRuntime
import Foundation

/// A node whose bridge `cbr0` has a DHCP server, dnsmasq, and whose pods' leases a daemon keeps.
final class DHCPNode {
    let node: Node
    private var started = 0

    init() throws {
        node = try Node()
        try node.set("link", "add", "cbr0", "type", "bridge")
        try node.set("link", "set", "cbr0", "up")
        for host in [1, 2] { try node.set("addr", "add", "10.99.0.\(host)/24", "dev", "cbr0") }
    }

    var socket: String { node.directory + "/dhcp.sock" }

    /// The leases that a daemon has written down.
    var leases: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: node.directory + "/dhcp")) ?? []
        return names.filter { !$0.hasPrefix(".") }.sorted()
    }

    private func logFile(_ name: String) -> String {
        started += 1
        return "\(node.directory)/\(name)-\(started).log"
    }

    /// A DHCP server on the bridge, at one of its addresses, .1 and .2.
    ///
    /// - Parameter range: of last octets.
    /// - Parameter renewing: whether clients renew after two seconds and rebind after three, the least that dnsmasq lets
    ///   itself be told; its least lease is two minutes.
    func server(
        _ range: ClosedRange<Int> = 50...69, at host: Int = 1, renewing: Bool = false, _ flags: String...
    ) throws -> Service {
        let leases = "\(node.directory)/dnsmasq-\(host).leases"
        var words = [
            "nsenter", "--net=\(node.path)", "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root",
            "--port=0",
            "--listen-address=10.99.0.\(host)", "--bind-interfaces", "--no-ping", "--dhcp-authoritative", "--log-dhcp",
            "--dhcp-leasefile=\(leases)", "--dhcp-option=option:router,10.99.0.1",
            "--dhcp-option=option:dns-server,10.99.0.1,9.9.9.9", "--domain=lan,10.99.0.0/24",
            "--dhcp-range=10.99.0.\(range.lowerBound),10.99.0.\(range.upperBound),255.255.255.0,120",
        ]
        if renewing { words.append("--dhcp-option=option:T2,3") }
        let service = try Service(words + flags, log: logFile("dnsmasq"))
        try eventually("dnsmasq listens", within: .seconds(5)) { service.log.contains("DHCP, IP range") }
        return service
    }

    /// A daemon, ours or another's.
    func daemon(_ flags: String..., program: String = Requirements.bin + "/dhcp") throws -> Service {
        let service = try Service(
            [program, "daemon", "-socketpath", socket] + flags, log: logFile("daemon"))
        try eventually("the daemon listens: \(service.log)") { answers }
        return service
    }

    /// Whether somebody listens.
    private var answers: Bool { (try? connect())?.close() != nil }

    /// A client that has said nothing yet.
    func connect() throws -> Client { try Client(socket) }

    /// A network with pods on the bridge.
    func network(_ keys: [String: JSONValue] = [:], version: String = "1.1.0", name: String = "net") throws
        -> NetworkList
    {
        let ipam: [String: JSONValue] = ["type": "dhcp", "daemonSocketPath": .string(socket)]
        return try node.network(
            ["type": "bridge", "bridge": "cbr0", "ipam": .object(ipam.merging(keys) { _, own in own })], name: name,
            version: version)
    }

    /// A connection to the daemon.
    final class Client {
        private let descriptor: Int32

        fileprivate init(_ path: String) throws {
            descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
            let size = socklen_t(MemoryLayout<sockaddr_un>.size)
            let result = withUnsafePointer(to: address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, size) }
            }
            guard result == 0 else {
                _ = Glibc.close(descriptor)
                throw CommandError.system("connect to \(path)")
            }
        }

        func say(_ text: String) { _ = Glibc.send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL)) }

        func close() { _ = Glibc.close(descriptor) }
    }
}
