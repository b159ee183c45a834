internal import Addresses
internal import Attachments
internal import CNI
internal import JSON
internal import Kernel
internal import EventLog
internal import NetlinkCodec
internal import Posix

/// Moves a device of the node into the pod, and back. Drop-in for the reference's `host-device`.
///
/// Meanwhile its alias holds its name on the node, as in the reference, so that each program can undo what the other did.
struct HostDevice: InterfacePlugin {
    static let traits = PluginTraits("host-device", .interface, addresses: .delegated)
    static let kind: String? = nil
    static var description: PluginDescription {
        PluginDescription(
            HostDevice(), "Moves a device of the node into the pod; give one of these keys.", Keys.everything,
            capabilities: ["deviceID"])
    }

    enum Keys {
        static let device = ConfigurationKey<String>.text("device", default: "", "The device's name, such as `eth1`.")
        static let hwaddr = ConfigurationKey<String>.text("hwaddr", default: "", "The device's MAC.")
        static let kernelpath = ConfigurationKey<String>.text(
            "kernelpath", default: "", "The device's path below `/sys/devices/`.")
        static let pciBusID = ConfigurationKey<String>.text(
            "pciBusID", default: "",
            "The device's PCI address, such as `0000:00:1f.6`; the capability `deviceID` takes precedence.")
        @KeyList static var everything: [KeyDescription] {
            device
            hwaddr
            kernelpath
            pciBusID
        }
    }

    func settings(_ request: Request) throws(Failure) -> DeviceSelector { try DeviceSelector(request) }

    // A device that a program in the pod drives itself (DPDK) is not a link: there are only addresses to hand out. The result names
    // the interface all the same, which is how that program learns of its addresses.

    func add(_ request: Request) throws(Failure) -> CNIResult {
        guard try settings(request).isDrivenByUserspace else { return try attach(request) }
        let addressing = try Addressing(ipamOf: request)
        try addressing.refuseBlocks(request)
        let dns = try request.configuration.dns()
        let pod = try request.openPod()
        var result = try addressing.reserve(request)
        result.interfaces = [.init(name: request.attachment.ifname, sandbox: pod.path)]
        for index in result.ips.indices { result.ips[index].interface = 0 }
        if !dns.isEmpty { result.dns = dns }
        return result
    }

    func check(_ request: Request) throws(Failure) {
        guard try settings(request).isDrivenByUserspace else { return try compare(request) }
        try Addressing(ipamOf: request).check(request)
    }

    /// Whether the request, perhaps one that an IPAM plugin got from this one, is for a device without a link.
    static func isWithoutLink(_ request: Request) -> Bool {
        let asked = try? request.configuration.decoding { (reader) throws(Failure) in
            try reader.member("type")?.string() ?? ""
        }
        guard asked == type else { return false }
        return (try? DeviceSelector(request).isDrivenByUserspace) ?? false
    }

    func podInterface(_ request: Request, _ settings: DeviceSelector) -> PodInterface {
        PodInterface(name: request.attachment.ifname, hearsRouters: true, announcesIPv6: true)
    }

    func make(
        _ name: String, _ settings: DeviceSelector, mac: MACAddress, in pod: borrowing NetworkNamespace,
        _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure) -> Link {
        // The device's last pod may have ended without DEL.
        try restoreName(of: settings, lastCalled: name, &host)
        let device = try settings.find(&host)
        let path = pod.path
        var change = LinkChange()
        change.namespace = pod.descriptor
        change.name = name
        change.alias = device.name
        do throws(Failure) {
            try host.execute("move \(device.name) to \(path) as \(name)") {
                $0.changeLink(.index(device.index), change)
            }
            guard let link = try inside.link(.name(name)) else {
                throw Failure("look up \(name) in \(pod.path)", .noSuchDevice)
            }
            return link
        } catch {
            // It may have been moved but not renamed, or everything succeeded and only the acknowledgement was lost.
            for called in [device.name, name] {
                guard let moved = try? inside.link(.name(called)), moved.mac == device.mac, moved.kind == device.kind
                else { continue }
                surviving { () throws(Failure) in try inside.moveHome(moved, as: device.name) }
            }
            throw error
        }
    }

    func remove(
        _ link: Link, _ request: Request, _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure) {
        let selector = try? settings(request)
        // A device without an original name in its alias was not moved here by ADD. If neither the configuration nor
        // ADD's result refers to it, it belongs to another attachment.
        guard Attachment.isInterfaceName(link.alias),
            selector?.selects(link) ?? true || hasAttached(link.name, request)
        else { return try takeBack(request, &host) }
        // Otherwise the move would leave it on the node under its name in the pod.
        guard try host.link(.name(link.alias)) == nil else {
            throw Failure(
                .conflict, "move \(link.name) back to the node as \(link.alias): the node has a link of that name",
                details: "rename that link, and call DEL again")
        }
        try inside.moveHome(link, as: link.alias)
    }

    func takeBack(_ request: Request, _ host: inout NetlinkSocket) throws(Failure) {
        guard let selector = try? settings(request) else { return }
        try restoreName(of: selector, lastCalled: request.attachment.ifname, &host)
    }

    /// Whether the runtime says that ADD has succeeded; an unreadable prevResult says nothing.
    private func hasAttached(_ name: String, _ request: Request) -> Bool {
        let result = try? request.configuration.previousResult()
        return result?.interfaces.contains { $0.name == name && $0.sandbox != nil } ?? false
    }

    /// A device returned by the kernel, because the pod's namespace has ended, still has its name from the pod.
    private func restoreName(
        of device: DeviceSelector, lastCalled name: String?, _ host: inout NetlinkSocket
    ) throws(Failure) {
        guard let link = try device.findRenamed(from: name, &host) else { return }
        var changes = Changes()
        var down = LinkChange()
        down.isUp = false
        var change = LinkChange()
        change.name = link.alias
        change.alias = ""
        changes.append("set \(link.name) down") { $0.changeLink(.index(link.index), down) }
        changes.append("rename \(link.name) to \(link.alias)") { $0.changeLink(.index(link.index), change) }
        try host.execute(changes)
    }

    func gc(_ request: Request) throws(Failure) {
        var cleanup = Cleanup()
        cleanup.attempt { () throws(Failure) in
            guard let device = try? settings(request) else { return }
            var host = try NetlinkSocket()
            try restoreName(of: device, lastCalled: nil, &host)
        }
        cleanup.attempt { () throws(Failure) in try Addressing(ipamOf: request).collectGarbage(request) }
        try cleanup.finish()
    }

    func check(
        _ link: Link, _ settings: DeviceSelector, _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure) {
        guard settings.selects(link) else {
            throw Failure(deviation: "\(link.name) is not the device asked for: \(settings)")
        }
    }

    /// A missing device is no error: it may be in a pod, where it belongs.
    func requireReady(_ settings: DeviceSelector, _ host: inout NetlinkSocket) throws(Failure) {}
}

extension NetlinkSocket {
    /// Moves a link from the socket's namespace to the plugin's, down, under its former name there.
    fileprivate mutating func moveHome(_ link: Link, as name: String) throws(Failure) {
        let home = try NetworkNamespace.current()
        var change = LinkChange()
        change.namespace = home.descriptor
        change.name = name
        change.alias = ""
        try execute("move \(link.name) back to the node as \(name)") { $0.changeLink(.index(link.index), change) }
    }
}
