import ContainerRuntime
import Foundation

/// A network namespace of these tests, looked at and changed with iproute2.
protocol Namespace: Sendable {
    /// Its name in /run/netns.
    var netns: String { get }
}

extension Namespace {
    var path: String { "/run/netns/\(netns)" }

    /// What `ip -j` prints.
    func ip(_ words: String...) throws -> [JSONValue] {
        let text = try run(["ip", "-n", netns, "-j", "-d"] + words)
        guard !text.allSatisfy(\.isWhitespace) else { return [] }
        return try JSONValue(parsing: text).array?.filter { $0 != [:] } ?? []
    }

    /// Changes something: `ip -n NETNS` with these words.
    func set(_ words: String...) throws { try run(["ip", "-n", netns] + words) }

    /// Runs a command inside.
    @discardableResult
    func exec(_ words: String...) throws -> String { try run(["nsenter", "--net=\(path)"] + words) }

    func links() throws -> [JSONValue] { try ip("link", "show") }

    func link(_ name: String) throws -> JSONValue? { try links().first { $0["ifname"]?.string == name } }

    /// Ports of a bridge.
    func ports(of bridge: String) throws -> [String] {
        try links().filter { $0["master"]?.string == bridge }.compactMap { $0["ifname"]?.string }
    }

    /// The address objects of an interface.
    func addressObjects(_ link: String) throws -> [JSONValue] {
        try ip("addr", "show").first { $0["ifname"]?.string == link }?["addr_info"]?.array?.filter { $0 != [:] } ?? []
    }

    /// `ADDRESS/LENGTH` of an interface, without the link-local ones that the kernel makes.
    func addresses(_ link: String) throws -> [String] {
        try addressObjects(link).compactMap(\.ownAddress)
    }

    /// Those of `addresses` that duplicate address detection has not let through.
    func unusableAddresses(_ link: String) throws -> [String] {
        try addressObjects(link).filter { $0["tentative"] == true || $0["dadfailed"] == true }.compactMap(\.ownAddress)
    }

    /// The routes of all tables, both families.
    func routes() throws -> [JSONValue] {
        try ip("-4", "route", "show", "table", "all") + ip("-6", "route", "show", "table", "all")
    }

    /// The route to a destination, in the table given or the main one.
    func route(_ destination: String, table: String? = nil, family: String = "-4") throws -> JSONValue? {
        try ip(family, "route", "show", "table", table ?? "main").first { $0["dst"]?.string == destination }
    }

    /// A value below /proc/sys/net.
    func sysctl(_ name: String) throws -> String {
        try exec("cat", "/proc/sys/net/\(name)").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func setSysctl(_ name: String, _ value: String) throws {
        try exec("sh", "-c", "echo \(value) >/proc/sys/net/\(name)")
    }

    /// New namespaces get net.ipv4 from the machine's first one (net.core.devconf_inherit_init_net), whose owner may need it otherwise.
    func forgetInheritedSysctls() throws {
        try exec("sh", "-c", "cd /proc/sys/net/ipv4; echo 0 | tee ip_forward conf/all/rp_filter conf/default/rp_filter")
    }

    func isUp(_ link: String) throws -> Bool {
        try self.link(link)?["flags"]?.array?.contains("UP") ?? false
    }
}

extension JSONValue {
    /// `ADDRESS/LENGTH` of one of iproute2's address objects, unless the kernel has made it up.
    var ownAddress: String? {
        guard let local = self["local"]?.string, let length = self["prefixlen"]?.integer else { return nil }
        return local.hasPrefix("fe80:") ? nil : "\(local)/\(length)"
    }
}
