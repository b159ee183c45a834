public import Addresses
internal import Inventory
internal import Presentation

extension Check {
    /// What `swiftletctl check` looks at, for every pod.
    static let pods = [
        Check("pod-address", .problem, "every pod has the addresses that are reserved for it") {
            $0.deviations(.address)
        },
        Check("pod-route", .problem, "pods' default routes are there, and lead to the gateway") {
            $0.deviations(.route)
        },
        Check("bridge-port", .problem, "pods' bridge ports are as configured, and pass packets") {
            $0.deviations(.port)
        },
        Check("limits", .warning, "configured bandwidth limits are in force") { $0.deviations(.limit) },
        Check("wrong-mac", .problem, "what is for a pod, and what it sends, goes to the right MAC") {
            $0.deviations(.neighbour) + $0.silentBridges
        },
        Check("host-port-taken", .warning, "no program of the node listens on a host port of a pod") {
            $0.takenPorts
        },
    ]
}

extension Examination {
    /// One cause often affects all pods: more than that many with the same kind of fault are one finding.
    private static let shown = 3

    fileprivate func deviations(_ kind: Deviation.Kind) -> [Symptom] {
        var found: [(pod: Attachment, deviation: Deviation)] = []
        for pod in snapshot.attachments {
            // What is not there cannot be changed: other checks report it.
            guard pod.isUp || kind != .port else { continue }
            found += snapshot.deviations(of: pod).filter { $0.kind == kind }.map { (pod, $0) }
        }
        let pods = Set(found.map { $0.pod.id })
        guard pods.count > Examination.shown else {
            return found.map { pod, deviation in
                Symptom(
                    "\(pod.id)", "\(deviation.subject): \(deviation.finding)", run: deviation.commands,
                    advice: deviation.advice)
            }
        }
        let networks = Set(pods.map { $0.network }).sorted()
        return [
            Symptom(
                list(networks.map { "network \($0)" }),
                "\(Words.count(pods.count, "pod")): "
                    + list(
                        found.map { "\($0.pod.id): \($0.deviation.subject): \($0.deviation.finding)" },
                        limit: Examination.shown, separator: "; "),
                run: found.flatMap { $0.deviation.commands },
                advice: found.map { $0.deviation.advice }.first { !$0.isEmpty } ?? "")
        ]
    }

    fileprivate var silentBridges: [Symptom] {
        Set(snapshot.attachments.compactMap { $0.bridge }).sorted().compactMap { name in
            guard let bridge = snapshot.interface(name), bridge.isSilent else { return nil }
            return Symptom(
                name, "it neither asks for MACs nor answers (arp off): no pod on it finds its gateway",
                run: ["ip link set \(name) arp on"])
        }
    }

    fileprivate var takenPorts: [Symptom] {
        snapshot.attachments.flatMap { pod in
            pod.ports.flatMap { port in
                facts.listeners.filter { $0.isReached(by: port) }.map { listener in
                    let program = listener.program.map { ", \($0)," } ?? ""
                    return Symptom(
                        "\(pod.id)",
                        "a program of this node\(program) listens on \(listener.transport) port \(listener.port), which is "
                            + "host port \(port): whoever calls it from elsewhere reaches the pod",
                        advice: "give the pod another host port, or bind it to an address with hostIP")
                }
            }
        }
    }
}

/// A socket of the node that waits for clients.
public struct NodeListener: Sendable, Hashable {
    /// `tcp` or `udp`.
    public var transport: String
    /// Unspecified for all addresses; IPv4 for sockets that take only that.
    public var address: IPAddress
    public var port: UInt16
    /// Such as `sshd (812)`; nil if it was not found.
    public var program: String?

    public init(_ transport: String, _ address: IPAddress, _ port: UInt16, program: String? = nil) {
        self.transport = transport
        self.address = address
        self.port = port
        self.program = program
    }

    /// Whether somebody who calls it may reach the pod instead.
    func isReached(by mapping: Port) -> Bool {
        let last = Int(mapping.hostPort) + Int(mapping.count) - 1
        guard transport == mapping.transport, (Int(mapping.hostPort)...last).contains(Int(port)),
            !address.isLoopback
        else { return false }
        guard let wanted = mapping.hostIP, !wanted.isUnspecified, !address.isUnspecified else { return true }
        return wanted == address
    }
}
