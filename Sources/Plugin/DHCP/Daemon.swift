internal import Addresses
internal import Attachments
internal import CNI
public import Posix

/// Keeps the leases of a node's pods, in one thread with an event loop.
public final class Daemon {
    private let options: DaemonOptions
    private let directory: LeaseDirectory
    private let lock: FileDescriptor
    private let termination: FileDescriptor
    private let listener: FileDescriptor
    /// Whether this daemon must remove the socket's file.
    private let ownsSocket: Bool
    private var sessions: [AttachmentName: LeaseSession] = [:]
    private var connections: [Int: DaemonConnection] = [:]
    private var lastConnection = 0
    /// Calls that wait for the first lease of an owner.
    private var waiting: [AttachmentName: (connection: Int, call: ServerConversation.Call, settings: ClientSettings)] =
        [:]

    private static let maximumConnections = 256
    private static let maximumLeases = 4096

    /// Opens the socket and resumes the leases of an earlier daemon.
    public init(_ options: DaemonOptions) throws(Failure) {
        self.options = options
        let socket = options.hostPrefix + options.socket
        let leases = options.leaseDirectory ?? LeaseDirectory.path(besideSocket: socket)
        do throws(Errno) {
            directory = try LeaseDirectory(leases)
            lock = try directory.lock()
        } catch {
            throw Failure(
                .inputOutput, "use lease directory \(leases): \(error)",
                details: error == .tryAgain ? "another dhcp daemon is running" : "")
        }
        let inherited = try DaemonSocket.inherited()
        ownsSocket = !inherited
        listener = try inherited ? DaemonSocket.takeInherited() : DaemonSocket.open(socket)
        termination = try attempting("watch for SIGTERM") { () throws(Errno) in try ProcessEnvironment.termination() }
        try DaemonSocket.writeProcessID(options.pidFile)
        // If a server does not answer, every lease has its socket open at once.
        try attempting("raise the limit of open files") { () throws(Errno) in try ProcessEnvironment.raiseFileLimit() }
        let now = BootClock.milliseconds
        let records = try attempting("read lease directory \(leases)") { () throws(Errno) in try directory.records() }
        for (owner, record) in records {
            sessions[owner] = LeaseSession(owner, record, directory, options, at: now)
        }
        Daemon.log("listening at \(socket), \(sessions.count) leases in \(leases)")
    }

    /// Writes a line for the operator.
    static func log(_ text: String) { try? StandardStream.error.writeAll("dhcp: \(text)\n".utf8) }

    /// Runs until SIGTERM or SIGINT arrives. Leases are kept for the next daemon.
    public func run() throws(Failure) {
        while try turn() {}
        if ownsSocket { DaemonSocket.remove(options.hostPrefix + options.socket) }
        if !options.pidFile.isEmpty { DaemonSocket.remove(options.pidFile) }
        Daemon.log("stopped, \(sessions.count) leases kept")
    }

    /// Waits for the next event and handles it.
    ///
    /// - Returns: false when it is time to stop.
    private func turn() throws(Failure) -> Bool {
        var interests = [Polling.Interest(termination.rawValue, .reading)]
        let accepts = connections.count < Daemon.maximumConnections
        if accepts { interests.append(.init(listener.rawValue, .reading)) }
        let clients = connections.map { ($0.key, $0.value) }
        interests += clients.map { .init($0.1.descriptor, $0.1.wantsToSend ? .writing : .reading) }
        let listening = sessions.values.filter { $0.link.descriptor != nil }
        interests += listening.map { .init($0.link.descriptor ?? -1, .reading) }

        let ready = try attempting("wait for events") { () throws(Errno) in
            try Polling.wait(for: interests, milliseconds: patience())
        }
        guard !ready[0] else { return false }
        let now = BootClock.milliseconds
        var next = ready.dropFirst()
        if accepts, next.removeFirst() { accept(at: now) }
        // Leases before calls: a call may ask about a lease whose answer has just arrived.
        for (session, isReady) in zip(listening, next.dropFirst(clients.count)) where isReady {
            conclude(session, session.receive(at: now))
        }
        for ((number, connection), isReady) in zip(clients, next) where isReady {
            if connection.wantsToSend {
                connection.flush()
                continue
            }
            for call in connection.receive(at: now) { serve(call, number, connection, at: now) }
        }
        for session in sessions.values where now >= session.deadline { conclude(session, session.timer(at: now)) }
        for (number, connection) in connections where connection.isClosed || now >= connection.deadline {
            close(number)
        }
        return true
    }

    /// Milliseconds until something is due.
    private func patience() -> Int {
        let deadlines = sessions.values.map { $0.deadline } + connections.values.map { $0.deadline }
        guard let first = deadlines.min(), first < Int.max else { return -1 }
        // Longer waits are split into hours.
        return min(max(first - BootClock.milliseconds, 0) + 1, 3_600_000)
    }

    private func accept(at now: Int) {
        guard let socket = try? listener.accept() else {
            // No files or memory are left, which takes time to pass.
            Pause.microseconds(10_000)
            return
        }
        lastConnection += 1
        connections[lastConnection] = DaemonConnection(socket, at: now)
    }

    /// No one waits any more for the calls of this connection.
    private func close(_ number: Int) {
        connections[number] = nil
        for (owner, waiter) in waiting where waiter.connection == number {
            Daemon.log("\(owner): the plugin left before there was a lease")
            waiting[owner] = nil
            sessions.removeValue(forKey: owner)?.release()
        }
    }

    private func conclude(_ session: LeaseSession, _ outcome: LeaseSession.Outcome) {
        switch outcome {
        case .ongoing: return
        case .granted(let lease):
            guard let waiter = waiting.removeValue(forKey: session.owner) else { return }
            connections[waiter.connection]?.answer(waiter.call, CNIResult(lease, waiter.settings))
        case .failed(let problem):
            sessions[session.owner] = nil
            session.forget()
            refuseWaiter(session.owner, "no more tries: \(problem)")
        case .gone:
            Daemon.log("\(session.owner): the pod is gone, dropping its lease")
            sessions[session.owner] = nil
            session.forget()
        }
    }

    private func refuseWaiter(_ owner: AttachmentName, _ reason: String) {
        guard let waiter = waiting.removeValue(forKey: owner) else { return }
        Daemon.log("\(owner): \(reason)")
        connections[waiter.connection]?.refuse(waiter.call, because: reason)
    }
}

// MARK: - Calls

extension Daemon {
    private func serve(_ call: ServerConversation.Call, _ number: Int, _ connection: DaemonConnection, at now: Int) {
        guard let method = RPC.Method(rawValue: call.method) else {
            return connection.refuse(call, because: "rpc: can't find method \(call.method)")
        }
        do throws(Failure) {
            if method == .status { return connection.answer(call) }
            let configuration = try Configuration(call.arguments.configuration)
            if method == .collectGarbage {
                try collectGarbage(configuration)
                return connection.answer(call)
            }
            let owner = AttachmentName(
                network: configuration.name, containerID: call.arguments.containerID, ifname: call.arguments.ifname)
            guard owner.isValid else {
                throw Failure(
                    .invalidEnvironment,
                    "invalid container ID \"\(owner.containerID)\" or interface name \"\(owner.ifname)\"")
            }
            switch method {
            case .release:
                sessions.removeValue(forKey: owner)?.release()
                refuseWaiter(owner, "released while it was being acquired")
                connection.answer(call)
            case .check: connection.answer(call, try check(owner, configuration))
            default: try allocate(owner, configuration, call, number, connection, at: now)
            }
        } catch { connection.refuse(call, because: "\(error)") }
    }

    private func allocate(
        _ owner: AttachmentName, _ configuration: Configuration, _ call: ServerConversation.Call, _ number: Int,
        _ connection: DaemonConnection, at now: Int
    ) throws(Failure) {
        let settings = try ClientSettings(configuration, Arguments(call.arguments.arguments))
        let netns = options.hostPrefix + call.arguments.netns
        let link = PodLink(netns: netns, ifname: owner.ifname)
        switch try link.open(settingUp: true) {
        case .present: break
        case .namespaceGone: throw Failure(.inputOutput, "failed to Statfs \"\(netns)\": there is no network namespace")
        case .interfaceMissing:
            throw Failure(.inputOutput, "error looking up \"\(owner.ifname)\": Link not found in \(netns)")
        }
        guard let hardware = link.hardwareAddress, !hardware.isZero else {
            throw Failure(.inputOutput, "\(owner.ifname) in \(netns) has no Ethernet address")
        }
        var provided = settings.provided
        if provided[.clientIdentifier] == nil { provided[.clientIdentifier] = owner.clientIdentifier }
        let identity = ClientIdentity(
            hardwareAddress: hardware,
            provided: provided, requested: settings.requested, wantsBroadcast: options.broadcast)
        if let present = sessions[owner] {
            if let lease = present.lease, present.identity == identity, present.link.netns == netns {
                return connection.answer(call, CNIResult(lease, settings))
            }
            // An owner has only one lease: the newer call replaces the older.
            sessions[owner] = nil
            present.release()
            refuseWaiter(owner, "replaced by another ADD for the same attachment")
        }
        guard sessions.count < Daemon.maximumLeases else {
            throw Failure(.inputOutput, "this daemon already has \(Daemon.maximumLeases) leases")
        }
        Daemon.log("\(owner): acquiring lease")
        let session = LeaseSession(owner, link, identity, directory, options, at: now)
        sessions[owner] = session
        waiting[owner] = (number, call, settings)
    }

    private func check(_ owner: AttachmentName, _ configuration: Configuration) throws(Failure) -> CNIResult {
        guard let session = sessions[owner] else { throw Failure(.inputOutput, "no lease is held for \(owner)") }
        guard let lease = session.lease else {
            throw Failure(.inputOutput, "the lease of \(owner) is lost: \(session.problem)")
        }
        return CNIResult(lease, try ClientSettings(configuration, Arguments("")))
    }

    /// Leases still being acquired are left alone: the runtime does not know of them yet.
    private func collectGarbage(_ configuration: Configuration) throws(Failure) {
        let valid = try configuration.validAttachments()
        for (owner, session) in sessions
        where owner.network == configuration.name && waiting[owner] == nil && !valid.contains(owner.attachment) {
            sessions[owner] = nil
            session.release()
        }
    }
}
