internal import Posix

/// Writes events to one destination, which is opened for the first event.
struct LogOutput: ~Copyable {
    private let destination: LogDestination
    /// How long to wait for a reader.
    private let patienceMilliseconds: Int
    private var descriptor: FileDescriptor?

    init(_ destination: LogDestination, patienceMilliseconds: Int) {
        self.destination = destination
        self.patienceMilliseconds = patienceMilliseconds
    }

    /// Closes what is open: the next event opens the destination again.
    mutating func reopen() { descriptor = nil }

    /// - Throws: if the event could not be written completely within that time.
    mutating func write(_ level: LogLevel, _ fields: [LogField]) throws(Errno) {
        guard destination != .journal else { return try send(level, fields) }
        let head: [LogField] = [("time", WallClock.now.text), ("level", "\(level)")]
        try write(LogOutput.line(head + fields))
    }

    private static func line(_ fields: [LogField]) -> LogLine {
        var line = LogLine()
        for field in fields { line.append(field.key, field.value) }
        return line
    }

    private mutating func write(_ line: LogLine) throws(Errno) {
        guard case .file(let path) = destination else {
            return try StandardStream.error.writeOnce(line.bytes, milliseconds: patienceMilliseconds)
        }
        if descriptor == nil {
            // Opened by name: a program that renames the file away, such as logrotate, need not notify this process.
            let file = try FileDescriptor.open(path, [.writeOnly, .create, .append, .noFollow, .nonBlocking])
            // Not a terminal or a pipe, whose reader might block this process.
            guard try file.status().kind == .file else { throw .invalidArgument }
            descriptor = .some(consume file)
        }
        try descriptor?.writeOnce(line.bytes)
    }

    private mutating func send(_ level: LogLevel, _ fields: [LogField]) throws(Errno) {
        if descriptor == nil {
            let socket = try FileDescriptor.unixDatagramSocket()
            try socket.connect(to: .path(JournalEntry.socket))
            descriptor = .some(consume socket)
        }
        var entry = JournalEntry()
        entry.append("PRIORITY", "\(level.rawValue)".utf8)
        entry.append("SYSLOG_IDENTIFIER", "swiftlet".utf8)
        // The journal adds time and level itself.
        entry.append("MESSAGE", LogOutput.line(fields).bytes.dropLast())
        for field in fields { entry.append(JournalEntry.name(of: field.key), field.value.utf8) }
        do throws(Errno) { _ = try descriptor?.send(entry.bytes[...]) } catch {
            guard error == .tryAgain, patienceMilliseconds > 0 else { throw error }
            try descriptor?.wait(for: .writing, milliseconds: Int32(clamping: patienceMilliseconds))
            _ = try descriptor?.send(entry.bytes[...])
        }
    }
}
