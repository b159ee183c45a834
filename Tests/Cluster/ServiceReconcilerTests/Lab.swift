import Addresses
import ClusterState
import Foundation
import Kernel
import Posix
import ServicePlan
import ServiceReconciler
import TestSupport

/// A node in the namespace of this thread, with three pods and a machine outside, each in a namespace of its own.
///
/// Pods are 10.128.0.1 to 3 and fd00:128::1 to 3, with servers at port 8080 that answer with the pod's number and the client's
/// address. Outside is 192.0.2.9, 198.18.0.9 and 2001:db8::9; the node 192.0.2.1 and 2001:db8::1.
final class Lab {
    let pods: [OtherNamespace]
    let outside: OtherNamespace
    private(set) var plan: ServicePlan
    var reconciler: ServiceReconciler

    init(_ services: [Service] = [], _ slices: [EndpointSlice] = []) throws {
        try NetworkNamespace.enterNew()
        try output(
            of:
                """
                ip link set lo up; echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
                """)
        outside = try OtherNamespace()
        try output(
            of:
                """
                ip link add out type veth peer name eth0 netns \(outside.process); ip link set out up
                ip addr add 192.0.2.1/24 dev out; ip addr add 2001:db8::1/64 dev out nodad
                ip route add default via 192.0.2.9; ip -6 route add default via 2001:db8::9
                """)
        try outside.shell(
            """
            ip link set lo up; ip link set eth0 up
            ip addr add 192.0.2.9/24 dev eth0; ip addr add 198.18.0.9/32 dev eth0; ip addr add 2001:db8::9/64 dev eth0 nodad
            for net in 10.96.0.0/16 203.0.113.0/24 10.128.0.0/16; do ip route add $net via 192.0.2.1; done
            ip -6 route add fd00:96::/112 via 2001:db8::1; ip -6 route add fd00:128::/64 via 2001:db8::1
            """)
        var pods: [OtherNamespace] = []
        for number in 1...3 {
            let pod = try OtherNamespace()
            try output(
                of:
                    """
                    ip link add pod\(number) type veth peer name eth0 netns \(pod.process); ip link set pod\(number) up
                    ip addr add 10.128.0.254/32 dev pod\(number); ip -6 addr add fd00:128::fe/128 dev pod\(number) nodad
                    ip route add 10.128.0.\(number) dev pod\(number); ip -6 route add fd00:128::\(number) dev pod\(number)
                    """)
            try pod.shell(
                """
                ip link set lo up; ip link set eth0 up
                ip addr add 10.128.0.\(number)/32 dev eth0; ip addr add fd00:128::\(number)/128 dev eth0 nodad
                ip route add 10.128.0.254 dev eth0; ip route add default via 10.128.0.254
                ip -6 route add fd00:128::fe dev eth0; ip -6 route add default via fd00:128::fe
                """)
            try pod.start("exec \(Lab.python) -c '\(Lab.server)' \(number)")
            pods.append(pod)
        }
        self.pods = pods
        plan = ServicePlan(Lab.node)
        _ = plan.replaceServices(services)
        _ = plan.replaceSlices(slices)
        reconciler = try ServiceReconciler()
        for number in 1...3 {
            try output(
                of: "for i in $(seq 100); do : < /dev/tcp/10.128.0.\(number)/8080 && exit; sleep 0.05; done".inBash)
            // The kernel takes up to a second until neighbours answer.
            try pods[number - 1].shell("for i in $(seq 50); do ping -6 -q -c 1 -W 0.1 fd00:128::fe && exit; done")
        }
        try reconciler.reconcile(to: plan)
    }

    static let node = ServiceNode(
        "node-1", addresses: [IPAddress("192.0.2.1")!, IPAddress("2001:db8::1")!],
        podRanges: [CIDR("10.128.0.0/16")!, CIDR("fd00:128::/64")!],
        serviceRanges: [CIDR("10.96.0.0/16")!, CIDR("fd00:96::/112")!])

    /// Makes changes of the plan in the kernel, in one batch.
    func change(_ body: (inout ServicePlan) -> [ServiceChange]) throws {
        var change = ServiceChange()
        for next in body(&plan) { change.merge(next) }
        try reconciler.apply(change, of: plan)
    }

    /// What this node's own processes get there: for each connection the pod and the client that it has seen, or `refused` or
    /// `silence`.
    static func ask(
        _ address: String, _ port: Int, udp: Bool = false, times: Int = 1, from source: String = ""
    ) throws -> [String] {
        try output(of: "exec \(command(address, port, udp: udp, times: times, from: source))").split(separator: "\n")
            .map(String.init)
    }

    static func command(_ address: String, _ port: Int, udp: Bool = false, times: Int = 1, from source: String = "")
        -> String
    {
        "\(python) -c '\(client)' \(address) \(port) \(udp ? "udp" : "tcp") \(times) \(source)"
    }

    /// Not one that a version manager puts in its place.
    private static let python = "env PATH=/usr/bin:$PATH python3"

    private static let server = """
        import socket, sys, threading
        t = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True, backlog=200)
        u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        u.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        u.bind(("::", 8080))
        def text(a): return (sys.argv[1] + " " + a[0].replace("::ffff:", "")).encode()
        def datagrams():
            while True:
                d, a = u.recvfrom(99)
                u.sendto(text(a), a)
        threading.Thread(target=datagrams, daemon=True).start()
        while True:
            c, a = t.accept()
            c.sendall(text(a))
            c.close()
        """

    private static let client = """
        import socket, sys
        address, port, kind, times = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
        for n in range(times):
            s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                              socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
            s.settimeout(3)
            if len(sys.argv) > 5: s.bind((sys.argv[5].split(",")[0], int((sys.argv[5] + ",0").split(",")[1])))
            try:
                s.connect((address, port))
                if kind == "udp":
                    # A packet that does not leave its own node is refused twice.
                    try: s.send(b"x")
                    except PermissionError: pass
                print(s.recv(99).decode())
            except ConnectionRefusedError: print("refused")
            except TimeoutError: print("silence")
            except OSError as e: print(e)
            s.close()
        """
}

extension String {
    fileprivate var inBash: String { "bash -c '\(self)' 2> /dev/null" }
}

/// A network namespace held by a process of this test's.
final class OtherNamespace {
    let process: Int32
    private var programs: [Int32] = []

    init() throws {
        process = Int32(
            try output(of: "unshare --net sleep 300 >/dev/null 2>&1 & echo $!").trimmingCharacters(in: .newlines))!
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self/ns/net")
        while try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/net") == own {
            usleep(1000)
        }
    }

    // What outlives a test keeps its output open, for which the test waits.
    deinit { for program in programs + [process] { kill(program, SIGKILL) } }

    /// Starts a program that runs until the end.
    func start(_ command: String) throws {
        let started = try run { try output(of: "(\(command)) >/dev/null 2>&1 & echo $!") }
        programs.append(Int32(started.trimmingCharacters(in: .newlines))!)
    }

    func run<Value>(_ body: () throws -> Value) throws -> Value {
        let home = try NetworkNamespace.current()
        try NetworkNamespace("/proc/\(process)/ns/net").enter()
        defer { try? home.enter() }
        return try body()
    }

    func shell(_ script: String) throws { _ = try run { try output(of: script) } }

    func ask(_ address: String, _ port: Int, udp: Bool = false, times: Int = 1, from source: String = "") throws
        -> [String]
    {
        try run { try Lab.ask(address, port, udp: udp, times: times, from: source) }
    }
}

func service(
    _ name: String = "web", at addresses: [String] = ["10.96.0.10", "fd00:96::10"],
    _ change: (inout Service) -> Void = { _ in }
) -> Service {
    var service = Service(
        ObjectName("shop", name), ports: [.init("http", .tcp, 80, nodePort: 30080), .init("dns", .udp, 53)],
        clusterIPs: addresses.map { IPAddress($0)! })
    change(&service)
    return service
}

/// Slices of both families with these pods; pod 1 is on this node as far as the API says, unless told otherwise.
func slices(_ pods: [Int], of service: String = "web", own: [Int] = [1, 2, 3]) -> [EndpointSlice] {
    IPFamily.allCases.map { family in
        EndpointSlice(
            ObjectName("shop", "\(service)-\(family.description)"), of: service, family,
            ports: [.init("http", .tcp, 8080), .init("dns", .udp, 8080)],
            endpoints: pods.map { number in
                .init(
                    IPAddress(family == .v4 ? "10.128.0.\(number)" : "fd00:128::\(number)")!,
                    node: own.contains(number) ? "node-1" : "node-2")
            })
    }
}

extension [String] {
    /// The pods that have answered.
    var pods: Set<String> { Set(map { String($0.prefix(while: { $0 != " " })) }) }
    /// The clients that they have seen.
    var clients: Set<String> { Set(compactMap { $0.split(separator: " ").dropFirst().first.map(String.init) }) }
}
