internal import Logging
public import NetlinkCodec
public import Posix

/// A netlink socket, bound to the network namespace in which it was opened, wherever its process goes afterwards.
///
/// Requests are answered by the kernel before send(2) returns, so nothing here waits: an answer that is not there is
/// an error, not a hang. Only the removal of links waits, by poll(2) with a limit.
public struct NetlinkSocket: ~Copyable {
    let transport: NetlinkTransport
    private var sequence: UInt32 = 1
    let subsystem: Subsystem

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
    /// - Parameters:
    ///   - linkNotifications: whether it also hears of every change of a link (RTNLGRP_LINK).
    ///   - closing: of a socket of the `netfilter` subsystem; the others close at once.
    public init(
        _ subsystem: Subsystem = .route, linkNotifications: Bool = false, closing: Closing = .waiting
    ) throws(Failure) {
        // RTMGRP_LINK, linux/rtnetlink.h.
        try self.init(subsystem, groups: linkNotifications ? 1 : 0, closing)
    }

    /// - Parameter groups: of notifications, a bit each.
    init(_ subsystem: Subsystem, groups: UInt32, _ closing: Closing = .waiting) throws(Failure) {
        transport = try attempting("open a netlink socket") { () throws(Errno) in
            try NetlinkTransport(subsystem, groups: groups, closing)
        }
        self.subsystem = subsystem
    }

    deinit { transport.close() }

    /// The descriptor, for poll(2) and for whoever sends in this socket's name.
    var descriptor: Int32 { transport.descriptor }

    /// A builder whose messages continue this socket's numbering.
    mutating func builder() -> MessageBuilder { MessageBuilder(firstSequence: sequence) }

    /// Takes the numbers that a builder has used out of circulation.
    mutating func consume(_ builder: MessageBuilder) { sequence &+= UInt32(builder.sequences.count) }

    private mutating func send(_ builder: MessageBuilder, _ attempt: @autoclosure () -> String) throws(Failure) {
        consume(builder)
        if Log.isDebugging { log("send", builder.bytes[...]) }
        try attempting(attempt()) { () throws(Errno) in try transport.send(builder.bytes) }
    }

    /// Receives one datagram; `EAGAIN` when there is none.
    func receive() throws(Errno) -> [Message] {
        let datagram = try transport.receive()
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
        try attempting("make room for a message of \(builder.bytes.count) octets") { () throws(Errno) in
            try transport.makeRoom(for: builder.bytes.count)
        }
        try send(builder, changes.describe(0))
        var firstFailure: (position: Int, Acknowledgement)?
        while true {
            let messages: [Message]
            do throws(Errno) { messages = try receive() } catch {
                // Answers were dropped for want of room; those before are still there.
                if error == .noBufferSpace { continue }
                // What is known to have failed is enough.
                if let (failed, answer) = firstFailure { throw refusal(of: changes, failed, answer) }
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
                throw refusal(of: changes, failed, answer)
            }
        }
    }

    private func refusal(of changes: borrowing Changes, _ position: Int, _ answer: Acknowledgement) -> Failure {
        Failure(
            changes.describe(position), Errno(rawValue: answer.errorNumber), kernelText: answer.text,
            change: changes.tag(position))
    }

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

    /// Questions that are asked at once: their answers find room in any socket.
    private static let maximumQuestions = 64

    /// Asks several things, many at once.
    ///
    /// - Returns: the answers in order; nil for what is not there (`ENOENT`).
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
