import Foundation

/// What a test could not see.
public struct UnexpectedState: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// In an exit test: says what is wrong and ends the process.
public func require(_ condition: Bool, _ text: @autoclosure () throws -> String, line: Int = #line) throws {
    guard condition else { throw UnexpectedState("line \(line): \(try text())") }
}

/// What a shell's commands print, errors included, run in the network namespace of the calling thread.
///
/// By popen(3): Foundation's Process waits for its end with a run loop.
/// - Throws: ``UnexpectedState`` with the output if one of them fails.
@discardableResult
public func output(of command: String) throws -> String {
    guard let stream = popen("set -eu; exec 2>&1; \(command)", "r") else { throw UnexpectedState("popen: \(errno)") }
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&buffer, 1, buffer.count, stream), count > 0 { text += buffer[..<count] }
    guard pclose(stream) == 0 else { throw UnexpectedState("\(command): \(String(decoding: text, as: UTF8.self))") }
    return String(decoding: text, as: UTF8.self)
}
