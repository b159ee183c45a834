internal import Addresses
internal import CNI
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// Sets the pod's `lo` up. Drop-in for the reference's `loopback`.
struct Loopback: BuiltInPlugin {
    static let traits = PluginTraits("loopback", .loopback)
    static var description: PluginDescription {
        PluginDescription(traits, "Sets the pod's `lo` up; it has no keys of its own.", []) { _ throws(Failure) in }
    }

    /// LOOPBACK_IFINDEX of the kernel: `lo` is the first link of every namespace.
    static let index: UInt32 = 1

    func add(_ request: Request) throws(Failure) -> CNIResult {
        let previous = try request.configuration.previousResult()
        let pod = try request.openPod()
        var socket = try pod.netlinkSocket()
        try socket.execute("set lo up in \(pod.path)") { Loopback.setUp(&$0, true) }
        if let previous { return previous }
        let addresses = try socket.addresses(of: Loopback.index).map { $0.address }
        if let foreign = addresses.first(where: { !$0.address.isLoopback }) {
            throw Failure(
                .conflict, "loopback interface found with non-loopback address \"\(foreign.address)\"",
                details: "in \(pod.path)")
        }
        return CNIResult(
            interfaces: [.init(name: "lo", mac: "00:00:00:00:00:00", mtu: 65536, sandbox: pod.path)],
            ips: addresses.map { .init(address: $0, interface: 0) })
    }

    static func setUp(_ builder: inout MessageBuilder, _ isUp: Bool) {
        var change = LinkChange()
        change.isUp = isUp
        builder.changeLink(.index(index), change)
    }

    func del(_ request: Request) throws(Failure) {
        switch try PodPresence(request) {
        case .gone: break
        case .present(let pod):
            var socket = try pod.netlinkSocket()
            try socket.execute("set lo down in \(pod.path)") { Loopback.setUp(&$0, false) }
        }
    }

    func check(_ request: Request) throws(Failure) {
        let pod = try request.openPod()
        var socket = try pod.netlinkSocket()
        try Loopback.check(&socket, pod.path)
    }

    static func check(_ socket: inout NetlinkSocket, _ path: String) throws(Failure) {
        guard try socket.link(.index(index))?.isUp == true else {
            throw Failure(.checkFailed, "loopback interface is down in \(path)")
        }
    }

    /// Nothing outlives the pod's namespace.
    func gc(_ request: Request) throws(Failure) {}

    func status(_ request: Request) throws(Failure) {
        _ = try NetlinkSocket()
    }
}
