internal import EventLog
public import NetlinkCodec
public import Posix

/// A netlink socket, bound to the network namespace in which it was opened, even if its process moves to another.
///
/// The kernel answers requests before send(2) returns, so nothing here waits: a missing answer is an error, not a hang. Only the
/// removal of links waits, by poll(2) with a time limit.
public struct NetlinkSocket: ~Copyable {
    let transport: NetlinkTransport
    private var sequence: UInt32 = 1
    let subsystem: Subsystem

    /// How many times in all a request is sent whose answer was lost, or changed while it was read.
    private static let questionAttempts = 20

    /// The most datagrams in one answer: a safety bound far beyond real answers (a datagram holds about 100 links).
    private static let maximumDatagrams = 1 << 16

    /// The kernel subsystem that a socket talks to, linux/netlink.h.
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
    /// - Parameters:
    ///   - linkNotifications: whether it also receives a notification of every change of a link (RTNLGRP_LINK).
    ///   - closing: for a socket of the `netfilter` subsystem; others close at once.
    public init(
        _ subsystem: Subsystem = .route, linkNotifications: Bool = false, closing: Closing = .waiting
    ) throws(Failure) {
        // RTMGRP_LINK, linux/rtnetlink.h.
        try self.init(subsystem, groups: linkNotifications ? 1 : 0, closing)
    }

    /// - Parameter groups: of notifications, one bit each.
    init(_ subsystem: Subsystem, groups: UInt32, _ closing: Closing = .waiting) throws(Failure) {
        transport = try attempting("open a netlink socket") { () throws(Errno) in
            try NetlinkTransport(subsystem, groups: groups, closing)
        }
        self.subsystem = subsystem
    }

    deinit { transport.close() }

    /// The descriptor, for poll(2) and for senders that act for this socket.
    var descriptor: Int32 { transport.descriptor }

    /// A builder whose messages continue this socket's numbering.
    mutating func builder() -> MessageBuilder { MessageBuilder(firstSequence: sequence) }

    /// Advances the sequence number past those that a builder has used.
    mutating func consume(_ builder: MessageBuilder) { sequence &+= UInt32(builder.sequences.count) }

    private mutating func send(_ builder: MessageBuilder, _ attempt: @autoclosure () -> String) throws(Failure) {
        consume(builder)
        if Log.isDebugging { log("send", builder.bytes[...]) }
        try attempting(attempt()) { () throws(Errno) in try transport.send(builder.bytes) }
    }

    /// Receives one datagram; `EAGAIN` if there is none.
    func receive() throws(Errno) -> [Message] {
        let datagram = try transport.receive()
        if Log.isDebugging { log("receive", datagram[...]) }
        guard let messages = Message.parse(datagram[...]) else { throw .badMessage }
        return messages
    }

    /// Sends all changes at once and reads the errors.
    ///
    /// Only the last change is acknowledged, so that success costs one answer; the kernel reports each failure anyway. Outside a
    /// batch it does not stop at a failure: later changes have been tried too, and the caller undoes everything.
    /// - Throws: the first failure.
    public mutating func execute(_ changes: borrowing Changes) throws(Failure) {
        guard changes.count > 0 else { return }
        var builder = changes.builder.renumbered(from: sequence)
        builder.addFlagsToLast(MessageFlag.acknowledge)
        let last = builder.sequences.count - 1
        if changes.isBatch { builder.endBatch() }
        try attempting("make room for a message of \(builder.bytes.count) octets") { () throws(Errno) in
            try transport.makeRoom(for: builder.bytes.count)
        }
        try send(builder, changes.describe(0))
        var firstFailure: (position: Int, Acknowledgement)?
        while true {
            let messages: [Message]
            do throws(Errno) { messages = try receive() } catch {
                // The kernel dropped answers for lack of room; earlier ones are still queued.
                if error == .noBufferSpace { continue }
                // One known failure is enough.
                if let (failed, answer) = firstFailure { throw refusal(of: changes, failed, answer) }
                // The outcome is unknown: perhaps all changes were made.
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
                // If a batch cannot begin or commit, the kernel answers once for the whole, to its first message.
                guard position == last || (changes.isBatch && position == 0) else { continue }
                guard let (failed, answer) = firstFailure else {
                    if changes.isLogged, Log.isOn { changes.log() }
                    return
                }
                throw refusal(of: changes, failed, answer)
            }
        }
    }

    private func refusal(of changes: borrowing Changes, _ position: Int, _ answer: Acknowledgement) -> Failure {
        Failure(
            changes.describe(position), Errno(rawValue: answer.errorNumber), kernelText: answer.text,
            change: changes.tag(position))
    }

    /// Sends one query, and repeats it if notifications have crowded the answer out.
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

    /// Queries sent at once: their answers fit into any socket's buffer.
    private static let maximumQuestions = 64

    /// Sends several queries, many at once.
    ///
    /// - Returns: the answers in order; nil for what does not exist (`ENOENT`).
    mutating func requests(
        _ count: Int, _ attempt: @autoclosure () -> String, _ build: (inout MessageBuilder, Int) -> Void
    ) throws(Failure) -> [Message?] {
        var answers = [Message?](repeating: nil, count: count)
        var asked = 0
        while asked < count {
            let end = min(asked + NetlinkSocket.maximumQuestions, count)
            var builder = builder()
            for position in asked..<end { build(&builder, position) }
            try send(builder, attempt())
            var open = end - asked
            while open > 0 {
                let messages: [Message]
                do throws(Errno) { messages = try receive() } catch { throw Failure(attempt(), error) }
                for message in messages {
                    guard let position = builder.position(of: message.sequence) else { continue }
                    open -= 1
                    guard message.type == Message.errorType else {
                        answers[asked + position] = message
                        continue
                    }
                    guard let answer = Acknowledgement(message) else { throw Failure(attempt(), .badMessage) }
                    guard answer.errorNumber == Errno.noSuchFile.rawValue else {
                        throw Failure(attempt(), Errno(rawValue: answer.errorNumber), kernelText: answer.text)
                    }
                }
            }
            asked = end
        }
        return answers
    }

    /// Reads up to the answer; nil if it may have been lost.
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

    /// Receives one datagram; nil if the kernel had to drop some for lack of room (netlink(7)), which happens only to sockets
    /// with notifications. Then it also discards what was queued, to make room again.
    private func receiveUnlessOverrun(_ attempt: @autoclosure () -> String) throws(Failure) -> [Message]? {
        do throws(Errno) { return try receive() } catch {
            // A congested kernel says so once and then drops answers silently: a missing answer is a lost one.
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

    /// Reads a dump, and repeats it if it changed while it was read (NLM_F_DUMP_INTR) or parts were lost.
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

    /// Reads a dump to its end; nil if it was inconsistent or incomplete.
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
