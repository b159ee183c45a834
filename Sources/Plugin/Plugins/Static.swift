internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// Hands out the addresses given by configuration or runtime. Drop-in for the reference's `static`; it keeps no state.
struct Static: BuiltInPlugin {
    static let traits = PluginTraits("static", .addresses, addresses: .configuration)
    static var description: PluginDescription {
        PluginDescription(
            traits, "Keys of the `ipam` object; pods get exactly these addresses.", StaticSettings.Keys.everything,
            parts: [.init("addresses[]", ["address", "gateway"]), .routes, .dns], capabilities: ["ips"]
        ) { request throws(Failure) in _ = try StaticSettings(request) }
    }

    func add(_ request: Request) throws(Failure) -> CNIResult {
        let settings = try StaticSettings(request)
        return CNIResult(ips: settings.ips, routes: settings.routes, dns: settings.dns)
    }

    func del(_ request: Request) throws(Failure) {}

    /// Compares the configuration with the result of ADD and with the pod's interface.
    func check(_ request: Request) throws(Failure) {
        let settings = try StaticSettings(request)
        let result = try request.requiredPreviousResult()
        for ip in settings.ips {
            // The plugin before it in the chain may have filled in a gateway that the configuration does not name.
            guard
                result.ips.contains(where: {
                    $0.address == ip.address && (ip.gateway == nil || $0.gateway == ip.gateway)
                })
            else {
                let gateway = ip.gateway.map { " with gateway \($0)" } ?? ""
                throw Failure(
                    .checkFailed, "static: Failed to match addr \(ip.address)\(gateway): prevResult lacks it",
                    details: "has the configuration changed since ADD?")
            }
        }
        guard !HostDevice.isWithoutLink(request) else { return }
        let pod = try request.openPod()
        let name = request.attachment.ifname
        var inside = try pod.netlinkSocket()
        guard let link = try inside.link(.name(name)) else {
            throw Failure(.checkFailed, "static: interface \(name) is missing in \(pod.path)")
        }
        let present = try inside.addresses(of: link.index).map { $0.address }
        for ip in settings.ips {
            guard present.contains(ip.address) else {
                throw Failure(
                    .checkFailed, "static: Failed to match addr \(ip.address) on interface \(name) in \(pod.path)",
                    details: "it is missing there; DEL and ADD set it up anew")
            }
        }
    }

    /// There is nothing to free.
    func gc(_ request: Request) throws(Failure) {}

    func status(_ request: Request) throws(Failure) { _ = try StaticSettings(request) }
}
