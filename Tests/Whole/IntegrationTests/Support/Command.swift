import ContainerRuntime
import Foundation

/// A command that did not succeed.
struct CommandError: Error, CustomStringConvertible {
    let description: String
}

/// Runs a command and returns what it printed.
@discardableResult
func run(_ words: [String], environment: [String: String] = [:], stdin: String = "") throws -> String {
    var variables = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/sbin:/usr/bin", "LC_ALL": "C"]
    variables.merge(environment) { _, new in new }
    let outcome = try Launcher().run(
        words[0], arguments: Array(words.dropFirst()), environment: variables, stdin: Array(stdin.utf8))
    guard outcome.exit.isSuccess else {
        throw CommandError(
            description: "\(words.joined(separator: " ")): \(outcome.exit): \(outcome.errorText) \(outcome.text)")
    }
    return outcome.text
}

/// Runs a command and returns what it printed.
@discardableResult
func run(_ words: String...) throws -> String { try run(words) }

extension ProcessOutcome {
    var text: String { String(decoding: stdout, as: UTF8.self) }
    var errorText: String { String(decoding: stderr, as: UTF8.self) }
    /// The JSON on standard output.
    var json: JSONValue? { try? JSONValue(parsing: stdout) }
    /// The code of the error object on standard output.
    var code: Int? { json?["code"]?.integer.map(Int.init) }
    var message: String { json?["msg"]?.string ?? "" }
}

/// Runs the body that many times at once, each in a thread of its own.
func inParallel<Value: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (Int) throws -> Value
) -> [Result<Value, any Error>] {
    let results = Collected<Result<Value, any Error>>(count)
    for number in 0..<count {
        let thread = Thread { results.put(number, Result { try body(number) }) }
        thread.stackSize = 1 << 20
        thread.start()
    }
    return results.all()
}

/// Runs the body in a thread of its own, for what belongs to a thread, such as its network namespace.
func inThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
    try inParallel(1) { _ in try body() }[0].get()
}

private final class Collected<Value: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private var values: [Value?]
    private var missing: Int

    init(_ count: Int) {
        values = Array(repeating: nil, count: count)
        missing = count
    }

    func put(_ position: Int, _ value: Value) {
        condition.withLock {
            values[position] = value
            missing -= 1
            condition.signal()
        }
    }

    func all() -> [Value] {
        condition.withLock {
            while missing > 0 { condition.wait() }
            return values.compactMap { $0 }
        }
    }
}

/// Looks again and again until it is so.
///
/// - Throws: when it is not so within the limit, which no slow machine needs.
func eventually(_ what: String, within limit: Duration = .seconds(20), _ isSo: () throws -> Bool) throws {
    let deadline = ContinuousClock.now + limit
    while try !isSo() {
        guard ContinuousClock.now < deadline else { throw CommandError(description: "not within \(limit): \(what)") }
        usleep(5000)
    }
}
