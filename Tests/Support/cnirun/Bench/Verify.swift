import ContainerRuntime
import Foundation

struct VerificationError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Looks for itself whether the network is as a command has said. Runs in the pod's namespace.
enum Verify {
    /// The result has an address, the interface bears it, and there is a default route. Returns the address.
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

    /// The interface is gone, and so is the reservation.
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
