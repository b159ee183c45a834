internal import Addresses
internal import CNI
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// Values of an interface and of its namespace: wanted ones or former ones. Nil means unchanged.
struct TuningValues {
    var mac: MACAddress?
    var isPromiscuous: Bool?
    /// Octets.
    var mtu: UInt32?
    var isAllMulticast: Bool?
    /// Packets.
    var txQueueLength: UInt32?
    var sysctls: [Setting] = []

    struct Setting {
        let sysctl: NetworkSysctl
        let value: String
    }

    var isEmpty: Bool { !concernsLink && sysctls.isEmpty }

    /// Whether any value concerns the interface itself.
    var concernsLink: Bool {
        mac != nil || isPromiscuous != nil || mtu != nil || isAllMulticast != nil || txQueueLength != nil
    }

    /// The current values of everything that these would change. Call in the pod's namespace.
    ///
    /// - Throws: also if a sysctl cannot be written, before anything has changed.
    func current(_ link: Link?) throws(Failure) -> TuningValues {
        var now = TuningValues()
        if let link {
            now.mac = mac == nil ? nil : link.mac
            now.isPromiscuous = isPromiscuous == nil ? nil : link.flags & InterfaceFlag.promiscuous != 0
            now.mtu = mtu == nil ? nil : link.mtu
            now.isAllMulticast = isAllMulticast == nil ? nil : link.flags & InterfaceFlag.allMulticast != 0
            now.txQueueLength = txQueueLength == nil ? nil : link.txQueueLength
        }
        for setting in sysctls {
            try setting.sysctl.sysctl.requireWritable()
            // Some cannot be read, such as `ipv4/route/flush`, so there is nothing to restore.
            guard let value = try? setting.sysctl.sysctl.read() else { continue }
            now.sysctls.append(Setting(sysctl: setting.sysctl, value: value))
        }
        return now
    }

    /// These values, completed by the others' values for anything else.
    func completed(by others: TuningValues) -> TuningValues {
        var both = self
        both.mac = mac ?? others.mac
        both.isPromiscuous = isPromiscuous ?? others.isPromiscuous
        both.mtu = mtu ?? others.mtu
        both.isAllMulticast = isAllMulticast ?? others.isAllMulticast
        both.txQueueLength = txQueueLength ?? others.txQueueLength
        both.sysctls += others.sysctls.filter { other in !sysctls.contains { $0.sysctl.name == other.sysctl.name } }
        return both
    }

    /// Sets all values, or those up to the first failure. Call in the pod's namespace.
    func set(_ link: Link?, _ inside: inout NetlinkSocket) throws(Failure) {
        for setting in sysctls { try setting.write() }
        if let link { try inside.execute(changes(of: link)) }
    }

    /// Sets as many values as possible: what is gone by now needs none. Call in the pod's namespace.
    func restore(_ link: Link?, _ inside: inout NetlinkSocket, _ cleanup: inout Cleanup) {
        if let link { cleanup.attempt { () throws(Failure) in try inside.execute(changes(of: link)) } }
        for setting in sysctls.reversed() {
            cleanup.attempt { () throws(Failure) in try setting.sysctl.sysctl.write(setting.value) }
        }
    }

    /// One message per value, because the kernel continues after one that fails.
    private func changes(of link: Link) -> Changes {
        var parts: [(what: String, change: LinkChange)] = []
        func append(_ what: String, _ set: (inout LinkChange) -> Void) {
            var change = LinkChange()
            set(&change)
            parts.append((what, change))
        }
        if let mac { append("MAC \(mac)") { $0.mac = mac } }
        if let isPromiscuous { append("promiscuous mode \(isPromiscuous)") { $0.isPromiscuous = isPromiscuous } }
        if let mtu { append("MTU \(mtu)") { $0.mtu = mtu } }
        if let isAllMulticast { append("all-multicast mode \(isAllMulticast)") { $0.isAllMulticast = isAllMulticast } }
        if let length = txQueueLength { append("transmit queue length \(length)") { $0.txQueueLength = length } }
        var changes = Changes()
        for part in parts {
            changes.append("set \(part.what) of \(link.name)") { $0.changeLink(.index(link.index), part.change) }
        }
        return changes
    }
}

extension TuningValues.Setting {
    fileprivate func write() throws(Failure) {
        guard try sysctl.sysctl.write(value) else {
            throw Failure("write \(value) to \(sysctl.sysctl)", .noSuchFile)
        }
    }

    /// Whether the kernel has this value; it formats values with its own blanks.
    func isKept(as text: String) -> Bool {
        text.split { $0.isWhitespace } == value.split { $0.isWhitespace }
    }
}
