import CKernel
import Foundation
import Posix

/// Moves this process, which an exit test has to itself, into a network namespace of its own.
func enterNewNamespace() throws {
    guard ck_unshare(ck_clone_newnet) == 0 else {
        throw Failure("make a network namespace (the kernel's tests need root)", .last)
    }
}

struct UnexpectedState: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// In an exit test: says what is wrong and ends the process.
func require(_ condition: Bool, _ text: @autoclosure () throws -> String, line: Int = #line) throws {
    guard condition else { throw UnexpectedState("line \(line): \(try text())") }
}

/// Runs a script in the namespace of this process; what it prints.
@discardableResult
func shell(_ script: String) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sh")
    process.arguments = ["-euc", script]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    try require(process.terminationStatus == 0, "`\(script)` ended with \(process.terminationStatus): \(text)")
    return text
}
