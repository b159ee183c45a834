internal import CKernel
internal import Logging
public import NetlinkCodec
public import Posix

/// A netlink socket, bound to the network namespace in which it was opened, wherever its process goes afterwards.
///
/// Requests are answered by the kernel before send(2) returns, so nothing here waits: an answer that is not there is
/// an error, not a hang. Only ``LinkRemoval`` waits, and it uses poll(2) with a limit.
@safe
public struct NetlinkSocket: ~Copyable {
    private let socket: OpaquePointer
    private var sequence: UInt32 = 1
    let subsystem: Subsystem

    /// Kernels send at most 32 KiB at a time in a dump.
    private static let receiveSize = 32768

    /// What was lost, or changed by others while it was read, is asked for again, so many times in all.
    private static let questionAttempts = 20

    /// How many datagrams one answer may have: a bound, not a limit that anybody reaches (about 100 links each).
    private static let maximumDatagrams = 1 << 16

    /// What a socket talks to, linux/netlink.h.
    public enum Subsystem: Int32, Sendable {
        /// Links, addresses, routes, neighbours.
        case route = 0
        /// Sockets of programs (linux/sock_diag.h).
        case socketDiagnosis = 4
        /// nf_tables and connection tracking.
        case netfilter = 12
    }

    /// Opens a socket in the caller's current network namespace.
    ///
    /// - Parameter linkNotifications: whether it also hears of every change of a link (RTNLGRP_LINK).
    public init(_ subsystem: Subsystem = .route, linkNotifications: Bool = false) throws(Failure) {
        // RTMGRP_LINK, linux/rtnetlink.h.
        try self.init(subsystem, groups: linkNotifications ? 1 : 0)
    }

    /// - Parameter groups: of notifications, a bit each.
    init(_ subsystem: Subsystem, groups: UInt32) throws(Failure) {
        let socket = try unsafe attempting("open a netlink socket") { () throws(Errno) in
            let flags = Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
            guard let socket = unsafe mnl_socket_open2(subsystem.rawValue, flags) else { throw .last }
            var on: Int32 = 1
            // These only improve answers (texts in errors, less to read), and old kernels lack them.
            for option in [NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK] {
                _ = unsafe mnl_socket_setsockopt(socket, option, &on, socklen_t(MemoryLayout<Int32>.size))
            }
            // Without this the first message gets the socket a name.
            guard unsafe groups == 0 || mnl_socket_bind(socket, groups, 0) == 0 else {
                let error = Errno.last
                _ = unsafe mnl_socket_close(socket)
                throw error
            }
            return unsafe socket
        }
        unsafe self.socket = unsafe socket
        self.subsystem = subsystem
    }

    deinit {
        // Whoever closes a socket of netfilter waits until the kernel has cleaned up behind earlier changes of rules,
        // anybody's, which takes until all processors have passed a quiescent state: 5 to 15 ms (nft_rcv_nl_event,
        // net/netfilter/nf_tables_api.c). Nobody else need wait for it.
        if subsystem == .netfilter { ck_close_later(descriptor) }
        _ = unsafe mnl_socket_close(socket)
    }

    /// The descriptor, for poll(2) and for a child that sends in this socket's name.
    var descriptor: Int32 { unsafe mnl_socket_get_fd(socket) }

    /// A builder whose messages continue this socket's numbering.
    mutating func builder() -> MessageBuilder { MessageBuilder(firstSequence: sequence) }

    /// Takes the numbers that a builder has used out of circulation.
    mutating func consume(_ builder: MessageBuilder) { sequence &+= UInt32(builder.sequences.count) }

    private mutating func send(_ builder: MessageBuilder, _ attempt: @autoclosure () -> String) throws(Failure) {
        consume(builder)
        if Log.isDebugging { log("send", builder.bytes[...]) }
        try attempting(attempt()) { () throws(Errno) in
            while true {
                let sent = unsafe builder.bytes.withUnsafeBytes { buffer in
                    unsafe mnl_socket_sendto(socket, buffer.baseAddress, buffer.count)
                }
                if sent == builder.bytes.count { return }
                guard sent < 0, Errno.last == .interrupted else { throw sent < 0 ? .last : .messageTooLarge }
            }
        }
    }

    /// Receives one datagram; `EAGAIN` when there is none.
    func receive() throws(Errno) -> [Message] {
        var failure: Errno?
        let datagram = unsafe [UInt8](unsafeUninitializedCapacity: NetlinkSocket.receiveSize) { buffer, count in
            while true {
                let received = unsafe mnl_socket_recvfrom(socket, buffer.baseAddress, buffer.count)
                if received >= 0 {
                    count = received
                    return
                }
                guard Errno.last == .interrupted else {
                    failure = .last
                    return
                }
            }
        }
        if let failure { throw failure }
        if Log.isDebugging { log("receive", datagram[...]) }
        guard let messages = Message.parse(datagram[...]) else { throw .badMessage }
        return messages
    }

    /// Sends all changes at once and reads what failed.
    ///
    /// Only the last change is acknowledged, so that a success costs one answer; the kernel reports each failure
    /// anyway. Outside of a batch it does not stop at one: later changes have been tried too, and the caller undoes the
    /// whole.
    /// - Throws: the first failure.
    public mutating func execute(_ changes: borrowing Changes) throws(Failure) {
        guard changes.count > 0 else { return }
        var builder = changes.builder.renumbered(from: sequence)
        builder.addFlagsToLast(MessageFlag.acknowledge)
        let last = builder.sequences.count - 1
        if changes.isBatch { builder.endBatch() }
        try makeRoom(for: builder.bytes.count)
        try send(builder, changes.describe(0))
        var firstFailure: (position: Int, Acknowledgement)?
        while true {
            let messages: [Message]
            do throws(Errno) { messages = try receive() } catch {
                // Nobody knows what has been done: perhaps all of it.
                throw Failure(
                    changes.describe(last), error, kernelText: "no answer from netlink", change: changes.tag(last),
                    isAnswerLost: true)
            }
            for message in messages where message.type == Message.errorType {
                guard let position = builder.position(of: message.sequence) else { continue }
                guard let answer = Acknowledgement(message) else {
                    throw Failure(changes.describe(position), .badMessage, change: changes.tag(position))
                }
                if answer.errorNumber != 0, position < firstFailure?.position ?? .max {
                    firstFailure = (position, answer)
                }
                // A batch that cannot be begun or committed is answered for as a whole, by its first message.
                guard position == last || (changes.isBatch && position == 0) else { continue }
                guard let (failed, answer) = firstFailure else {
                    if Log.isOn { changes.log() }
                    return
                }
                throw Failure(
                    changes.describe(failed), Errno(rawValue: answer.errorNumber), kernelText: answer.text,
                    change: changes.tag(failed))
            }
        }
    }

    /// Lets the socket take a message of that size, which may be larger than the limit for everybody (wmem_max).
    private func makeRoom(for size: Int) throws(Failure) {
        guard size > NetlinkSocket.usualSendSize else { return }
        try attempting("make room for a message of \(size) octets") { () throws(Errno) in
            // The kernel counts its own overhead as well.
            var room = Int32(clamping: size + size / 4)
            // SO_SNDBUFFORCE, asm-generic/socket.h.
            guard unsafe setsockopt(descriptor, SOL_SOCKET, 32, &room, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
                throw .last
            }
        }
    }

    /// What fits into the smallest default of wmem_default.
    private static let usualSendSize = 100 << 10

    /// Asks for one thing; again when notifications have crowded the answer out.
    public mutating func request(
        _ attempt: @autoclosure () -> String, _ build: (inout MessageBuilder) -> Void
    ) throws(Failure) -> Message {
        for _ in 0..<NetlinkSocket.questionAttempts {
            var builder = builder()
            build(&builder)
            try send(builder, attempt())
            if let answer = try answer(to: builder.sequences.last, attempt()) { return answer }
        }
        throw Failure(attempt(), .noBufferSpace, kernelText: "notifications keep crowding the answer out")
    }

    /// Asks several things at once.
    ///
    /// - Returns: the answers in order; nil for what is not there (`ENOENT`).
    mutating func requests(
        _ count: Int, _ attempt: @autoclosure () -> String, _ build: (inout MessageBuilder, Int) -> Void
    ) throws(Failure) -> [Message?] {
        var builder = builder()
        for position in 0..<count { build(&builder, position) }
        guard !builder.isEmpty else { return [] }
        try send(builder, attempt())
        var answers = [Message?](repeating: nil, count: count)
        var open = count
        while open > 0 {
            let messages: [Message]
            do throws(Errno) { messages = try receive() } catch { throw Failure(attempt(), error) }
            for message in messages {
                guard let position = builder.position(of: message.sequence) else { continue }
                open -= 1
                guard message.type == Message.errorType else {
                    answers[position] = message
                    continue
                }
                guard let answer = Acknowledgement(message) else { throw Failure(attempt(), .badMessage) }
                guard answer.errorNumber == Errno.noSuchFile.rawValue else {
                    throw Failure(attempt(), Errno(rawValue: answer.errorNumber), kernelText: answer.text)
                }
            }
        }
        return answers
    }

    /// Reads up to the answer; nil when it may have been lost.
    private func answer(to sequence: UInt32?, _ attempt: @autoclosure () -> String) throws(Failure) -> Message? {
        while let messages = try receiveUnlessOverrun(attempt()) {
            for message in messages where message.sequence == sequence {
                guard message.type == Message.errorType else { return message }
                guard let answer = Acknowledgement(message) else { throw Failure(attempt(), .badMessage) }
                throw Failure(attempt(), Errno(rawValue: answer.errorNumber), kernelText: answer.text)
            }
        }
        return nil
    }

    /// Receives one datagram; nil when the kernel had to drop some for want of room (netlink(7)), which happens only to
    /// sockets that hear notifications. What was queued is dropped too, so that there is room again.
    private func receiveUnlessOverrun(_ attempt: @autoclosure () -> String) throws(Failure) -> [Message]? {
        do throws(Errno) { return try receive() } catch {
            // Congested, the kernel says so once, and drops answers silently after that: no answer is a lost one.
            guard error != .tryAgain else { return nil }
            guard error == .noBufferSpace else { throw Failure(attempt(), error) }
        }
        for _ in 0..<NetlinkSocket.maximumDatagrams {
            do throws(Errno) { _ = try receive() } catch .tryAgain { break } catch {
                guard error == .noBufferSpace else { throw Failure(attempt(), error) }
            }
        }
        return nil
    }

    /// Asks for a list; again when it changed while it was read (NLM_F_DUMP_INTR), or parts of it were lost.
    public mutating func dump<Element>(
        _ attempt: @autoclosure () -> String, _ element: (Message) -> Element?,
        _ build: (inout MessageBuilder) -> Void
    ) throws(Failure) -> [Element] {
        for _ in 0..<NetlinkSocket.questionAttempts {
            var builder = builder()
            build(&builder)
            try send(builder, attempt())
            if let list = try collect(builder.sequences[0], element, attempt()) { return list }
        }
        throw Failure(attempt(), .interrupted, kernelText: "the list kept changing while it was read")
    }

    /// Reads a dump to its end; nil when it was inconsistent or incomplete.
    private func collect<Element>(
        _ sequence: UInt32, _ element: (Message) -> Element?, _ attempt: @autoclosure () -> String
    ) throws(Failure) -> [Element]? {
        var list: [Element] = []
        var isConsistent = true
        for _ in 0..<NetlinkSocket.maximumDatagrams {
            guard let messages = try receiveUnlessOverrun(attempt()) else { return nil }
            for message in messages where message.sequence == sequence {
                if message.flags & MessageFlag.dumpInterrupted != 0 { isConsistent = false }
                switch message.type {
                case Message.doneType, Message.errorType:
                    guard let answer = Acknowledgement(message) else { throw Failure(attempt(), .badMessage) }
                    guard answer.errorNumber == 0 else {
                        throw Failure(attempt(), Errno(rawValue: answer.errorNumber), kernelText: answer.text)
                    }
                    return isConsistent ? list : nil
                default:
                    if let value = element(message) { list.append(value) }
                }
            }
        }
        throw Failure(attempt(), .messageTooLarge)
    }
}
