internal import Addresses
internal import CNI
internal import JSON
internal import Plugins
internal import Posix
internal import Synchronization
internal import Spelling

/// Checks one plugin's block of a file.
struct PluginCheck {
    let block: JSONReader
    let type: String
    /// Nil for a plugin that is not ours, whose keys are unknown.
    let plugin: PluginDescription?
    private let ipamType: String?
    private let ipam: PluginDescription?
    private let network: String
    private let version: SpecVersion
    private let validator: Validator

    /// - Parameters:
    ///   - block: an object.
    ///   - network: the network name to read it with.
    init(_ block: JSONReader, _ type: String, network: String, version: SpecVersion, validator: Validator) {
        self.block = block
        self.type = type
        self.network = network
        self.version = version
        self.validator = validator
        plugin = PluginDescription.of(type)
        ipamType = (try? block.member("ipam")?.nonEmpty("type")).flatMap { $0 }
        ipam = ipamType.flatMap(PluginDescription.of)
    }

    func run(behind earlier: [PluginCheck], _ findings: inout Findings) {
        for type in [type, ipamType].compactMap({ $0 }) {
            let place = member(type == self.type ? "type" : "ipam.type")
            let meant = Hints.plugin(type).map { "did you mean \($0)?" }
            if !validator.hasPlugin(type) {
                findings.add(
                    .error, at: place, "failed to find plugin \"\(type)\" in path [\(validator.binDirectory ?? "")]",
                    meant ?? "install it, or name its directory by --bin-dir")
            } else if validator.binDirectory == nil, let meant {
                findings.add(.warning, at: place, "\(type) is not a plugin known here", meant)
            }
        }
        checkCapabilities(behind: earlier, &findings)
        for key in ["runtimeConfig", "prevResult"] where has(key) {
            findings.add(.warning, at: member(key), "the runtime fills this in: in a file it has no effect")
        }
        guard let plugin else { return }
        let unknown = checkKnown(plugin, &findings)
        // Checks each key separately, so that all errors are reported at once.
        let wrong =
            (keysOf(plugin).map(plugin.wrongValues) ?? [])
            + (plugin.role == .addresses ? [] : ipam.flatMap { ipam in ipamObject.map(ipam.wrongValues) } ?? [])
        let refused = refusal(behind: earlier, &findings).map { [$0] } ?? []
        // A plugin does not complain about a wrong value that it never reads.
        let isRefused = !refused.isEmpty || (plugin.refusesUnknownKeys && !unknown.isEmpty)
        for failure in wrong { report(failure, isRefused ? .error : .warning, &findings) }
        for failure in refused { report(failure, .error, &findings) }
        checkPlace(plugin, behind: earlier, &findings)
        checkExceptions(&findings)
    }

    /// The subnets that pods get their addresses from.
    var subnets: [CIDR] {
        guard let (source, keys) = (try? PluginTraits.addresses(of: type, block)) ?? nil, source == .store else {
            return []
        }
        let sets = ((try? keys.member("ranges")?.elements()) ?? []).flatMap { (try? $0.elements()) ?? [] }
        return ([keys] + sets).compactMap { range in
            ((try? range.member("subnet")) ?? nil).flatMap { try? $0.cidr() }
        }
    }

    // MARK: Keys

    private func checkKnown(_ plugin: PluginDescription, _ findings: inout Findings) -> [UnknownKey] {
        let unknown = keysOf(plugin).map(plugin.unknownKeys) ?? []
        for key in unknown {
            let hint = Hints.key(key, of: plugin, ipam: ipam)
            if plugin.refusesUnknownKeys {
                findings.add(.error, at: key.path, plugin.refusal(of: key).message, hint)
            } else {
                findings.add(.warning, at: key.path, "\(plugin.type) does not know this key, and ignores it", hint)
            }
        }
        guard let ipam, plugin.role != .addresses else { return unknown }
        for key in ipamObject.map(ipam.unknownKeys) ?? [] {
            findings.add(
                .warning, at: key.path, "\(ipam.type) does not know this key, and ignores it",
                Hints.key(key, of: ipam, ipam: nil))
        }
        return unknown
    }

    // MARK: The plugin's own reading

    /// Why the plugin, or the IPAM plugin that it uses, would refuse the block; nil if neither would.
    private func refusal(behind earlier: [PluginCheck], _ findings: inout Findings) -> Failure? {
        guard let plugin, case .object(var object) = block.value else { return nil }
        object["name"] = .string(network)
        object["cniVersion"] = .string(version.rawValue)
        standIn(&object)
        if plugin.refusesUnknownKeys {
            // Unknown keys have been reported already, and would hide other errors.
            for key in plugin.unknownKeys(in: JSONReader(.object(object))) { object[key.key] = nil }
        }
        let said = Mutex<[String]>([])
        var refusal: Failure?
        do throws(Failure) {
            let configuration = try Configuration(JSON.object(object).serialized(pretty: false))
            // STATUS is the request to an interface plugin that does not depend on the results of earlier plugins.
            let command: Command = earlier.isEmpty ? .add : plugin.role == .chained ? .check : .status
            let request = try Request(reading: configuration, for: command) { line in
                said.withLock { $0.append(line) }
            }
            if !isFilledInByRuntime(object) { try plugin.read(request) }
            if plugin.role != .addresses, let ipam { try ipam.read(request) }
        } catch { refusal = error }
        for line in said.withLock({ $0 }) { findings.add(.note, at: block.path, line) }
        return refusal
    }

    /// Adds a stand-in for what the runtime will fill in, if the block cannot be valid without it.
    private func standIn(_ object: inout JSON.Object) {
        guard declares("ipRanges"), !has("runtimeConfig"), subnets.isEmpty else { return }
        // TEST-NET-1, RFC 5737.
        object["runtimeConfig"] = ["ipRanges": [[["subnet": "192.0.2.0/24"]]]]
    }

    private func isFilledInByRuntime(_ object: JSON.Object) -> Bool {
        guard let plugin, plugin.capabilities.contains("deviceID"), declares("deviceID") else { return false }
        return !plugin.keys.contains { has($0.name) }
    }

    /// Locates a failure: a message that begins with a key is about that key.
    private func report(_ failure: Failure, _ severity: Finding.Severity, _ findings: inout Findings) {
        if !block.path.isEmpty, failure.message.hasPrefix(block.path) {
            let path = String(failure.message.prefix { $0 != " " && $0 != ":" })
            return findings.add(severity, at: path, failure.message, failure.details)
        }
        let key = String(failure.message.prefix { $0 != " " && $0 != ":" })
        let root = String(key.prefix { $0 != "." && $0 != "[" })
        guard !root.isEmpty, findings.map.has(member(root)) else {
            return findings.add(severity, at: block.path, "\(type): \(failure.message)", failure.details)
        }
        let prefix = block.path.isEmpty ? "" : "\(block.path)."
        findings.add(severity, at: prefix + key, prefix + failure.message, failure.details)
    }

    /// A cluster's pod network is exempt from masquerading, and the node's subnet is a part of it: whoever changes one of them in a
    /// copied file changes the other too.
    private func checkExceptions(_ findings: inout Findings) {
        let exceptions = ((try? block.member("nonMasqueradeCIDRs")?.elements()) ?? []).compactMap { try? $0.cidr() }
        let apart = subnets.first { subnet in
            let others = exceptions.filter { $0.family == subnet.family }
            return !others.isEmpty && !others.contains { $0.overlaps(subnet) }
        }
        guard let subnet = apart else { return }
        findings.add(
            .note, at: member("nonMasqueradeCIDRs"),
            "no network here has the pods' own \(subnet) in it: pods of other nodes see the node's address, unless theirs are here",
            "for a cluster, name the pod network of all nodes")
    }

    // MARK: Together with other plugins

    private func checkPlace(
        _ plugin: PluginDescription, behind earlier: [PluginCheck], _ findings: inout Findings
    ) {
        if let ipam, ipam.role != .addresses {
            findings.add(
                .error, at: member("ipam.type"), "\(ipam.type) hands out no addresses",
                "use host-local, static or dhcp")
        }
        switch plugin.role {
        case .chained where earlier.isEmpty:
            findings.add(
                .error, at: block.path, "\(type) is the first plugin: missing prevResult from earlier plugin",
                "it changes what another plugin has made: put it after that one")
        case .interface:
            guard let first = earlier.first(where: { $0.plugin?.role.makesInterface == true }) else { break }
            findings.add(
                .warning, at: block.path,
                "\(type) makes the pod's interface, which \(first.type) has already made, so the name is taken",
                "for a second interface, use a second network")
        case .addresses:
            findings.add(
                .warning, at: block.path, "\(type) hands out addresses, but makes no interface",
                "it belongs in ipam of a plugin that does")
        default: break
        }
        if plugin.traits.usesBridge, plugin.traits.addresses == .delegated, ipamType == nil {
            findings.add(
                .note, at: block.path, "without ipam the pods get no addresses",
                "kubelet, containerd and CRI-O require one")
        }
        let chained = plugin.role == .chained ? plugin.traits.services : []
        if chained.contains(.ports), !declares("portMappings") {
            findings.add(
                .warning, at: block.path, "\(type) gets no ports", "\"capabilities\": {\"portMappings\": true}")
        }
        if chained.contains(.limits), !declares("bandwidth"), !plugin.keys.contains(where: { has($0.name) }) {
            findings.add(
                .warning, at: block.path, "\(type) gets no limits", "\"capabilities\": {\"bandwidth\": true}")
        }
        let policy = ((try? block.member("ingressPolicy")) ?? nil)?.value
        if chained.contains(.isolation), policy == "same-bridge" || policy == "isolated", !earlier.isEmpty,
            earlier.allSatisfy({ $0.plugin?.traits.usesBridge == false })
        {
            findings.add(
                .error, at: member("ingressPolicy"), "it needs a bridge, but prevResult has none",
                "\(type) must come after bridge in \"plugins\"")
        }
    }

    private func checkCapabilities(behind earlier: [PluginCheck], _ findings: inout Findings) {
        guard let list = (try? block.member("capabilities")) ?? nil else { return }
        guard case .object(let object) = list.value else {
            return findings.add(.error, at: list.path, "it must be an object, but is \(list.value.kind)")
        }
        for member in object.members {
            let path = "\(list.path).\(member.key)"
            guard case .bool(let isWanted) = member.value else {
                findings.add(.error, at: path, "it must be true or false, but is \(member.value.kind)")
                continue
            }
            guard isWanted, let plugin else { continue }
            let taken = plugin.capabilities + (ipam?.capabilities ?? [])
            if !taken.contains(member.key), ipamType == nil || ipam != nil {
                let nearest = Spelling.nearest(to: member.key, among: taken)
                let takers = PluginDescription.all.filter { $0.capabilities.contains(member.key) }.map { $0.type }
                findings.add(
                    .warning, at: path, "\(type) does nothing for this capability",
                    nearest.map { "did you mean \($0)?" }
                        ?? (takers.isEmpty ? "" : "it is served by \(takers.joined(separator: ", "))"))
            }
            if ["portMappings", "bandwidth"].contains(member.key),
                let other = earlier.first(where: { $0.plugin != nil && $0.declares(member.key) })
            {
                findings.add(
                    .warning, at: path, "\(other.type) already serves this capability", "declare it for one of the two")
            }
        }
    }

    // MARK: Members

    private var ipamObject: JSONReader? {
        guard let object = (try? block.member("ipam")) ?? nil, case .object = object.value else { return nil }
        return object
    }

    /// The object that contains the plugin's keys.
    private func keysOf(_ plugin: PluginDescription) -> JSONReader? { plugin.role == .addresses ? ipamObject : block }

    private func member(_ name: String) -> String { block.path.isEmpty ? name : "\(block.path).\(name)" }

    private func has(_ key: String) -> Bool { ((try? block.member(key)) ?? nil) != nil }

    private func declares(_ capability: String) -> Bool {
        let value = (try? block.member("capabilities")?.member(capability)) ?? nil
        return value?.value == .bool(true)
    }
}
