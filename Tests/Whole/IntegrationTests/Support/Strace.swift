import ContainerRuntime
import Foundation

/// System calls of one plugin run, seen and tampered with by strace(1).
struct Strace {
    let log: String

    init(_ node: Node) { log = node.directory + "/strace" }

    /// Put before the plugin: only traces.
    func tracing(_ calls: String) -> [String] { ["strace", "-f", "-qq", "-o", log, "-e", "trace=\(calls)"] }

    /// Put before the plugin: the n-th of the calls does not happen, and fails with the error.
    func failing(_ call: String, _ error: String, _ number: Int) -> [String] {
        tracing(call) + ["-e", "inject=\(call):error=\(error):when=\(number)"]
    }

    /// Put before the plugin: it is killed at the n-th of the calls, before the kernel does it.
    func killing(at call: String, _ number: Int) -> [String] {
        tracing(call) + ["-e", "inject=\(call):signal=KILL:when=\(number)"]
    }

    /// Put before the program: the n-th of the calls happens that much later.
    func delaying(_ call: String, _ number: Int, milliseconds: Int) -> [String] {
        tracing(call) + ["-e", "inject=\(call):delay_enter=\(milliseconds * 1000):when=\(number)"]
    }

    func lines() throws -> [String] {
        try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    /// How many calls there were.
    func count(_ call: String) throws -> Int { try lines().filter { $0.contains(" \(call)(") }.count }
}
