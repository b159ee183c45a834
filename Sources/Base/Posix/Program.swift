internal import CKernel

/// The program that this process runs.
public enum ProcessImage {
    /// execvp(3): returns only when that fails.
    public static func replace(with arguments: [String]) -> Errno {
        let arguments = unsafe arguments.map { unsafe strdup($0) } + [nil]
        unsafe execvp(arguments[0]!, arguments)
        return .last
    }
}

/// Running another program to its end.
public enum ChildProcess {
    public struct Output: Sendable {
        /// The exit code, or 128 plus the signal's number.
        public let status: Int32
        public let standardOutput: [UInt8]
    }

    /// Runs a program with `input` on its standard input and collects its standard output; it shares our standard error.
    ///
    /// - Throws: `EMSGSIZE` when it prints more than `outputLimit` octets; it is killed then.
    public static func run(
        _ path: String, environment: [String], input: [UInt8], outputLimit: Int
    ) throws(Errno) -> Output {
        // If our parent has set SIGCHLD to ignored, waitpid(2) would not report the child's exit.
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

    /// Writes and reads in turn: a child that answers before it has read everything must not block both.
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
                    // A child that closes its input early needs no more of it.
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
