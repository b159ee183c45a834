internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import EventLog
internal import NetlinkCodec
internal import Posix

/// Sets sysctls of the pod's namespace and properties of its interface. Drop-in for the reference's `tuning`.
struct Tuning: BuiltInPlugin {
    static let traits = PluginTraits("tuning", .chained)
    static var description: PluginDescription {
        PluginDescription(
            traits, "Chained after the plugin that makes the interface; `args.cni` may hold all keys but `dataDir`.",
            TuningSettings.Keys.everything, capabilities: ["mac"]
        ) { request throws(Failure) in _ = try TuningSettings(request) }
    }

    func add(_ request: Request) throws(Failure) -> CNIResult {
        let settings = try TuningSettings(request)
        let wanted = settings.wanted
        if !wanted.sysctls.isEmpty { try SysctlAllowlist()?.require(wanted.sysctls.map { $0.sysctl.key }) }
        var result = try request.requiredPreviousResult()
        let pod = try request.openPod()
        guard !wanted.isEmpty else { return result }
        let ifname = request.attachment.ifname
        let file = TuningFile(directory: settings.dataDirectory, attachment: request.attachment)
        let namespace = try pod.inode()
        // Written by an earlier `tuning` of the same network in the chain, which changed the values first.
        let earlier = file.read().flatMap {
            $0.network == request.configuration.name && $0.namespace == namespace ? $0 : nil
        }
        try pod.run { () throws(Failure) in
            var inside = try NetlinkSocket()
            let link = wanted.concernsLink ? try inside.chainedInterface(ifname, in: pod.path) : nil
            let before = try wanted.current(link)
            let kept = earlier?.values.completed(by: before) ?? before
            try file.write(.init(values: kept, network: request.configuration.name, namespace: namespace))
            do throws(Failure) { try wanted.set(link, &inside) } catch {
                var cleanup = Cleanup()
                before.restore(link, &inside, &cleanup)
                surviving { () throws(Failure) in
                    if let earlier { try file.write(earlier) } else { try file.remove() }
                }
                throw error
            }
        }
        result.describe(wanted, ifname)
        return result
    }

    /// Restores the former values. Only `dataDir` of the configuration matters here.
    func del(_ request: Request) throws(Failure) {
        let directory = (try? TuningSettings.dataDirectory(request)) ?? TuningSettings.Keys.dataDir.fallback
        let file = TuningFile(directory: directory, attachment: request.attachment)
        var cleanup = Cleanup()
        if let content = file.read(), case .present(let pod) = try PodPresence(request) {
            try pod.run { () throws(Failure) in
                var inside = try NetlinkSocket()
                let inode = try pod.inode()
                // A later pod of the same name has nothing of ours.
                guard content.namespace == 0 || content.namespace == inode else { return }
                content.values.restore(try inside.link(.name(request.attachment.ifname)), &inside, &cleanup)
            }
        }
        // In any case, so that a failed restore is reported once and does not block the pod's removal.
        cleanup.attempt { () throws(Failure) in try file.remove() }
        try cleanup.finish()
    }

    func check(_ request: Request) throws(Failure) {
        let wanted = try TuningSettings(request).wanted
        _ = try request.requiredPreviousResult()
        let pod = try request.openPod()
        let ifname = request.attachment.ifname
        try pod.run { () throws(Failure) in
            for setting in wanted.sysctls { try check(setting) }
            guard wanted.concernsLink else { return }
            var inside = try NetlinkSocket()
            guard let link = try inside.link(.name(ifname)) else {
                throw Failure(.checkFailed, "Cannot find container link \(ifname) in \(pod.path)")
            }
            try check(wanted, link)
        }
    }

    private func check(_ setting: TuningValues.Setting) throws(Failure) {
        let sysctl = setting.sysctl.sysctl
        let current: String?
        do throws(Failure) { current = try sysctl.read() } catch {
            // Write-only, so its value cannot be checked.
            guard [.accessDenied, .notPermitted].contains(error.errno) else { throw error }
            return
        }
        guard let current, setting.isKept(as: current) else {
            throw differs("value of \(sysctl)", setting.value, current ?? "missing")
        }
    }

    private func check(_ wanted: TuningValues, _ link: Link) throws(Failure) {
        if let mac = wanted.mac, mac != link.mac {
            throw differs("Ethernet of \(link.name)", "\(mac)", link.mac?.description ?? "none")
        }
        let isPromiscuous = link.flags & InterfaceFlag.promiscuous != 0 || link.promiscuity > 0
        if wanted.isPromiscuous == true, !isPromiscuous {
            throw differs("promisc of \(link.name)", "true", "false")
        }
        if let mtu = wanted.mtu, mtu != link.mtu { throw differs("MTU of \(link.name)", "\(mtu)", "\(link.mtu)") }
        let isAllMulticast = link.flags & InterfaceFlag.allMulticast != 0
        if let wanted = wanted.isAllMulticast, wanted != isAllMulticast {
            throw differs("all-multicast mode of \(link.name)", "\(wanted)", "\(isAllMulticast)")
        }
        if let length = wanted.txQueueLength, length != link.txQueueLength {
            throw differs("Transmit Queue Length of \(link.name)", "\(length)", "\(link.txQueueLength)")
        }
    }

    private func differs(_ what: String, _ wanted: String, _ current: String) -> Failure {
        Failure(
            .checkFailed, "Tuning configured \(what) is \(wanted), current value is \(current)",
            details: "something has changed it since ADD")
    }

    func gc(_ request: Request) throws(Failure) {
        try TuningFile.collectGarbage(
            in: TuningSettings.dataDirectory(request), network: request.configuration.name,
            keeping: request.configuration.validAttachments())
    }

    func status(_ request: Request) throws(Failure) {
        guard try !TuningSettings(request).wanted.sysctls.isEmpty else { return }
        do throws(Failure) {
            _ = try SysctlAllowlist()
            // A sysctl that every namespace has.
            try Sysctl("core/somaxconn").requireWritable()
        } catch { throw Failure(.notAvailable, "\(error)", details: "tuning could not set sysctls") }
    }
}

extension CNIResult {
    /// Describes the pod's interface as it is now.
    fileprivate mutating func describe(_ values: TuningValues, _ ifname: String) {
        for index in interfaces.indices where interfaces[index].name == ifname && interfaces[index].sandbox != nil {
            if let mac = values.mac { interfaces[index].mac = mac.description }
            if let mtu = values.mtu { interfaces[index].mtu = mtu }
        }
    }
}
