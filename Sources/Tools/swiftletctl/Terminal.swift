import Posix
import Presentation

/// The terminal behind standard output, if there is one.
enum Terminal {
    /// Whether the output goes to a person who wants colours (https://no-color.org).
    static var isColored: Bool {
        StandardStream.output.isTerminal && !ProcessEnvironment.hasVariable("NO_COLOR")
    }

    static var style: TextStyle { TextStyle(isColored: isColored) }

    /// Shows one text after the other in the same place, until Ctrl-C; without a terminal, one below the other.
    ///
    /// - Parameter seconds: the time between two texts.
    static func redraw(every seconds: Double, _ text: () throws -> String) throws {
        let isTerminal = StandardStream.output.isTerminal
        let ending = try ProcessEnvironment.termination(isOfTerminal: true)
        // The alternate screen, without a cursor.
        if isTerminal { try write("\u{1b}[?1049h\u{1b}[?25l") }
        defer { if isTerminal { try? write("\u{1b}[?25h\u{1b}[?1049l") } }
        while true {
            let next = MonotonicClock.milliseconds + Int(seconds * 1000)
            let block = try text().visible(isColored: isColored)
            if isTerminal {
                let lines = block.split(separator: "\n", omittingEmptySubsequences: false)
                try write("\u{1b}[H" + lines.map { "\($0)\u{1b}[K\r\n" }.joined() + "\u{1b}[J")
            } else {
                try write("\(block)\n\n")
            }
            let patience = max(next - MonotonicClock.milliseconds, 1)
            if try Polling.wait(for: [.init(ending.rawValue, .reading)], milliseconds: patience)[0] { return }
        }
    }

    private static func write(_ text: String) throws { try StandardStream.output.writeAll(text.utf8) }
}
