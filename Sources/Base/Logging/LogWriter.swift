internal import Posix

/// Writes lines to where they go. Whatever goes wrong, nobody hears of it: a call must not fail, nor wait, for its log.
final class LogWriter {
    let level: LogLevel
    let destination: LogDestination
    /// In every line: what is called, and whose it is.
    private let context: [LogField]
    /// The numbers of errors' kinds, which are the protocol's.
    let code: (Failure.Kind) -> Int64
    private var descriptor: FileDescriptor?
    /// Lines that may still come: nothing that a call does is worth more.
    private var left = 10_000

    /// How long a reader may keep us waiting, once.
    private static let patienceMilliseconds = 100

    init(
        _ destination: LogDestination, _ level: LogLevel, _ context: [LogField],
        _ code: @escaping (Failure.Kind) -> Int64
    ) {
        self.destination = destination
        self.level = level
        self.context = context
        self.code = code
    }

    func write(_ level: LogLevel, _ event: String, _ fields: [LogField]) {
        guard left > 0 else { return }
        left -= 1
        do throws(Errno) {
            if destination == .journal {
                try send(level, context + [("event", event)] + fields)
            } else {
                let head: [LogField] = [("time", WallClock.now.text), ("level", "\(level)")]
                try write(LogWriter.line(head + context + [("event", event)] + fields))
            }
        } catch {
            // What does not take a line now is not waited for again.
            left = 0
        }
    }

    private static func line(_ fields: [LogField]) -> LogLine {
        var line = LogLine()
        for field in fields { line.append(field.key, field.value) }
        return line
    }

    private func write(_ line: LogLine) throws(Errno) {
        guard case .file(let path) = destination else {
            return try StandardStream.error.writeOnce(line.bytes, milliseconds: LogWriter.patienceMilliseconds)
        }
        if descriptor == nil {
            // Opened once a call: what renames the file away, as logrotate does, need not tell anybody.
            let file = try FileDescriptor.open(path, [.writeOnly, .create, .append, .noFollow, .nonBlocking])
            // Neither a terminal nor a pipe, whose reader might keep us waiting.
            guard try file.status().kind == .file else { throw .invalidArgument }
            descriptor = .some(consume file)
        }
        try descriptor?.writeOnce(line.bytes)
    }

    private func send(_ level: LogLevel, _ fields: [LogField]) throws(Errno) {
        if descriptor == nil {
            let socket = try FileDescriptor.unixDatagramSocket()
            try socket.connect(to: .path(JournalEntry.socket))
            descriptor = .some(consume socket)
        }
        var entry = JournalEntry()
        entry.append("PRIORITY", "\(level.rawValue)".utf8)
        entry.append("SYSLOG_IDENTIFIER", "swiftlet".utf8)
        // It has time and level by itself.
        entry.append("MESSAGE", LogWriter.line(fields).bytes.dropLast())
        for field in fields { entry.append(JournalEntry.name(of: field.key), field.value.utf8) }
        do throws(Errno) { _ = try descriptor?.send(entry.bytes[...]) } catch {
            guard error == .tryAgain else { throw error }
            try descriptor?.wait(for: .writing, milliseconds: Int32(LogWriter.patienceMilliseconds))
            _ = try descriptor?.send(entry.bytes[...])
        }
    }
}
