import CBench
import Foundation

/// How a process ended.
public enum ExitStatus: Sendable, Equatable, CustomStringConvertible {
    case code(Int32)
    case signal(Int32)

    public var isSuccess: Bool { self == .code(0) }

    public var description: String {
        switch self {
        case .code(let code): "exit code \(code)"
        case .signal(let signal): "killed by signal \(signal) (\(String(cString: strsignal(signal))))"
        }
    }
}

/// One finished process: its output, exit status and cost.
public struct ProcessOutcome: Sendable {
    public var exit: ExitStatus
    public var stdout: [UInt8]
    public var stderr: [UInt8]
    /// From before posix_spawn until the process was reaped and all its output was read.
    public var wall: Duration
    /// Processor time of the process and of the children that it waited for. The sum is exact; the kernel splits it by sampling
    /// at its timer, so below some ten milliseconds all of it may count as user time.
    public var user: Duration
    public var system: Duration
    /// Peak resident set: the largest among the process and its waited-for children. Never below the peak of the process that
    /// started it, because the kernel counts the memory that exec replaces.
    public var maxResidentKiB: Int
}

/// Starts processes and measures them, using only posix_spawn and pipes.
public struct Launcher: Sendable {
    /// Prepended to every command, for example `["nsenter", "--net=/run/netns/node"]`; its first word is looked up in PATH.
    public var prefix: [String]
    /// A process that has not closed its output by then is killed; nil for no limit.
    public var timeout: Duration?

    public init(prefix: [String] = [], timeout: Duration? = .seconds(120)) {
        self.prefix = prefix
        self.timeout = timeout
    }

    /// Runs `executable` to completion, with exactly this environment and up to 1 MiB of `stdin`.
    public func run(
        _ executable: String, arguments: [String] = [], environment: [String: String], stdin: [UInt8] = []
    ) throws -> ProcessOutcome {
        let command = prefix + [executable] + arguments
        let input = try Pipe()
        let output = try Pipe()
        let errors = try Pipe()
        // Written before the process exists. The pipe is large enough, so this cannot block, and we still hold the reading end,
        // so it cannot raise SIGPIPE.
        try input.fill(with: stdin)

        let (child, start) = try spawn(command, environment, input: input, output: output, errors: errors)
        input.closeBoth()
        output.closeWriter()
        errors.closeWriter()
        let (texts, complete) = drain([output.reader, errors.reader], until: timeout.map { start + $0 })
        if !complete { kill(child, SIGKILL) }
        let (exit, usage) = reap(child)
        let wall = ContinuousClock.now - start

        guard complete else { throw RuntimeError.timedOut(executable: executable, after: wall) }
        return ProcessOutcome(
            exit: exit, stdout: texts[0], stderr: texts[1], wall: wall,
            user: Duration(usage.ru_utime), system: Duration(usage.ru_stime), maxResidentKiB: usage.ru_maxrss)
    }
}

/// Both ends of a pipe, closed with the last reference.
private final class Pipe {
    private(set) var reader: Int32 = -1
    private var writerEnd: Int32 = -1
    var writer: Int32 { writerEnd }

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard cbench_pipe(&ends) == 0 else { throw RuntimeError.system("create a pipe", errno) }
        (reader, writerEnd) = (ends[0], ends[1])
    }

    deinit { closeBoth() }

    func closeWriter() {
        if writerEnd >= 0 { close(writerEnd) }
        writerEnd = -1
    }

    func closeBoth() {
        closeWriter()
        if reader >= 0 { close(reader) }
        reader = -1
    }

    func fill(with bytes: [UInt8]) throws {
        let standardCapacity = 65536
        if bytes.count > standardCapacity, cbench_pipe_reserve(writerEnd, Int32(clamping: bytes.count)) != 0 {
            throw RuntimeError.system("enlarge a pipe to \(bytes.count) bytes", errno)
        }
        guard bytes.isEmpty || write(writerEnd, bytes, bytes.count) == bytes.count else {
            throw RuntimeError.system("write \(bytes.count) bytes into a pipe", errno)
        }
    }
}

private func spawn(
    _ command: [String], _ environment: [String: String], input: Pipe, output: Pipe, errors: Pipe
) throws -> (pid_t, start: ContinuousClock.Instant) {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input.reader, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, output.writer, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, errors.writer, STDERR_FILENO)

    var arguments = command.map { strdup($0) } + [nil]
    var variables = environment.sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in arguments + variables { free(text) } }

    var child: pid_t = 0
    // A file that was just written may still be open for writing in a child that another thread is starting.
    var attempt = 0
    while true {
        attempt += 1
        let start = ContinuousClock.now
        let failure = posix_spawnp(&child, command[0], &actions, nil, &arguments, &variables)
        if failure == 0 { return (child, start) }
        guard failure == ETXTBSY, attempt < 100 else { throw RuntimeError.system("start \(command[0])", failure) }
        usleep(10_000)
    }
}

/// Reads all descriptors to their end; false if the deadline passed first.
private func drain(_ descriptors: [Int32], until deadline: ContinuousClock.Instant?) -> ([[UInt8]], complete: Bool) {
    var texts = descriptors.map { _ in [UInt8]() }
    var polled = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    var buffer = [UInt8](repeating: 0, count: 16384)
    while polled.contains(where: { $0.fd >= 0 }) {
        var patience: Int32 = -1
        if let deadline {
            let left = deadline - ContinuousClock.now
            if left <= .zero { return (texts, false) }
            patience = Int32(clamping: left.milliseconds + 1)
        }
        guard poll(&polled, nfds_t(polled.count), patience) > 0 else { continue }
        for index in polled.indices where polled[index].revents != 0 {
            let count = read(polled[index].fd, &buffer, buffer.count)
            if count > 0 {
                texts[index] += buffer[..<count]
            } else if count == 0 || errno != EINTR {
                polled[index].fd = -1  // poll ignores negative descriptors
            }
        }
    }
    return (texts, true)
}

private func reap(_ child: pid_t) -> (ExitStatus, rusage) {
    var status: Int32 = 0
    var usage = rusage()
    while wait4(child, &status, 0, &usage) < 0 {
        precondition(errno == EINTR, "wait4 on our own child \(child): errno \(errno)")
    }
    // WIFSIGNALED and WEXITSTATUS are macros that Swift does not see.
    let signal = status & 0x7f
    return (signal == 0 ? .code((status >> 8) & 0xff) : .signal(signal), usage)
}

extension Duration {
    init(_ time: timeval) { self = .seconds(time.tv_sec) + .microseconds(time.tv_usec) }

    public var milliseconds: Int64 { microseconds / 1000 }
    public var microseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
}
