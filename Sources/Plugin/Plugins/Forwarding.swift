internal import Addresses
internal import CNI
internal import Kernel
internal import Posix

/// The node's forwarding sysctls for traffic of its pods, one per family.
enum Forwarding {
    private static func sysctl(_ family: IPFamily) -> Sysctl {
        Sysctl(family == .v4 ? "ipv4/ip_forward" : "ipv6/conf/all/forwarding")
    }

    /// Enables forwarding for the families of these addresses.
    static func enable(for addresses: [CIDR]) throws(Failure) {
        for family in IPFamily.allCases where addresses.contains(where: { $0.family == family }) {
            try sysctl(family).ensure("1")
        }
    }

    /// - Throws: CHECK's error if it is off.
    static func check(for addresses: [CIDR]) throws(Failure) {
        for family in IPFamily.allCases where addresses.contains(where: { $0.family == family }) {
            guard try sysctl(family).read() != "0" else {
                throw Failure(deviation: "forwarding is off: \(sysctl(family)) is 0")
            }
        }
    }
}
