internal import CKernel

/// The environment of this process.
public enum ProcessEnvironment {
    /// `NAME=value` for each variable.
    public static var variables: [String] {
        var result: [String] = []
        guard var entry = unsafe ck_environment() else { return [] }
        while let text = unsafe entry.pointee {
            unsafe result.append(String(cString: text))
            unsafe entry += 1
        }
        return result
    }

    /// Whether a variable is there, be it empty.
    public static func hasVariable(_ name: String) -> Bool { unsafe getenv(name) != nil }

    /// The command line, with the name that this process was started by in front; empty where there is no /proc.
    public static var arguments: [String] {
        let line = try? FileDescriptor.open("/proc/self/cmdline", .readOnly).readAll(limit: 1 << 20)
        return (line ?? []).split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    /// The last component of the name that this process was started by.
    ///
    /// libc has it in memory; for ``arguments`` the language reads /proc/self/cmdline, and crashes where it cannot.
    public static var invokedName: String { unsafe String(cString: ck_invoked_name()) }

    /// geteuid(2): the user in whose name this process acts.
    public static var effectiveUser: UInt32 { geteuid() }

    /// getpid(2).
    public static var processID: Int32 { getpid() }

    /// setrlimit(2): lets this process open as many files as it may allow itself (RLIMIT_NOFILE).
    public static func raiseFileLimit() throws(Errno) {
        try once { ck_raise_file_limit() }
    }

    /// A descriptor that becomes readable when SIGTERM or SIGINT comes; these end the process no more.
    ///
    /// - Parameter isOfTerminal: whether the same goes for what else a terminal ends a process by, SIGQUIT and SIGHUP.
    public static func termination(isOfTerminal: Bool = false) throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try once { ck_termination(isOfTerminal ? 1 : 0) })
    }

    /// getcwd(2), as far as it is known: `/proc/self/cwd`.
    public static var workingDirectory: String {
        (try? FileDescriptor.open("/proc/self", .directory).readSymbolicLink("cwd")) ?? "/"
    }

    /// Ends the process at once.
    public static func exit(_ code: Int32) -> Never { CKernel.exit(code) }
}

/// The descriptors that a process starts with; never closed here.
public enum StandardStream: Int32, Sendable {
    case input = 0
    case output = 1
    case error = 2

    /// Whether a person may sit at it: isatty(3).
    public var isTerminal: Bool { isatty(rawValue) == 1 }

    public func readAll(limit: Int) throws(Errno) -> [UInt8] {
        try borrowing { (file: borrowing FileDescriptor) throws(Errno) in try file.readAll(limit: limit) }
    }

    /// - Throws: `EPIPE` when nobody reads it any more.
    public func writeAll(_ content: some Sequence<UInt8>) throws(Errno) {
        try holdingBackWriteSignals { () throws(Errno) in
            try borrowing { (file: borrowing FileDescriptor) throws(Errno) in try file.writeAll(content) }
        }
    }

    /// write(2) once, if there is room within `milliseconds`.
    ///
    /// - Throws: `EAGAIN` where a reader does not read, `EPIPE` where it is gone.
    public func writeOnce(_ content: [UInt8], milliseconds: Int) throws(Errno) {
        try borrowing { (file: borrowing FileDescriptor) throws(Errno) in
            guard try Polling.wait(for: [.init(rawValue, .writing)], milliseconds: milliseconds)[0] else {
                throw .tryAgain
            }
            try file.writeOnce(content)
        }
    }

    private func borrowing<Value>(
        _ use: (borrowing FileDescriptor) throws(Errno) -> Value
    ) throws(Errno) -> Value {
        let file = FileDescriptor(owning: rawValue)
        do throws(Errno) {
            let value = try use(file)
            _ = file.release()
            return value
        } catch {
            _ = file.release()
            throw error
        }
    }
}

/// Doing nothing for a while.
public enum Pause {
    /// usleep(3), below a second at a time.
    public static func microseconds(_ count: UInt32) { usleep(count) }
}

/// CLOCK_MONOTONIC: for limits, which must not depend on what time somebody sets.
public enum MonotonicClock {
    /// clock_gettime(2), in milliseconds since some moment before.
    public static var milliseconds: Int { microseconds / 1000 }

    /// The same in microseconds.
    public static var microseconds: Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }
}

/// CLOCK_REALTIME: what people call the time, which they may set.
public enum WallClock {
    /// clock_gettime(2).
    public static var now: Timestamp {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
    }
}

/// CLOCK_BOOTTIME: what happens at a point of it also happens when the machine has slept meanwhile, and every process of
/// this boot reads the same.
public enum BootClock {
    /// clock_gettime(2), in milliseconds since the machine was started.
    public static var milliseconds: Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}

/// What this process runs.
public enum ProcessImage {
    /// execvp(3): returns only when that fails.
    public static func replace(with arguments: [String]) -> Errno {
        let arguments = unsafe arguments.map { unsafe strdup($0) } + [nil]
        unsafe execvp(arguments[0]!, arguments)
        return .last
    }
}

/// Another program, run to its end.
public enum ChildProcess {
    public struct Output: Sendable {
        /// The exit code, or 128 and the signal's number.
        public let status: Int32
        public let standardOutput: [UInt8]
    }

    /// Runs a program with `input` on its standard input and collects its standard output; it shares our standard error.
    ///
    /// - Throws: `EMSGSIZE` when it prints more than `outputLimit` octets; it is killed then.
    public static func run(
        _ path: String, environment: [String], input: [UInt8], outputLimit: Int
    ) throws(Errno) -> Output {
        // Ignored by whoever started us, the child's end would not be told.
        let onChildEnd = ck_default_signal(SIGCHLD)
        defer { _ = signal(SIGCHLD, onChildEnd) }
        var ends = try pipe()
        let inputReader = FileDescriptor(owning: ends.reader)
        let inputWriter = FileDescriptor(owning: ends.writer)
        ends = try pipe()
        let outputReader = FileDescriptor(owning: ends.reader)
        let outputWriter = FileDescriptor(owning: ends.writer)
        var environment = unsafe environment.map { unsafe strdup($0) } + [nil]
        defer { unsafe environment.forEach { unsafe free($0) } }
        let child = try unsafe environment.withUnsafeMutableBufferPointer { buffer throws(Errno) in
            try once { unsafe ck_spawn(path, buffer.baseAddress, inputReader.rawValue, outputWriter.rawValue) }
        }
        inputReader.close()
        outputWriter.close()
        let output: [UInt8]
        do throws(Errno) {
            output = try exchange(input, inputWriter, outputReader, limit: outputLimit)
        } catch {
            kill(child, SIGKILL)
            _ = try? wait(for: child)
            throw error
        }
        return Output(status: try wait(for: child), standardOutput: output)
    }

    private static func pipe() throws(Errno) -> (reader: Int32, writer: Int32) {
        var ends: [Int32] = [-1, -1]
        try once { unsafe ck_pipe(&ends) }
        return (ends[0], ends[1])
    }

    /// Writes and reads side by side: a child that answers before it has read everything must not block both.
    private static func exchange(
        _ input: [UInt8], _ writer: consuming FileDescriptor, _ reader: borrowing FileDescriptor, limit: Int
    ) throws(Errno) -> [UInt8] {
        var writer: FileDescriptor? = writer
        var written = 0
        var output: [UInt8] = []
        try once { ck_set_nonblocking(writer?.rawValue ?? -1) }
        while true {
            var waiting = [
                pollfd(fd: reader.rawValue, events: Int16(POLLIN), revents: 0),
                pollfd(fd: writer?.rawValue ?? -1, events: Int16(POLLOUT), revents: 0),
            ]
            try retrying { unsafe poll(&waiting, 2, -1) }
            if waiting[1].revents != 0, let descriptor = writer?.rawValue {
                let rest = Array(input[written...].prefix(65536))
                do throws(Errno) { written += try send(descriptor, rest) } catch {
                    // A child that closes its input early has read what it wanted.
                    if error != .tryAgain { writer = nil }
                }
                if written == input.count { writer = nil }
            }
            if waiting[0].revents != 0 {
                let chunk = try reader.read(atMost: 65536)
                if chunk.isEmpty { return output }
                output += chunk
                guard output.count <= limit else { throw .messageTooLarge }
            }
        }
    }

    private static func send(_ descriptor: Int32, _ bytes: [UInt8]) throws(Errno) -> Int {
        try holdingBackWriteSignals { () throws(Errno) in
            try retrying { unsafe write(descriptor, bytes, bytes.count) }
        }
    }

    /// waitpid(2) for a child of this process.
    static func wait(for child: Int32) throws(Errno) -> Int32 {
        var status: Int32 = 0
        try retrying { unsafe waitpid(child, &status, 0) }
        return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
    }
}

extension FileDescriptor {
    /// write(2) once: with `append` and up to PIPE_BUF octets (4096) what several processes write does not mix.
    ///
    /// No signal comes of a closed pipe or of a limit for files (RLIMIT_FSIZE); what does not fit is not written.
    public func writeOnce(_ content: [UInt8]) throws(Errno) {
        try holdingBackWriteSignals { () throws(Errno) in
            try retrying { unsafe CKernel.write(rawValue, content, content.count) }
        }
    }
}

/// Runs a write that fails with `EPIPE` or `EFBIG` where SIGPIPE or SIGXFSZ would have ended this process.
///
/// Both are sent to the thread that writes (pipe(7), setrlimit(2)): it blocks them and takes what has come. Other threads, and what the
/// process does on these signals, are left alone.
@discardableResult
private func holdingBackWriteSignals<Value>(_ write: () throws(Errno) -> Value) throws(Errno) -> Value {
    var signals = sigset_t()
    var before = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGPIPE)
    unsafe sigaddset(&signals, SIGXFSZ)
    unsafe pthread_sigmask(SIG_BLOCK, &signals, &before)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
    do throws(Errno) { return try write() } catch {
        if error == .brokenPipe || error == .fileTooLarge {
            var noTime = timespec()
            unsafe sigtimedwait(&signals, nil, &noTime)
        }
        throw error
    }
}

extension FileDescriptor {
    /// close(2) now rather than at the end of the scope.
    public consuming func close() {}
}
