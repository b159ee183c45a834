internal import CKernel
internal import EventLog
internal import NetlinkCodec
public import Posix
internal import Synchronization

/// Who sends the request that removes a link, and so stays in the kernel until the link is freed.
///
/// RTM_DELLINK makes the link invisible within a millisecond, but its sender stays in the kernel until an RCU grace period has
/// passed (rcu_barrier in netdev_run_todo, 15 to 20 ms). A caller with another sender waits for the kernel's notification, checks
/// that the link is gone, and continues.
public struct RemovalSender: Sendable {
    /// Starts sending a request; the returned function tells whether the sender has ended. Nil: the caller sends.
    fileprivate let start: (@Sendable (Int32, [UInt8]) throws(Errno) -> @Sendable () -> Bool)?

    /// The caller itself: it returns when the link is freed.
    public static var caller: RemovalSender { RemovalSender(start: nil) }

    /// A child (fork(2)), which keeps only the socket open. It ends some 20 ms later, and init or the nearest subreaper must reap
    /// it. So use this only in a process that has one thread and ends soon.
    public static var child: RemovalSender {
        RemovalSender { (descriptor, request) throws(Errno) in
            let child = unsafe request.withUnsafeBytes { buffer in
                unsafe ck_send_from_child(descriptor, buffer.baseAddress, buffer.count)
            }
            guard child > 0 else { throw .last }
            return {
                // This also reaps the child.
                var status: Int32 = 0
                return unsafe waitpid(child, &status, WNOHANG) != 0
            }
        }
    }

    /// A thread with its own descriptor of the socket until it ends, some 20 ms later: for a long-running process.
    public static var thread: RemovalSender {
        RemovalSender { (descriptor, request) throws(Errno) in
            let socket = try FileDescriptor.duplicate(of: descriptor)
            let sending = Sending(consume socket)
            try DetachedThread.run {
                // An error shows as a link that still exists.
                _ = try? sending.socket.send(request[...])
                sending.hasEnded.store(true, ordering: .releasing)
            }
            return { sending.hasEnded.load(ordering: .acquiring) }
        }
    }

    private final class Sending: Sendable {
        let socket: FileDescriptor
        let hasEnded = Atomic<Bool>(false)

        init(_ socket: consuming FileDescriptor) { self.socket = socket }
    }
}

extension NetlinkSocket {
    /// Removes a link and returns when it is gone. With another sender, that is before the kernel has freed it.
    ///
    /// If the other sender fails (no child available, no notification, a full socket, or a socket without link notifications),
    /// the caller sends the request itself.
    ///
    /// - Throws: the kernel's refusal.
    public mutating func removeLink(
        _ index: UInt32, named name: String, sentBy sender: RemovalSender = .caller
    ) throws(Failure) {
        try removeLinks([(index, name)], sentBy: sender)
    }

    /// Removes several links. With another sender this takes as long as removing one: each link has its own sender, and the
    /// caller waits for all together.
    ///
    /// - Precondition: the socket receives link notifications, unless the caller sends.
    /// - Throws: the first of the kernel's refusals; the other links are removed even then.
    public mutating func removeLinks(
        _ links: [(index: UInt32, name: String)], sentBy sender: RemovalSender = .caller
    ) throws(Failure) {
        if let start = sender.start, !transport.hasStandIn, (try? removeLinksEarly(links, start)) != nil {
            return log(links)
        }
        var failure: Failure?
        for link in links {
            do throws(Failure) { try removeLinkLate(link.index, link.name) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
        log(links)
    }

    private func log(_ links: [(index: UInt32, name: String)]) {
        for link in links { Log.note(.info, "changed", [("what", "delete link \(link.name)")]) }
    }

    private mutating func removeLinkLate(_ index: UInt32, _ name: String) throws(Failure) {
        do throws(Failure) {
            try execute("delete link \(name)") { $0.deleteLink(.index(index)) }
        } catch {
            guard error.errno != .noSuchDevice else { return }
            // Its answer may have been dropped for lack of room as well.
            guard error.isAnswerLost, try link(.index(index)) == nil else { throw error }
        }
    }

    private mutating func removeLinksEarly(
        _ links: [(index: UInt32, name: String)],
        _ start: @Sendable (Int32, [UInt8]) throws(Errno) -> @Sendable () -> Bool
    ) throws(Failure) {
        let attempt = "delete links"
        var senders: [@Sendable () -> Bool] = []
        var requests: [UInt32: UInt32] = [:]
        for link in links {
            var builder = builder()
            builder.deleteLink(.index(link.index))
            builder.addFlagsToLast(MessageFlag.acknowledge)
            consume(builder)
            if Log.isDebugging { log("send", builder.bytes[...]) }
            senders.append(try attempting(attempt) { () throws(Errno) in try start(descriptor, builder.bytes) })
            requests[builder.sequences[0]] = link.index
        }
        try awaitRemoval(of: requests, by: senders, attempt)
        // All links were seen to be gone, as promised. The senders end by themselves.
        for link in links {
            guard try self.link(.index(link.index)) == nil else {
                throw Failure(attempt, .busy, kernelText: "\(link.name) is still there")
            }
        }
        for hasEnded in senders { _ = hasEnded() }
    }

    private static let removalLimitMilliseconds: Int32 = 5000

    /// How often to query the links: after notifications were dropped, and if none arrives, which is many times as long as a
    /// removal takes.
    private static let lookIntervalMilliseconds: (whenDeaf: Int32, otherwise: Int32) = (2, 100)

    /// - Parameters:
    ///   - requests: for each sequence number, the index of the link that the request removes.
    ///   - senders: whether each has ended. Once all have, there is nothing to wait for.
    private mutating func awaitRemoval(
        of requests: [UInt32: UInt32], by senders: [@Sendable () -> Bool], _ attempt: String
    ) throws(Failure) {
        let start = MonotonicClock.milliseconds
        var senders = senders
        var isDeaf = false
        var left = Set(requests.values)
        while !left.isEmpty {
            let time = NetlinkSocket.removalLimitMilliseconds - Int32(clamping: MonotonicClock.milliseconds - start)
            guard time > 0 else { throw Failure(attempt, .timedOut) }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let interval = NetlinkSocket.lookIntervalMilliseconds
            let ready = unsafe poll(&waiting, 1, min(time, isDeaf ? interval.whenDeaf : interval.otherwise))
            guard ready >= 0 || Errno.last == .interrupted else { throw Failure(attempt, .last) }
            if isDeaf || ready == 0 {
                // Checked before the links: a sender may be killed, or be unable to send.
                senders.removeAll { hasEnded in hasEnded() }
                for index in left where try link(.index(index)) == nil { left.remove(index) }
                guard !senders.isEmpty || left.isEmpty else { throw Failure(attempt, .brokenPipe) }
            }
            guard ready > 0 else { continue }
            let messages: [Message]
            do throws(Errno) { messages = try receive() } catch {
                if error == .noBufferSpace { isDeaf = true }
                guard error == .noBufferSpace || error == .tryAgain else { throw Failure(attempt, error) }
                continue
            }
            for message in messages {
                if message.type == RouteMessageType.deleteLink, let link = Link(message), message.payload.first == 0 {
                    left.remove(link.index)
                }
                guard message.type == Message.errorType, let index = requests[message.sequence],
                    let answer = Acknowledgement(message)
                else { continue }
                guard answer.errorNumber == 0 || answer.errorNumber == ENODEV else {
                    throw Failure(attempt, Errno(rawValue: answer.errorNumber), kernelText: answer.text)
                }
                left.remove(index)
            }
        }
    }
}
