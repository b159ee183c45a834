internal import CNI
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// The host side of a pod's veth, as a port of the bridge.
struct BridgePort {
    let name: String
    let settings: BridgeSettings

    /// Sets it up as configured.
    func setUp(_ veth: VethPair, _ host: inout NetlinkSocket) throws(Failure) {
        var change = LinkChange()
        if settings.hairpin { change.hairpin = true }
        if settings.isolatesPort { change.isolated = true }
        // A bridge port needs no IPv6 address of its own.
        try veth.setUpHostEnd(change, hasIPv6: false, &host)
        guard settings.usesVLANs else { return }
        guard let port = try host.link(.name(name)) else { throw Failure("look up \(name)", .noSuchDevice) }
        try host.setVLANs(
            of: port, settings.portVLANs, removingDefault: settings.vlan != nil && !settings.preservesDefaultVLAN)
    }

    /// Waits until the bridge accepts frames from the pod, so that the pod's first packet is not lost.
    ///
    /// Both sides are up by now; the kernel notifies the bridge from a work queue (linkwatch), usually before this asks.
    func awaitActive(_ host: inout NetlinkSocket) throws(Failure) {
        guard !settings.disablesContainerInterface else { return }
        var pause: UInt32 = 50
        var waited: UInt32 = 0
        while true {
            guard let port = try host.link(.name(name)) else {
                throw Failure("wait for bridge port \(name)", .noSuchDevice)
            }
            if port.isActivePort { return }
            guard waited < BridgePort.longestWait else {
                throw Failure(
                    "wait for bridge port \(name)", .timedOut, details: "is the pod's interface set down?")
            }
            Pause.microseconds(pause)
            waited += pause
            pause = min(pause * 2, 10_000)
        }
    }

    /// Microseconds.
    private static let longestWait: UInt32 = 2_000_000
}

extension BridgeSettings {
    /// The VLANs of the pod's bridge port.
    var portVLANs: [PortVLAN] {
        (vlan.map { [PortVLAN($0, isPVID: true, isUntagged: true)] } ?? []) + trunk
    }
}
