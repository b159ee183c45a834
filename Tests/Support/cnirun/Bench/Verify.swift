import ContainerRuntime
import Foundation

struct VerificationError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Checks independently that the network is as a command reported.
enum Verify {
    /// Tests with connections that the configuration's rules work: from the node through each of its ports to the pod, and from
    /// the pod to an outside host, which must see the node's address.
    static func rules(of system: any System, _ pod: Pod, _ address: String, _ node: Node, _ machine: Machine) throws {
        if system.features.publishesPorts {
            for (hostPort, containerPort) in pod.connections {
                _ = try Dial.connect(
                    machine, from: node.netns, to: Node.address, hostPort, listening: pod.netns, on: containerPort)
            }
        }
        if system.features.masquerades {
            let source = try Dial.connect(
                machine, from: pod.netns, to: Node.outsideAddress, outsidePort, listening: node.outside,
                on: outsidePort)
            guard source == Node.address else {
                throw VerificationError("\(address) is not masqueraded: the host outside sees \(source)")
            }
        }
    }

    private static let outsidePort: UInt16 = 8000

    /// The ports that the pod had lead nowhere any more.
    static func portsClosed(_ system: any System, _ pod: Pod, _ node: Node, _ machine: Machine) throws {
        guard system.features.publishesPorts else { return }
        for (port, _) in pod.connections { try Dial.isRefused(machine, from: node.netns, by: Node.address, port) }
    }

    /// Runs in the pod's namespace. The result must have an address of each family, the interface must have these, and there
    /// must be a default route for each family.
    ///
    /// - Returns: the addresses.
    static func attached(_ pod: Pod, _ result: JSONValue, _ features: Features) throws -> [String] {
        let reported = (result["ips"]?.array ?? []).compactMap { $0["address"]?.string?.split(separator: "/").first }
            .map(String.init)
        guard reported.count >= features.families else {
            throw VerificationError(
                "the result of ADD has too few addresses: \(String(decoding: result.bytes, as: UTF8.self))")
        }
        let present = try addresses(of: pod.ifname)
        for address in reported where !present.contains(address) {
            throw VerificationError("ADD reports \(address), but \(pod.ifname) has \(present)")
        }
        guard features.attaches else { return reported }
        for address in reported {
            let isThere = try address.contains(":") ? hasDefaultRoute6(pod.ifname) : hasDefaultRoute4(pod.ifname)
            guard isThere else {
                throw VerificationError("\(address) has no default route by \(pod.ifname) after ADD")
            }
        }
        return reported
    }

    // /proc/net shows the main thread's namespace, but this thread's is needed.
    private static func routes(_ file: String) throws -> [[Substring]] {
        try String(contentsOfFile: "/proc/thread-self/net/\(file)", encoding: .utf8).split(separator: "\n")
            .map { $0.split(whereSeparator: \.isWhitespace) }
    }

    /// Columns: interface, destination, gateway, flags, counters, metric, mask; numbers in hexadecimal.
    private static func hasDefaultRoute4(_ interface: String) throws -> Bool {
        try routes("route").contains {
            $0.count > 7 && $0[0] == interface && $0[1] == "00000000" && $0[7] == "00000000"
        }
    }

    /// Columns: destination and its length, source and its length, gateway, numbers, interface.
    private static func hasDefaultRoute6(_ interface: String) throws -> Bool {
        try routes("ipv6_route").contains { $0.count > 9 && $0[9] == interface && $0[1] == "00" }
    }

    /// Runs in the pod's namespace. The interface must be gone, or lo down, and the addresses free.
    static func detached(_ pod: Pod, _ system: any System, _ addresses: [String]) throws {
        guard system.features.attaches else {
            let lo = try interfaces().first { $0.name == pod.ifname }
            guard let lo, lo.flags & UInt32(IFF_UP) == 0 else {
                throw VerificationError("after DEL \(pod.ifname) is still up")
            }
            return
        }
        guard if_nametoindex(pod.ifname) == 0 else { throw VerificationError("after DEL \(pod.ifname) is still there") }
        for address in addresses where access(system.store + "/" + address, F_OK) == 0 {
            throw VerificationError("after DEL \(address) is still reserved")
        }
    }

    /// The rate of each pod must be limited in both directions.
    static func limits(of pods: Int, _ node: Node, _ machine: Machine) throws {
        let buckets = try machine.output(of: "tc", ["qdisc", "show"], in: node.netns).split(separator: "\n")
            .count { $0.hasPrefix("qdisc tbf") }
        guard buckets == 2 * pods else {
            throw VerificationError("\(pods) pods have \(buckets) token buckets instead of two each")
        }
    }

    /// The number of a node's links, which must be the same after DEL as before ADD. Runs in the node's namespace.
    static func linkCount() throws -> Int {
        let names = if_nameindex()
        try require(names != nil, "list links")
        defer { if_freenameindex(names) }
        return (0...).first { names![$0].if_index == 0 }!
    }

    private static func addresses(of interface: String) throws -> [String] {
        try interfaces().filter { $0.name == interface }.compactMap(\.address)
    }

    /// The result of getifaddrs(3): an entry for each interface and each address.
    private static func interfaces() throws -> [(name: String, flags: UInt32, address: String?)] {
        var list: UnsafeMutablePointer<ifaddrs>?
        try require(getifaddrs(&list) == 0, "list addresses")
        defer { freeifaddrs(list) }
        return sequence(first: list, next: { $0?.pointee.ifa_next }).compactMap { entry in
            entry.map { (String(cString: $0.pointee.ifa_name), $0.pointee.ifa_flags, text(of: $0.pointee.ifa_addr)) }
        }
    }

    private static func text(of address: UnsafeMutablePointer<sockaddr>?) -> String? {
        let sizes = [AF_INET: MemoryLayout<sockaddr_in>.size, AF_INET6: MemoryLayout<sockaddr_in6>.size]
        guard let address, let size = sizes[Int32(address.pointee.sa_family)] else { return nil }
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        guard getnameinfo(address, socklen_t(size), &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST) == 0 else {
            return nil
        }
        return String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
