internal import Addresses
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// The pod's interface, as the daemon uses it. It is found by the path of its namespace each time it is needed, and not held
/// longer, so that a namespace that the runtime gives up can end.
final class PodLink {
    /// Including the daemon's prefix.
    let netns: String
    let ifname: String
    private(set) var hardwareAddress: MACAddress?
    /// The link-layer address from which the server answered.
    var serverHardware: [UInt8] = []
    private var socket: FileDescriptor?
    private var index: UInt32 = 0

    private static let etherType: UInt16 = 0x0800
    private static let broadcastHardware = [UInt8](repeating: 0xff, count: 6)

    init(netns: String, ifname: String) {
        self.netns = netns
        self.ifname = ifname
    }

    /// For poll(2); nil while no answer is expected.
    var descriptor: Int32? { socket?.rawValue }

    enum Presence { case present, interfaceMissing, namespaceGone }

    /// Opens a socket on the interface unless one is open.
    ///
    /// - Parameter settingUp: whether to set up an interface that is down; later on it is down on purpose.
    /// - Parameter expected: the interface's MAC; a different one belongs to another pod's interface in a namespace of the same
    ///   path.
    func open(expecting expected: MACAddress? = nil, settingUp: Bool = false) throws(Failure) -> Presence {
        guard socket == nil else { return .present }
        let namespace: NetworkNamespace
        do throws(Failure) { namespace = try NetworkNamespace(netns) } catch {
            guard [.noSuchFile, .invalidArgument].contains(error.errno) else { throw error }
            return .namespaceGone
        }
        return try namespace.run { () throws(Failure) in
            var route = try NetlinkSocket()
            guard let link = try route.link(.name(ifname)) else { return .interfaceMissing }
            guard expected == nil || link.mac == expected else { return .namespaceGone }
            if settingUp, !link.isUp {
                var up = LinkChange()
                up.isUp = true
                try route.execute("set \(self.ifname) up in \(self.netns)") { $0.changeLink(.index(link.index), up) }
            }
            hardwareAddress = link.mac
            index = link.index
            do throws(Errno) {
                socket = try FileDescriptor.packetSocket(
                    interface: index, etherType: PodLink.etherType, filter: PodLink.filter)
            } catch { throw Failure("open a packet socket on \(self.ifname) in \(self.netns)", error) }
            return .present
        }
    }

    func close() { socket = nil }

    /// Sends a message; whether it arrived shows only by the answer.
    func send(_ message: Message, from source: IPAddress = Message.unspecified, to server: IPAddress? = nil)
        throws(Errno)
    {
        let packet = Datagram.packet(message.encoded, from: source, to: server ?? Datagram.everybody)
        let isKnown = server != nil && serverHardware.contains { $0 != 0 }
        let hardware = isKnown ? serverHardware : PodLink.broadcastHardware
        switch socket {
        case .some(let socket):
            try socket.sendPacket(packet, to: hardware, interface: index, etherType: PodLink.etherType)
        case nil: throw .networkDown
        }
    }

    /// The next received message; nil if there is none.
    func receive() -> Message? {
        // Skips broadcasts to others, but only up to a limit.
        for _ in 0..<64 {
            guard let (packet, source) = try? socket?.receivePacket(atMost: Message.maximumSize) else { return nil }
            if let message = Datagram.content(of: packet).flatMap({ Message($0) }), message.isReply,
                message.hardwareAddress == hardwareAddress
            {
                serverHardware = source
                return message
            }
        }
        return nil
    }

    /// Removes the lease's address from the interface, and its routes with it, because it may belong to another host by now.
    func withdraw(_ lease: Lease) throws(Failure) {
        try inside { route throws(Failure) in
            do throws(Failure) {
                try route.execute("remove address \(lease.address) from \(self.ifname) in \(self.netns)") {
                    $0.deleteAddress(lease.address, from: index)
                }
            } catch { guard error.errno == .addressNotAvailable else { throw error } }
        }
    }

    /// Restores the address and the lease's routes.
    func restore(_ lease: Lease) throws(Failure) {
        try inside { route throws(Failure) in
            let address = lease.address
            try PodLink.ignoringPresent { () throws(Failure) in
                try route.execute("add address \(address) to \(self.ifname) in \(self.netns)") {
                    $0.addAddress(address, to: index)
                }
            }
            for entry in lease.routes {
                let wanted = Route(to: entry.destination, via: entry.gateway, interface: index)
                try PodLink.ignoringPresent { () throws(Failure) in
                    try route.execute("add route \(wanted) in \(self.netns)") { $0.addRoute(wanted) }
                }
            }
        }
    }

    private static func ignoringPresent(_ change: () throws(Failure) -> Void) throws(Failure) {
        do throws(Failure) { try change() } catch { guard error.errno == .fileExists else { throw error } }
    }

    private func inside(_ body: (inout NetlinkSocket) throws(Failure) -> Void) throws(Failure) {
        try NetworkNamespace(netns).run { () throws(Failure) in
            var route = try NetlinkSocket()
            try body(&route)
        }
    }

    /// Accepts only UDP to port 68, and no later fragments, so that the pod's own traffic does not wake the daemon.
    private static let filter = [
        FilterInstruction(0x30, 9),  // ldb: the protocol
        FilterInstruction(0x15, 17, whenFalse: 6),  // jeq: UDP
        FilterInstruction(0x28, 6),  // ldh: fragment offset
        FilterInstruction(0x45, 0x1fff, whenTrue: 4),  // jset
        FilterInstruction(0xb1, 0),  // ldxb: the header's length
        FilterInstruction(0x48, 2),  // ldh: destination port behind it
        FilterInstruction(0x15, UInt32(Datagram.clientPort), whenFalse: 1),  // jeq
        FilterInstruction(0x06, UInt32.max),  // ret: all of it
        FilterInstruction(0x06, 0),  // ret: nothing
    ]
}
