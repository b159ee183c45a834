internal import Addresses
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// What rules need besides the elements of our own tables.
extension NodeRules {
    /// Sets kernel parameters and deletes connection tracking entries that predate the ports.
    mutating func settle(_ rules: PodRules, _ owner: RulesOwner) throws(Failure) {
        if let passage = rules.passage {
            let hasFirewalld = try enterZone(passage)
            try letThrough(passage, network: owner.network, hasFirewalld: hasFirewalld)
        }
        if let port = rules.isolation?.port {
            try change(port, "isolate bridge port \(port)") { $0.isolated = true }
        }
        guard let ports = rules.ports else { return }
        if let interface = ports.localRoute { try NodeRules.localRouting(interface).ensure("1") }
        if let port = ports.hairpinPort {
            try change(port, "set hairpin mode of \(port)") { $0.hairpin = true }
        }
        try forgetConnections(to: ports)
    }

    private func change(_ port: String, _ attempt: String, _ body: (inout LinkChange) -> Void) throws(Failure) {
        var change = LinkChange()
        body(&change)
        var route = try NetlinkSocket()
        try route.execute(attempt) { $0.changeLink(.name(port), change) }
    }

    private static func localRouting(_ interface: String) -> Sysctl { Sysctl("ipv4/conf/\(interface)/route_localnet") }

    /// Whether any interface accepts packets for 127.0.0.0/8. Host ports need that setting and leave it behind.
    static var routesLoopback: Bool {
        get throws(Failure) {
            let path = "/proc/sys/net/ipv4/conf"
            let names = try storing("list \(path)") { () throws(Errno) in
                try FileDescriptor.open(path, [.directory]).names(limit: 1 << 20)
            }
            for name in names where !["all", "default", "lo"].contains(name) {
                if try localRouting(name).read() == "1" { return true }
            }
            return false
        }
    }

    /// What deviates from those settings; empty if all is well.
    mutating func deviations(ofSurroundings rules: PodRules, _ owner: RulesOwner) throws(Failure) -> [String] {
        var found: [String] = []
        if let passage = rules.passage {
            let zone = try deviations(ofZone: passage)
            found += try deviations(of: passage, network: owner.network, hasFirewalld: zone != nil) + (zone ?? [])
        }
        if let port = rules.isolation?.port {
            var route = try NetlinkSocket()
            if try route.link(.name(port))?.isIsolated != true {
                found.append("isolation of bridge port \(port) is off")
            }
        }
        if let interface = rules.ports?.localRoute {
            let parameter = NodeRules.localRouting(interface)
            if try parameter.read() != "1" { found.append("\(parameter) is not 1") }
        }
        if let port = rules.ports?.hairpinPort {
            var route = try NetlinkSocket()
            if try route.link(.name(port))?.isHairpin != true { found.append("hairpin mode of \(port) is off") }
        }
        return found
    }
}
