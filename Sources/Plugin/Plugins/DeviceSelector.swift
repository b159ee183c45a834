internal import Addresses
internal import Attachments
internal import CNI
internal import JSON
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// Selects one of the node's devices.
enum DeviceSelector: CustomStringConvertible {
    case name(String)
    case mac(MACAddress)
    /// A directory of sysfs that belongs to the device.
    case path(String)

    init(_ request: Request) throws(Failure) {
        let configuration = request.configuration
        let identifier = try configuration.decoding { (reader) throws(Failure) in
            try reader.member("runtimeConfig")?.nonEmpty("deviceID")
        }
        let (name, mac) = (try configuration[HostDevice.Keys.device], try configuration[HostDevice.Keys.hwaddr])
        let (path, address) = (
            try configuration[HostDevice.Keys.kernelpath], try configuration[HostDevice.Keys.pciBusID]
        )
        if let identifier {
            self = .path(try DeviceSelector.device(identifier))
        } else if !name.isEmpty {
            self = .name(name)
        } else if !mac.isEmpty {
            guard let mac = MACAddress(mac) else {
                throw Failure(.invalidConfiguration, "failed to parse MAC address \"\(mac)\"", details: "hwaddr")
            }
            self = .mac(mac)
        } else if !path.isEmpty {
            guard path.hasPrefix("/sys/devices/"), !path.split(separator: "/").contains("..") else {
                throw Failure(
                    .invalidConfiguration,
                    "kernel device path \"\(path)\" must be absolute and begin with /sys/devices/",
                    details: "kernelpath")
            }
            self = .path(path)
        } else if !address.isEmpty {
            self = .path("/sys/bus/pci/devices/\(try DeviceSelector.component(address, "pciBusID"))")
        } else {
            throw Failure(
                .invalidConfiguration, "specify either \"device\", \"hwaddr\", \"kernelpath\" or \"pciBusID\"")
        }
    }

    /// The device allocated by a runtime: a PCI address, or the name of an auxiliary device (a subfunction).
    private static func device(_ identifier: String) throws(Failure) -> String {
        let name = try component(identifier, "deviceID")
        for bus in ["pci", "auxiliary"] {
            let path = "/sys/bus/\(bus)/devices/\(name)"
            if (try? FileStatus.of(path)) != nil { return path }
        }
        throw Failure(.invalidConfiguration, "runtime config DeviceID \(name) not found or unsupported")
    }

    private static func component(_ text: String, _ key: String) throws(Failure) -> String {
        guard !text.utf8.contains(UInt8(ascii: "/")), !text.hasPrefix("."), !text.utf8.contains(0) else {
            throw Failure(.invalidConfiguration, "\(key) \"\(text)\" is not the address of a device")
        }
        return text
    }

    var description: String {
        switch self {
        case .name(let name): name
        case .mac(let mac): "MAC \(mac)"
        case .path(let path): path
        }
    }

    /// Whether a program drives the device itself, so that the kernel has no link for it (DPDK).
    var isDrivenByUserspace: Bool {
        guard case .path(let path) = self, let target = try? FileDescriptor.open(path, .readOnly),
            let driver = try? target.readSymbolicLink("driver").split(separator: "/").last
        else { return false }
        return ["vfio-pci", "uio_pci_generic", "igb_uio"].contains(String(driver))
    }

    /// - Throws: code 7 if the node has no such device.
    func find(_ host: inout NetlinkSocket) throws(Failure) -> Link {
        let link: Link? =
            switch self {
            case .name(let name): try host.link(.name(name))
            // A bridge or a VLAN may have the MAC of its underlying device.
            case .mac(let mac):
                try host.links().filter { $0.mac == mac }.min { $0.kind.utf8.count < $1.kind.utf8.count }
            case .path(let path):
                if let name = DeviceSelector.name(below: path) { try host.link(.name(name)) } else { nil }
            }
        guard let link else {
            throw Failure(
                .invalidConfiguration, "failed to find host device: \(self)",
                details:
                    "another pod may have it; on the node are \(try host.links().map { $0.name }.prefix(50).joined(separator: ", "))"
            )
        }
        return link
    }

    /// The device on the node under a name that is not its own; its alias holds its own name.
    ///
    /// - Parameter name: its name in its pod; nil if unknown. Users set aliases too, so without it an alias counts only
    ///   if the configuration confirms it.
    func findRenamed(from name: String?, _ host: inout NetlinkSocket) throws(Failure) -> Link? {
        let links = try host.links()
        return links.first { link in
            guard Attachment.isInterfaceName(link.alias), !links.contains(where: { $0.name == link.alias }) else {
                return false
            }
            // If the node already had that name, the kernel invents one (default_device_exit_net, net/core/dev.c).
            let isFromPod = !link.isUp && name != nil && [name, "dev\(link.index)"].contains(link.name)
            return switch self {
            case .name(let own): link.alias == own
            case .mac(let mac): isFromPod && link.mac == mac
            case .path(let path): isFromPod && DeviceSelector.name(below: path) == link.name
            }
        }
    }

    /// Whether a link in a pod can be the device.
    func selects(_ link: Link) -> Bool {
        switch self {
        case .name(let name): link.alias == name
        case .mac(let mac): link.mac == mac
        case .path: !link.alias.isEmpty
        }
    }

    /// A device's network device name: in `net`, or with virtio one level further down.
    private static func name(below path: String) -> String? {
        guard let directory = try? FileDescriptor.open(path, [.readOnly, .directory]) else { return nil }
        let children = (try? directory.names(limit: 1000)) ?? []
        let places = ["net"] + children.filter { $0.hasPrefix("virtio") }.sorted().map { "\($0)/net" }
        for place in places {
            guard let net = try? directory.open(place, [.readOnly, .directory]) else { continue }
            if let name = try? net.names(limit: 1000).sorted().first { return name }
        }
        return nil
    }
}
