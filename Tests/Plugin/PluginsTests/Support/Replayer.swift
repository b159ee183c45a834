import Foundation
import Kernel
import NetlinkCodec
import Posix

/// Says again what the kernel has said, as long as the plugin says what it has said; then, or once something has been refused, answers
/// as a kernel does that grants everything and has nothing. For one thread.
final class Replayer: KernelStandIn, @unchecked Sendable {
    /// A request that is refused, or a parameter that cannot be written, in place of what was recorded.
    struct Refusal: CustomStringConvertible {
        /// Which step of the conversation.
        let step: Int
        /// Which message of a datagram.
        var message = 0
        var errno: Int32 = EPERM

        var description: String { "step \(step), message \(message), errno \(errno)" }
    }

    private let conversation: Conversation
    private let refusal: Refusal?
    private var position = 0
    private var hasRefused = false
    private var subsystems: [Int: Int32] = [:]
    /// Of each socket, once nothing is read from the conversation any more.
    private var queue: [Int: [[UInt8]]] = [:]

    /// Where the plugin has said something else than was recorded.
    private(set) var deviations: [String] = []
    /// What it has sent since something was refused, in words.
    private(set) var sentAfterRefusal: [String] = []
    private(set) var writtenAfterRefusal: [String] = []

    init(_ conversation: Conversation, refusing refusal: Refusal? = nil) {
        self.conversation = conversation
        self.refusal = refusal
    }

    /// Whether everything that was recorded has been said.
    var isAtEnd: Bool { position == conversation.steps.count }

    /// Whether the next step is refused.
    private var refusesNow: Bool { !hasRefused && refusal?.step == position }

    private func deviate(_ text: String) -> Errno {
        deviations.append(text)
        return .inputOutput
    }

    /// The next step, if it is what the plugin does.
    private func next(_ text: String, _ isSame: (Conversation.Step) -> Bool) throws(Errno) -> Conversation.Step {
        guard position < conversation.steps.count else { throw deviate("more than was recorded: \(text)") }
        let step = conversation.steps[position]
        guard isSame(step) else { throw deviate("\(text), where it was \(step)") }
        position += 1
        return step
    }

    override func openSocket(
        _ subsystem: NetlinkSocket.Subsystem, groups: UInt32, _ real: () throws(Errno) -> Void
    ) throws(Errno) -> Int {
        let number = subsystems.count + 1
        subsystems[number] = subsystem.rawValue
        if !hasRefused {
            _ = try next("open a socket") {
                $0 == .open(number, subsystem: subsystem.rawValue, groups: groups)
            }
        }
        return number
    }

    override func send(_ request: [UInt8], on socket: Int, _ real: () throws(Errno) -> Void) throws(Errno) {
        let words = Conversation.words(request, subsystems[socket]!)
        let isRefused = refusesNow
        guard !hasRefused else {
            sentAfterRefusal += words
            answer(request, on: socket, refusing: nil)
            return
        }
        _ = try next("send \(words)") { $0 == .send(socket, words) }
        guard isRefused, let refusal else { return }
        hasRefused = true
        answer(request, on: socket, refusing: refusal)
    }

    /// Does as the kernel does: whatever is refused is answered for, and what asks for an answer; a message each.
    private func answer(_ request: [UInt8], on socket: Int, refusing refusal: Refusal?) {
        for (number, message) in (Message.parse(request[...]) ?? []).enumerated() {
            let isDump = message.flags & MessageFlag.dump == MessageFlag.dump && message.type % 4 == 2
            if number == refusal?.message {
                queue[socket, default: []].append(Replayer.error(refusal!.errno, message.sequence))
            } else if isDump {
                queue[socket, default: []].append(Replayer.done(message.sequence))
            } else if message.type % 4 == 2 {
                queue[socket, default: []].append(Replayer.error(ENODEV, message.sequence))
            } else if message.flags & MessageFlag.acknowledge != 0 {
                queue[socket, default: []].append(Replayer.error(0, message.sequence))
            }
        }
    }

    private static func words(_ numbers: [UInt32]) -> [UInt8] {
        numbers.flatMap { number in [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: number >> $0) } }
    }

    /// NLMSG_ERROR without the request that it is about, linux/netlink.h.
    private static func error(_ errno: Int32, _ sequence: UInt32) -> [UInt8] {
        words([36, 0x100 << 16 | 2, sequence, 0, UInt32(bitPattern: -errno), 0, 0, 0, 0])
    }

    private static func done(_ sequence: UInt32) -> [UInt8] { words([20, 3, sequence, 0, 0]) }

    override func receive(on socket: Int, _ real: () throws(Errno) -> [UInt8]) throws(Errno) -> [UInt8] {
        if hasRefused {
            guard let first = queue[socket]?.first else { throw .tryAgain }
            queue[socket]!.removeFirst()
            return first
        }
        let step = try next("receive on \(socket)") {
            guard case .receive(socket, _) = $0 else { return false }
            return true
        }
        guard case .receive(_, let outcome) = step else { throw .inputOutput }
        return try outcome.get()
    }

    override func openNamespace(
        _ path: String, _ real: () throws(Errno) -> FileDescriptor
    ) throws(Errno) -> FileDescriptor {
        if !hasRefused { _ = try next("open \(path)") { $0 == .namespace(path) } }
        return try FileDescriptor.open("/dev/null", .readOnly)
    }

    override func enterNamespace(_ path: String, _ real: () throws(Errno) -> Void) throws(Errno) {
        guard !hasRefused else { return }
        let name = path == Conversation.pod ? path : "home"
        _ = try next("enter \(path)") { $0 == .enter(name) }
    }

    override func readSysctl(_ name: String, _ real: () throws(Errno) -> String) throws(Errno) -> String {
        guard !hasRefused else { return "0" }
        let step = try next("read \(name)") {
            guard case .read(name, _) = $0 else { return false }
            return true
        }
        guard case .read(_, let outcome) = step else { throw .inputOutput }
        return try outcome.get()
    }

    override func writeSysctl(_ value: String, _ name: String, _ real: () throws(Errno) -> Void) throws(Errno) {
        let isRefused = refusesNow
        guard !hasRefused else {
            writtenAfterRefusal.append("\(name)=\(value)")
            return
        }
        let step = try next("write \(value) to \(name)") {
            guard case .write(name, value, _) = $0 else { return false }
            return true
        }
        if isRefused, let refusal {
            hasRefused = true
            throw Errno(rawValue: refusal.errno)
        }
        guard case .write(_, _, let outcome) = step else { throw .inputOutput }
        _ = try outcome.get()
    }
}
