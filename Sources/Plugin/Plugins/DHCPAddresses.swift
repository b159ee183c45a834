internal import Addresses
internal import Attachments
internal import CNI
internal import DHCP
internal import Posix

/// Gets addresses from a DHCP server, through the daemon that maintains the leases. Drop-in for the reference's `dhcp`.
struct DHCPAddresses: BuiltInPlugin {
    static let traits = PluginTraits("dhcp", .addresses, addresses: .leases)
    static var description: PluginDescription {
        PluginDescription(
            traits, "Keys of the `ipam` object; see [dhcp.md](dhcp.md).", ClientSettings.Keys.everything,
            parts: [
                .init("provide[]", ["option", "value", "fromArg"]), .init("request[]", ["option", "skipDefault"]),
            ]
        ) { request throws(Failure) in
            _ = try ClientSettings(request.configuration, request.invocation.arguments)
        }
    }

    func add(_ request: Request) throws(Failure) -> CNIResult {
        let settings = try ClientSettings(request.configuration, request.invocation.arguments)
        _ = try request.openPod()
        return try request.asking(settings.socket, "DHCP.Allocate") { (daemon) throws(DaemonClient.Problem) in
            try daemon.allocate(request.callArguments)
        }
    }

    func del(_ request: Request) throws(Failure) {
        let socket = try ClientSettings.socket(request.configuration)
        do throws(DaemonClient.Problem) { try DaemonClient(socket: socket).release(request.callArguments) } catch {
            guard case .absent = error else { throw Failure(error, socket, "DHCP.Release") }
            // Without a daemon the lease is not renewed and expires. A daemon that starts later must not take it up.
            let owner = AttachmentName(request)
            LeaseDirectory.forget(owner, in: LeaseDirectory.path(besideSocket: socket))
            request.log("dhcp: no daemon at \(socket): the lease of \(owner) was not released, and will expire")
        }
    }

    func check(_ request: Request) throws(Failure) {
        let settings = try ClientSettings(request.configuration, request.invocation.arguments)
        let previous = try request.requiredPreviousResult()
        let held = try request.askingOurs(settings.socket, "check") { (daemon) throws(DaemonClient.Problem) in
            try daemon.check(request.callArguments)
        }
        guard let address = held?.ips.first?.address else { return }
        guard previous.ips.contains(where: { $0.address == address }) else {
            throw Failure(
                .checkFailed, "dhcp: the lease is for \(address), which prevResult does not have",
                details: "prevResult has \(previous.ips.map { "\($0.address)" }.joined(separator: ", "))")
        }
    }

    func gc(_ request: Request) throws(Failure) {
        let socket = try ClientSettings.socket(request.configuration)
        _ = try request.configuration.validAttachments()
        try request.askingOurs(socket, "collect garbage") { (daemon) throws(DaemonClient.Problem) in
            try daemon.collectGarbage(request.callArguments)
        }
    }

    func status(_ request: Request) throws(Failure) {
        let settings = try ClientSettings(request.configuration, request.invocation.arguments)
        try request.askingOurs(settings.socket, "ask for its state") { (daemon) throws(DaemonClient.Problem) in
            try daemon.status()
        }
    }
}

extension Request {
    /// The daemon gets this call as it came in.
    fileprivate var callArguments: CallArguments {
        var arguments = CallArguments()
        arguments.containerID = attachment.containerID
        arguments.ifname = attachment.ifname
        // The daemon may have another working directory.
        let netns = invocation.netns ?? ""
        arguments.netns =
            netns.isEmpty || netns.hasPrefix("/") ? netns : "\(ProcessEnvironment.workingDirectory)/\(netns)"
        arguments.arguments = invocation.environment["CNI_ARGS"] ?? ""
        arguments.path = invocation.environment["CNI_PATH"] ?? ""
        arguments.configuration = configuration.raw
        return arguments
    }

    fileprivate func asking<Answer>(
        _ socket: String, _ what: String, _ ask: (DaemonClient) throws(DaemonClient.Problem) -> Answer
    ) throws(Failure) -> Answer {
        do throws(DaemonClient.Problem) { return try ask(DaemonClient(socket: socket)) } catch {
            throw Failure(error, socket, what)
        }
    }

    /// Asks for something that only our daemon can do; nil if the reference's daemon is running.
    @discardableResult
    fileprivate func askingOurs<Answer>(
        _ socket: String, _ what: String, _ ask: (DaemonClient) throws(DaemonClient.Problem) -> Answer
    ) throws(Failure) -> Answer? {
        do throws(DaemonClient.Problem) { return try ask(DaemonClient(socket: socket)) } catch {
            if case .unknownMethod = error {
                log("dhcp: the daemon at \(socket) is another's, which cannot \(what)")
                return nil
            }
            if case .refused(let reason) = error, invocation.command == .check {
                throw Failure(.checkFailed, "dhcp: \(reason)")
            }
            throw Failure(error, socket, what)
        }
    }
}

extension Failure {
    /// The reference's wording, because people search for it.
    fileprivate init(_ failure: DaemonClient.Problem, _ socket: String, _ what: String) {
        switch failure {
        case .absent(let reason):
            self.init(
                .notAvailable, "error dialing DHCP daemon: dial unix \(socket): \(reason)",
                details: "start it: `dhcp daemon`, or systemctl enable --now swiftlet-dhcp.socket (docs/dhcp.md)")
        case .refused(let reason):
            self.init(
                .tryAgainLater, "error calling \(what): \(reason)", details: "reported by the DHCP daemon at \(socket)")
        case .unknownMethod:
            self.init(.inputOutput, "error calling \(what): the DHCP daemon at \(socket) does not know it")
        case .broken(let reason):
            self.init(.inputOutput, "error calling \(what): the DHCP daemon at \(socket): \(reason)")
        }
    }
}
