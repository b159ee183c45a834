internal import CNI
internal import Kernel
internal import Posix

/// A sysctl of the pod's namespace, as named in a configuration.
struct NetworkSysctl {
    /// As written, for matching against the allowlist.
    let key: String
    /// With slashes, below /proc/sys/net, such as `ipv4/conf/eth0/arp_filter`.
    let name: String

    /// Longer keys are refused, in octets.
    private static let maximumLength = 1024

    /// The first `IFNAME` in it stands for the interface. Dots separate, unless the first separator is a slash: then
    /// only slashes do, so that an interface name may contain a dot, as in sysctl(8).
    ///
    /// - Throws: code 7 for a key outside /proc/sys/net.
    init(_ key: String, ifname: String) throws(Failure) {
        var parts: [Substring]
        if let first = key.first(where: { $0 == "." || $0 == "/" }), first == "/" {
            parts = key.split(separator: "/", omittingEmptySubsequences: false)
        } else {
            parts = key.split(omittingEmptySubsequences: false) { $0 == "." || $0 == "/" }
        }
        for (position, part) in parts.enumerated() {
            guard let start = part.indices.first(where: { part[$0...].hasPrefix("IFNAME") }) else { continue }
            parts[position] = part[..<start] + ifname + part[start...].dropFirst("IFNAME".count)
            break
        }
        guard parts.count > 1, parts[0] == "net", key.utf8.count <= NetworkSysctl.maximumLength,
            parts.allSatisfy({ !["", ".", ".."].contains($0) && !$0.utf8.contains(0) })
        else {
            throw Failure(
                .invalidConfiguration, "invalid net sysctl key: \"\(key.prefix(200))\"",
                details: "it must name a file below /proc/sys/net, like net.core.somaxconn")
        }
        self.key = key
        name = parts.dropFirst().joined(separator: "/")
    }

    var sysctl: Sysctl { Sysctl(name) }
}
