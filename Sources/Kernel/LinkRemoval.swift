internal import CKernel
internal import Glibc
internal import Posix
internal import Wire

extension NetlinkSocket {
    /// Removes a link and returns when it is gone, which is before the kernel has freed it.
    ///
    /// RTM_DELLINK makes the link invisible within a millisecond, but its sender stays in the kernel until RCU has
    /// gone round (rcu_barrier in netdev_run_todo, 15 to 20 ms). So a child sends it, and this process waits for the
    /// kernel's notification, checks that the link is gone, and goes on.
    ///
    /// Where that does not work out (no child to be had, no notification, a crowded socket), the plain request does it.
    ///
    /// - Precondition: the socket hears link notifications.
    /// - Throws: the kernel's refusal.
    public mutating func removeLink(_ index: UInt32, named name: String) throws(KernelError) {
        let attempt = "delete link \(name)"
        if (try? removeLinkEarly(index, attempt)) != nil { return }
        do throws(KernelError) { try execute(attempt) { $0.deleteLink(.index(index)) } } catch {
            guard error.errno != .noSuchDevice else { return }
            // Its answer may have been crowded out as well.
            guard error.isAnswerLost, try link(.index(index)) == nil else { throw error }
        }
    }

    private mutating func removeLinkEarly(_ index: UInt32, _ attempt: String) throws(KernelError) {
        var builder = builder()
        builder.deleteLink(.index(index))
        builder.addFlagsToLast(MessageFlag.acknowledge)
        consume(builder)
        let child = try attempting(attempt) { () throws(Errno) in
            let child = unsafe builder.bytes.withUnsafeBytes { buffer in
                unsafe ck_send_from_child(descriptor, buffer.baseAddress, buffer.count)
            }
            guard child > 0 else { throw .last }
            return child
        }
        try awaitRemoval(of: index, sequence: builder.sequences[0], attempt)
        // What was promised is what was seen. The child is left to the kernel; it ends by itself.
        guard try link(.index(index)) == nil else { throw KernelError(attempt, .busy, kernelText: "it is still there") }
        reap(child)
    }

    private static let removalLimitMilliseconds: Int32 = 5000

    /// How often to look for ourselves once notifications have been dropped.
    private static let lookIntervalMilliseconds: Int32 = 2

    private mutating func awaitRemoval(of index: UInt32, sequence: UInt32, _ attempt: String) throws(KernelError) {
        let start = MonotonicClock.milliseconds
        var isDeaf = false
        while true {
            let left = NetlinkSocket.removalLimitMilliseconds - Int32(clamping: MonotonicClock.milliseconds - start)
            guard left > 0 else { throw KernelError(attempt, .timedOut) }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = unsafe poll(&waiting, 1, isDeaf ? min(left, NetlinkSocket.lookIntervalMilliseconds) : left)
            guard ready >= 0 || Errno.last == .interrupted else { throw KernelError(attempt, .last) }
            if isDeaf, try link(.index(index)) == nil { return }
            guard ready > 0 else { continue }
            let messages: [Message]
            do throws(Errno) { messages = try receive() } catch {
                if error == .noBufferSpace { isDeaf = true }
                guard error == .noBufferSpace || error == .tryAgain else { throw KernelError(attempt, error) }
                continue
            }
            for message in messages {
                if message.type == RouteMessageType.deleteLink, let link = Link(message), link.index == index,
                    message.payload.first == 0
                {
                    return
                }
                guard message.type == Message.errorType, message.sequence == sequence,
                    let answer = Acknowledgement(message)
                else { continue }
                guard answer.errorNumber != 0, answer.errorNumber != ENODEV else { return }
                throw KernelError(attempt, Errno(rawValue: answer.errorNumber), kernelText: answer.text)
            }
        }
    }

    private func reap(_ child: Int32) {
        var status: Int32 = 0
        _ = unsafe waitpid(child, &status, WNOHANG)
    }
}
