import ContainerRuntime
import Foundation

/// What becomes of one system call of a plugin.
enum Fault: Sendable, Hashable, CustomStringConvertible {
    /// The process is killed before the kernel does it.
    case kill
    /// It is not done, and fails.
    case error(Errno)
    /// A netlink message that is received is said to have been longer (MSG_TRUNC).
    case truncate
    /// The second half of a netlink message that is received is missing.
    case halve

    enum Errno: Int32, Sendable, CaseIterable {
        case ENOMEM = 12
        case EIO = 5
        case ENOSPC = 28
        case EMFILE = 24
        case EINTR = 4
        case EAGAIN = 11
        /// Of sockets only.
        case ENOBUFS = 105
    }

    static let errors = Errno.allCases.map(Fault.error)

    var description: String {
        switch self {
        case .kill: "killed"
        case .error(let errno): "\(errno)"
        case .truncate: "truncated"
        case .halve: "halved"
        }
    }

    fileprivate var argument: String {
        switch self {
        case .kill: "kill"
        case .error(let errno): "error=\(errno.rawValue)"
        case .truncate: "truncate"
        case .halve: "halve"
        }
    }

    /// Whether it can happen to that call. Of the calls before main only kills are looked at: there is nobody yet who
    /// could report an error.
    func concerns(_ call: InjectedCall) -> Bool {
        switch self {
        case .kill: true
        case .error(.ENOBUFS): ["sendto", "recvmsg"].contains(call.name)
        case .error: call.isInMain && !["exit", "exit_group", "rt_sigreturn"].contains(call.name)
        case .truncate, .halve: call.name == "recvmsg"
        }
    }
}

/// A system call of a plugin, as the fault injector's log has it.
struct InjectedCall: Sendable, CustomStringConvertible {
    /// 0 is the plugin itself, the others are its children in the order of their birth.
    let process: Int
    /// Of that process, from 1.
    let number: Int
    let isInMain: Bool
    let name: String

    var description: String { "\(number) (\(name)\(process > 0 ? " of child \(process)" : ""))" }

    fileprivate init?(_ words: some Collection<Substring>) {
        let words = Array(words)
        guard words.count == 4, let process = Int(words[0]), let number = Int(words[1]), let inMain = Int(words[2])
        else { return nil }
        (self.process, self.number, self.name) = (process, number, String(words[3]))
        isInMain = inMain > 0
    }
}

/// Runs plugins with one faulty system call: Tests/Support/FaultInjector.
struct FaultInjector {
    private let log: String

    /// A plugin that takes longer hangs.
    var limitSeconds = 20
    /// What the injector ends with then.
    static let hangs = ExitStatus.code(124)

    private static let program =
        URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path + "/fault-injector"

    init(_ node: Node) { log = node.directory + "/calls" }

    /// Put before the plugin: nothing goes wrong.
    var watching: [String] { [Self.program, log, "\(limitSeconds)", "none", "0", "0"] }

    /// Put before the plugin.
    func wrapper(_ fault: Fault, at call: InjectedCall) -> [String] {
        [Self.program, log, "\(limitSeconds)", fault.argument, "\(call.process)", "\(call.number)"]
    }

    /// Put before the program: it does not make the n-th call of that name before ``whileHeld(_:)`` is over.
    func holding(_ call: String, _ number: Int) throws -> [String] {
        unlink(pipe)
        guard mkfifo(pipe, 0o600) == 0 else { throw CommandError.system("mkfifo \(pipe)") }
        // Longer than anybody waits while it is held.
        return [Self.program, log, "60", "hold", "0", "\(call):\(number)"]
    }

    /// Waits until the program is about to make the call, runs the body, and lets it go on.
    func whileHeld(_ body: () throws -> Void) throws {
        var end: Int32 = -1
        defer { if end >= 0 { close(end) } }
        try eventually("the program is about to make the call") {
            // There is no reader before.
            end = open(pipe, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
            return end >= 0
        }
        try body()
    }

    private var pipe: String { log + ".held" }

    private func lines() throws -> [[Substring]] {
        try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map { $0.split(separator: " ") }
    }

    /// The calls of the last run.
    func calls() throws -> [InjectedCall] { try lines().compactMap(InjectedCall.init) }

    /// The call that went wrong in the last run; nil when it ended before.
    func faulty() throws -> InjectedCall? {
        try lines().first { $0.first == "!" }.flatMap { InjectedCall($0.dropFirst()) }
    }
}
