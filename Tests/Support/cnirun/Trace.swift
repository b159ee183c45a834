import ContainerRuntime
import Foundation

/// One plugin run for a demonstration: input, output and cost.
func describe(_ run: PluginRun) -> String {
    var lines = ["── \(run.command.rawValue) \(run.plugin)  \(run.executable)"]
    lines += run.environment.sorted { $0.key < $1.key }.filter { $0.key != "PATH" }.map { "   \($0.key)=\($0.value)" }
    lines += block("stdin", run.stdin)
    let outcome = run.outcome
    lines.append(
        "   \(outcome.exit) after \(outcome.wall.text), processor \(outcome.user.text) user \(outcome.system.text) system"
    )
    lines += block("stdout", outcome.stdout)
    lines += block("stderr", outcome.stderr)
    return lines.joined(separator: "\n")
}

private func block(_ title: String, _ bytes: [UInt8]) -> [String] {
    if bytes.isEmpty { return [] }
    let text = (try? JSONValue(parsing: bytes).pretty) ?? String(decoding: bytes, as: UTF8.self)
    return ["   \(title):"] + text.split(separator: "\n").map { "     \($0)" }
}

extension Duration {
    /// Milliseconds with two places.
    var text: String { String(format: "%.2f ms", Double(microseconds) / 1000) }
}
