internal import CKernel
internal import Logging
internal import NetlinkCodec
public import Posix

extension NetlinkSocket {
    /// Removes a link and returns when it is gone, which is before the kernel has freed it.
    ///
    /// RTM_DELLINK makes the link invisible within a millisecond, but its sender stays in the kernel until RCU has
    /// gone round (rcu_barrier in netdev_run_todo, 15 to 20 ms). So a child sends it, and this process waits for the
    /// kernel's notification, checks that the link is gone, and goes on.
    ///
    /// Where that does not work out (no child to be had, no notification, a crowded socket), the plain request does it.
    ///
    /// Early only by a socket that hears link notifications; else with the kernel's answer.
    ///
    /// - Throws: the kernel's refusal.
    public mutating func removeLink(_ index: UInt32, named name: String) throws(Failure) {
        try removeLinks([(index, name)])
    }

    /// Removes several links in the time that one takes: each has its own child, and all are waited for together.
    ///
    /// - Precondition: the socket hears link notifications.
    /// - Throws: the first of the kernel's refusals; the others are gone then all the same.
    public mutating func removeLinks(_ links: [(index: UInt32, name: String)]) throws(Failure) {
        if (try? removeLinksEarly(links)) != nil { return log(links) }
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
            // Its answer may have been crowded out as well.
            guard error.isAnswerLost, try link(.index(index)) == nil else { throw error }
        }
    }

    private mutating func removeLinksEarly(_ links: [(index: UInt32, name: String)]) throws(Failure) {
        let attempt = "delete links"
        var children: [Int32] = []
        var sequences: [UInt32: UInt32] = [:]
        for link in links {
            let (child, sequence) = try sendRemoval(of: link.index, attempt)
            children.append(child)
            sequences[sequence] = link.index
        }
        try awaitRemoval(of: sequences, by: children, attempt)
        // What was promised is what was seen. The children are left to the kernel; they end by themselves.
        for link in links {
            guard try self.link(.index(link.index)) == nil else {
                throw Failure(attempt, .busy, kernelText: "\(link.name) is still there")
            }
        }
        for child in children { _ = hasEnded(child) }
    }

    /// - Returns: the child that sends the request, and the request's number.
    private mutating func sendRemoval(of index: UInt32, _ attempt: String) throws(Failure) -> (Int32, UInt32) {
        var builder = builder()
        builder.deleteLink(.index(index))
        builder.addFlagsToLast(MessageFlag.acknowledge)
        consume(builder)
        if Log.isDebugging { log("send", builder.bytes[...]) }
        let child = try attempting(attempt) { () throws(Errno) in
            let child = unsafe builder.bytes.withUnsafeBytes { buffer in
                unsafe ck_send_from_child(descriptor, buffer.baseAddress, buffer.count)
            }
            guard child > 0 else { throw .last }
            return child
        }
        return (child, builder.sequences[0])
    }

    private static let removalLimitMilliseconds: Int32 = 5000

    /// How often to look for ourselves: where notifications have been dropped, and where none comes, which is many times
    /// as long as a removal takes.
    private static let lookIntervalMilliseconds: (whenDeaf: Int32, otherwise: Int32) = (2, 100)

    /// - Parameters:
    ///   - requests: the index of the link that each request, by its sequence number, is to remove.
    ///   - children: who send them. Nothing is to be waited for once they have ended.
    private mutating func awaitRemoval(
        of requests: [UInt32: UInt32], by children: [Int32], _ attempt: String
    ) throws(Failure) {
        let start = MonotonicClock.milliseconds
        var children = children
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
                // Asked before the links are looked at: a child may be killed, or have nothing to send with.
                children.removeAll { hasEnded($0) }
                for index in left where try link(.index(index)) == nil { left.remove(index) }
                guard !children.isEmpty || left.isEmpty else { throw Failure(attempt, .brokenPipe) }
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

    /// Whether a child of ours runs no more; it is reaped then.
    private func hasEnded(_ child: Int32) -> Bool {
        var status: Int32 = 0
        return unsafe waitpid(child, &status, WNOHANG) != 0
    }
}
