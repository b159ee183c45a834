import ArgumentParser
import Posix
import Presentation

/// A question to a person on the terminal.
struct Prompt {
    let text: String

    init(_ text: String) { self.text = text }

    /// Asks until the answer is valid; an empty answer accepts the proposal.
    func ask<Answer>(_ proposal: String, _ read: (String) throws -> Answer?) throws -> Answer {
        while true {
            try StandardStream.error.writeAll("\(text) [\(proposal)]: ".visible().utf8)
            guard let line = readLine() else { throw ExitCode.failure }
            let words = line.split(separator: " ").joined(separator: " ")
            do {
                if let answer = try read(words.isEmpty ? proposal : words) { return answer }
                try say("\"\(words)\" is no answer to that")
            } catch { try say("\(error)") }
        }
    }
}

/// Messages for a person go to standard error, since the actual answer goes to standard output.
func say(_ text: String) throws { try StandardStream.error.writeAll("\(text.visible())\n".utf8) }
