internal import Addresses
internal import Files
public import Inventory
internal import Kernel
internal import Netfilter
internal import NetlinkCodec
internal import PacketRules
public import Posix

extension Examination {
    /// Examines the node of the caller's network namespace without changing anything.
    ///
    /// What cannot be examined is left out and named in ``Facts/remarks``.
    /// - Parameters:
    ///   - binaries: the directory where runtimes look for plugins.
    ///   - grace: in seconds; anything younger may belong to an ADD in progress.
    /// - Throws: when the kernel does not list the node's own links.
    /// - Precondition: the process has one thread, because it enters the pods' namespaces.
    public static func read(_ places: Snapshot.Places, binaries: String, grace: Int) throws(Failure)
        -> Examination
    {
        let snapshot = try Snapshot.read(places)
        var facts = Facts()
        facts.binaries = binaries
        facts.readFiles(places.configurations)
        facts.askPlugins()
        facts.readParameters(snapshot)
        facts.readKernel(snapshot)
        facts.readFirewalls()
        facts.checkRules(snapshot)
        facts.readManagers(snapshot, run: "/run")
        facts.readSpace(snapshot.networks.compactMap { $0.store } + places.dataDirectories)
        facts.readListeners(snapshot)
        facts.readDiversions(Examination(snapshot, facts, grace: grace))
        return Examination(snapshot, facts, grace: grace)
    }
}

extension Examination {
    /// Examines only how packets get from pods to others and back: for a snapshot that is there already.
    public static func ofWays(_ snapshot: Snapshot, _ places: Snapshot.Places) throws(Failure) -> Examination {
        var facts = Facts()
        facts.readFiles(places.configurations)
        facts.readParameters(snapshot)
        facts.readFirewalls()
        facts.readDiversions(Examination(snapshot, facts))
        return Examination(snapshot, facts)
    }
}

extension Facts {
    /// Notes what cannot be read and continues with a fallback.
    mutating func noting<Value>(_ fallback: Value, _ body: () throws(Failure) -> Value) -> Value {
        do throws(Failure) { return try body() } catch {
            remarks.append("\(error)")
            return fallback
        }
    }

    fileprivate mutating func readParameters(_ snapshot: Snapshot) {
        var names = [
            "ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv4/conf/all/rp_filter", "bridge/bridge-nf-call-iptables",
            "bridge/bridge-nf-call-ip6tables", "netfilter/nf_conntrack_count", "netfilter/nf_conntrack_max",
            "ipv4/neigh/default/gc_thresh3", "ipv6/neigh/default/gc_thresh3",
        ]
        let interfaces = Set(
            snapshot.uplinks + snapshot.networks.compactMap { $0.bridge }
                + snapshot.attachments.flatMap { [$0.bridge, $0.hostInterface].compactMap { $0 } })
        for interface in interfaces {
            names += ["forwarding", "rp_filter"].map { "ipv4/conf/\(interface)/\($0)" }
            names += ["accept_ra", "disable_ipv6"].map { "ipv6/conf/\(interface)/\($0)" }
        }
        for name in names {
            // A parameter that vanishes while it is read counts as missing.
            if let value = (try? Sysctl(name).read()) ?? nil { parameters[name] = value }
        }
    }

    fileprivate mutating func readKernel(_ snapshot: Snapshot) {
        for (family, file) in [(IPFamily.v4, "arp_cache"), (.v6, "ndisc_cache")] {
            // Only the machine's initial namespace has this file.
            let content = try? File.content("/proc/net/stat/\(file)")
            if let content { neighbours[family] = Facts.entries(String(decoding: content, as: UTF8.self)) }
        }
        let names = Dictionary(snapshot.interfaces.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
        advertisedUplinks = noting([]) { () throws(Failure) in
            var socket = try NetlinkSocket()
            // RTPROT_RA, linux/rtnetlink.h.
            return try socket.routes(.v6).filter { $0.destination.prefixLength == 0 && $0.origin == 9 }
                .compactMap { names[$0.interface] }
        }
    }

    /// The first column of the first processor's line: it is the same for all processors.
    static func entries(_ statistics: String) -> Int? {
        let lines = statistics.split(separator: "\n")
        guard lines.count > 1, lines[0].hasPrefix("entries") else { return nil }
        return lines[1].split(separator: " ").first.flatMap { Int($0, radix: 16) }
    }

    fileprivate mutating func checkRules(_ snapshot: Snapshot) {
        // The snapshot already reports when the records cannot be listed.
        for record in (try? NodeRules.recorded()) ?? [] {
            if record.rules == nil, snapshot.hasAttachment(record.owner) {
                unreadableRecords.append("\(record.owner.name) (\(record.owner.plugin))")
            }
            guard record.isNamespaceAlive == true, let rules = record.rules else { continue }
            do throws(Failure) {
                var node = try NodeRules()
                try node.check(rules, record.owner)
            } catch {
                damagedRules.append(("\(record.owner.name) (\(record.owner.plugin))", error.message))
            }
        }
    }

    /// systemd-networkd and NetworkManager keep a file for each interface that they know, named by its index.
    mutating func readManagers(_ snapshot: Snapshot, run: String) {
        let names = Set(
            snapshot.attachments.flatMap { [$0.bridge, $0.hostInterface].compactMap { $0 } }
                + snapshot.networks.compactMap { $0.bridge })
        for interface in snapshot.interfaces where names.contains(interface.name) {
            func holds(_ file: String, _ test: (Substring) -> Bool) -> Bool {
                guard let content = try? File.content("\(run)/\(file)/\(interface.index)") else { return false }
                return String(decoding: content, as: UTF8.self).split(separator: "\n").contains(where: test)
            }
            if holds("systemd/netif/links", { $0.hasPrefix("NETWORK_FILE=/") }) {
                managedLinks[interface.name] = "systemd-networkd"
            } else if holds("NetworkManager/devices", { $0 == "managed=1" || $0 == "managed=true" }) {
                managedLinks[interface.name] = "NetworkManager"
            }
        }
    }
}

// MARK: - Firewalls

extension Facts {
    fileprivate mutating func readFirewalls() {
        var chains: [NftListedChain] = []
        firewall = noting(Ruleset()) { () throws(Failure) in
            var socket = try NetlinkSocket(.netfilter)
            for family in [NftFamily.ip, .ip6, .inet, .bridge] {
                chains += try socket.chains(family).filter { $0.table.family == family }
            }
            // Of tables that only rewrite addresses, such as those of Services, there may be tens of thousands of rules.
            let deciding = chains.filter { chain in
                chain.chain.hook.map { $0.type != "nat" && [.prerouting, .forward, .postrouting].contains($0.point) }
                    ?? false
            }
            let tables = Set(deciding.map { $0.table }).filter { !NodeRules.tables.contains("\($0)") }
            return try Ruleset(of: chains.filter { tables.contains($0.table) }, &socket)
        }
        netdevTables = noting([]) { () throws(Failure) in
            var socket = try NetlinkSocket(.netfilter)
            let other = NftOtherFamily.netdev
            // A kernel without that family has no such tables.
            let tables = try? socket.dump("list chains", other.table(ofBaseChain:)) { $0.dumpChains(other) }
            return Set(tables ?? []).map { "table netdev \($0)" }.sorted()
        }
        hasServices = chains.contains { $0.chain.name == "KUBE-SERVICES" || $0.table.name == "kube-proxy" }
        for (family, file, program) in [
            (IPFamily.v4, "ip_tables_names", "iptables-legacy-save"),
            (.v6, "ip6_tables_names", "ip6tables-legacy-save"),
        ] {
            guard let content = try? File.content("/proc/net/\(file)"),
                String(decoding: content, as: UTF8.self).split(separator: "\n").contains("filter")
            else { continue }
            let paths = ["/usr/sbin", "/sbin", "/usr/bin"].map { "\($0)/\(program)" }
            guard let path = paths.first(where: { (try? FileStatus.of($0)) != nil }) else {
                remarks.append("\(family.title): iptables-legacy has rules, but there is no \(program) to read them")
                continue
            }
            let lines = noting([]) { () throws(Failure) -> [String] in
                let output = try attempting("run \(path)") { () throws(Errno) in
                    try ChildProcess.run(
                        path, environment: ProcessEnvironment.variables, input: [], outputLimit: 64 << 20)
                }
                return String(decoding: output.standardOutput, as: UTF8.self).split(separator: "\n").map(String.init)
            }
            hasServices = hasServices || lines.contains { $0.hasPrefix(":KUBE-SERVICES ") }
            legacyForward[family] = Facts.forward(lines)
        }
    }

    /// The lines of iptables-save for the FORWARD chain of the filter table.
    static func forward(_ lines: [String]) -> [String] {
        let filter = lines.drop { $0 != "*filter" }.prefix { $0 != "COMMIT" }
        return filter.filter { $0.hasPrefix(":FORWARD ") || $0.hasPrefix("-A FORWARD ") }
    }
}
