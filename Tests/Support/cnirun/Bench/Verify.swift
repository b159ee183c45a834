import ContainerRuntime
import Foundation

struct VerificationError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Looks for itself whether the network is as a command has said.
enum Verify {
    /// What the configuration asks of rules is there, by connections: from the node through each of its ports to the
    /// pod, and from the pod to a host outside, which is to see the node's address.
    static func rules(of system: any System, _ pod: Pod, _ address: String, _ node: Node, _ machine: Machine) throws {
        if system.publishesPorts {
            for (hostPort, containerPort) in zip(pod.hostPorts, Pod.containerPorts) {
                _ = try Dial.connect(
                    machine, from: node.netns, to: Node.address, hostPort, listening: pod.netns, on: containerPort)
            }
        }
        if system.masquerades {
            let source = try Dial.connect(
                machine, from: pod.netns, to: Node.outsideAddress, outsidePort, listening: node.outside,
                on: outsidePort)
            guard source == Node.address else {
                throw VerificationError("\(address) is not masqueraded: the host outside sees \(source)")
            }
        }
    }

    private static let outsidePort: UInt16 = 8000

    /// Nothing leads on from the ports that the pod had.
    static func portsClosed(_ system: any System, _ pod: Pod, _ node: Node, _ machine: Machine) throws {
        guard system.publishesPorts else { return }
        for port in pod.hostPorts { try Dial.isRefused(machine, from: node.netns, by: Node.address, port) }
    }

    /// Runs in the pod's namespace. The result has an address, the interface bears it, and there is a default route.
    ///
    /// - Returns: the address.
    static func attached(_ pod: Pod, _ result: JSONValue) throws -> String {
        guard let text = result["ips"]?[0]?["address"]?.string, let address = text.split(separator: "/").first else {
            throw VerificationError(
                "the result of ADD has no address: \(String(decoding: result.bytes, as: UTF8.self))")
        }
        let present = try addresses(of: pod.ifname)
        guard present.contains(String(address)) else {
            throw VerificationError("ADD reports \(address), but \(pod.ifname) has \(present)")
        }
        // /proc/net shows the main thread's namespace, and it is this thread's that counts.
        let routes = try String(contentsOfFile: "/proc/thread-self/net/route", encoding: .utf8)
        // Columns: interface, destination, gateway, flags, counters, metric, mask; numbers in hexadecimal.
        let hasDefault = routes.split(separator: "\n").contains { line in
            let column = line.split(separator: "\t")
            return column.count > 7 && column[0] == pod.ifname && column[1] == "00000000" && column[7] == "00000000"
        }
        guard hasDefault else { throw VerificationError("after ADD there is no default route by \(pod.ifname)") }
        return String(address)
    }

    /// Runs in the pod's namespace. The interface is gone, and so is the reservation.
    static func detached(_ pod: Pod, reservation: String) throws {
        guard if_nametoindex(pod.ifname) == 0 else { throw VerificationError("after DEL \(pod.ifname) is still there") }
        guard access(reservation, F_OK) != 0 else { throw VerificationError("after DEL the address is still reserved") }
    }

    /// How many links a node has: as many after DEL as before ADD. Runs in the node's namespace.
    static func linkCount() throws -> Int {
        let names = if_nameindex()
        try require(names != nil, "list links")
        defer { if_freenameindex(names) }
        return (0...).first { names![$0].if_index == 0 }!
    }

    private static func addresses(of interface: String) throws -> [String] {
        var list: UnsafeMutablePointer<ifaddrs>?
        try require(getifaddrs(&list) == 0, "list addresses")
        defer { freeifaddrs(list) }
        var found: [String] = []
        for entry in sequence(first: list, next: { $0?.pointee.ifa_next }) {
            guard let entry, String(cString: entry.pointee.ifa_name) == interface,
                let address = entry.pointee.ifa_addr, address.pointee.sa_family == sa_family_t(AF_INET)
            else { continue }
            var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let length = socklen_t(MemoryLayout<sockaddr_in>.size)
            if getnameinfo(address, length, &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST) == 0 {
                found.append(String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
            }
        }
        return found
    }
}
