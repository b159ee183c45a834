internal import Addresses
internal import CNI
internal import JSON
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// Gives the pod a tap device, for a virtual machine inside it. Drop-in for the reference's `tap`.
struct Tap: InterfacePlugin {
    static let traits = PluginTraits("tap", .interface, addresses: .delegated)
    // The driver's name in the kernel, for both tun and tap.
    static let kind: String? = "tun"
    static var description: PluginDescription {
        PluginDescription(
            Tap(), "Makes a tap device in the pod, for a virtual machine.", Keys.everything, capabilities: ["mac"])
    }

    struct Settings {
        let hasQueues: Bool
        let owner: UInt32?
        let group: UInt32?
        let mac: MACAddress?
        /// Octets; nil leaves it to the kernel.
        let mtu: UInt32?
        /// A bridge in the pod; nil for none.
        let bridge: String?
    }

    enum Keys {
        static let multiQueue = ConfigurationKey<Bool>.flag(
            "multiQueue", "Let a program open it several times, one queue each.")
        static let mtu = ConfigurationKey.mtu("MTU in octets, 68 to 65535; 0 leaves it to the kernel.")
        static let owner = id("owner", "User ID that may open it without privileges; by default any.")
        static let group = id("group", "Group ID that may open it without privileges; by default any.")
        static let bridge = ConfigurationKey<String>.text(
            "bridge", default: "", "Bridge in the pod that it becomes a port of.")
        static let selinuxContext = ConfigurationKey<String>.text(
            "selinuxContext", default: "", "Not supported: refused with code 2.")
        @KeyList static var everything: [KeyDescription] {
            multiQueue
            mtu
            Macvlan.Keys.mac
            owner
            group
            bridge
            selinuxContext
        }

        private static func id(_ name: String, _ summary: String) -> ConfigurationKey<UInt32?> {
            ConfigurationKey(name, default: nil, summary) { reader throws(Failure) in try reader.uint32() }
        }
    }

    func settings(_ request: Request) throws(Failure) -> Settings {
        let configuration = request.configuration
        guard try configuration[Keys.selinuxContext].isEmpty else {
            throw Failure(
                .unsupportedField, "selinuxContext: devices are made in the context that the plugin runs in",
                details: "leave it out, or give the plugin's executable that context")
        }
        let mtu = try configuration[Keys.mtu]
        let bridge = try configuration[Keys.bridge]
        return Settings(
            hasQueues: try configuration[Keys.multiQueue], owner: try configuration[Keys.owner],
            group: try configuration[Keys.group],
            mac: try request.requestedMAC(configured: configuration[Macvlan.Keys.mac]),
            mtu: mtu == 0 ? nil : UInt32(mtu), bridge: bridge.isEmpty ? nil : bridge)
    }

    func make(
        _ name: String, _ settings: Settings, mac: MACAddress, in pod: borrowing NetworkNamespace,
        _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure) -> Link {
        var change = LinkChange()
        change.mac = settings.mac
        change.mtu = settings.mtu
        if let bridge = settings.bridge {
            guard let link = try inside.link(.name(bridge)) else {
                throw Failure(.invalidConfiguration, "bridge: there is no link \"\(bridge)\" in \(pod.path)")
            }
            change.master = link.index
        }
        do throws(Failure) {
            try pod.run { () throws(Failure) in
                try TapDevice.make(name, hasQueues: settings.hasQueues, owner: settings.owner, group: settings.group)
            }
        } catch {
            throw error.errno == .busy ? PodInterface.taken(name, kind: Tap.type, in: pod.path) : error
        }
        do throws(Failure) {
            try inside.execute("configure tap \(name)") { $0.changeLink(.name(name), change) }
            guard let link = try inside.link(.name(name)) else {
                throw Failure("look up \(name) in \(pod.path)", .noSuchDevice)
            }
            return link
        } catch {
            inside.withdraw(name)
            throw error
        }
    }

    func configuredMTU(_ settings: Settings) -> UInt32? { settings.mtu }

    func check(
        _ link: Link, _ settings: Settings, _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws(Failure) {
        guard let bridge = settings.bridge else { return }
        guard let master = try inside.link(.name(bridge)), master.index == link.master else {
            throw Failure(deviation: "\(link.name) is not a port of \(bridge)")
        }
    }

    func requireReady(_ settings: Settings, _ host: inout NetlinkSocket) throws(Failure) {
        do throws(Errno) { try FileStatus.requireWritable("/dev/net/tun") } catch {
            throw Failure(.notAvailable, "write to /dev/net/tun: \(error)", details: "load the module tun")
        }
    }
}
