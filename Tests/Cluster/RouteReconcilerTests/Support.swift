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

/// Runs a script in the namespace of this process; what it prints. By popen(3): Foundation's Process waits for what a process
/// with threads in other namespaces does not hear.
@discardableResult
func shell(_ script: String) throws -> String {
    guard let stream = popen("set -eu; \(script)", "r") else { throw Failure("run `\(script)`", .last) }
    var text: [UInt8] = []
    while case let octet = getc(stream), octet != EOF { text.append(UInt8(octet)) }
    let status = pclose(stream)
    try require(status == 0, "`\(script)` ended with \(status): \(String(decoding: text, as: UTF8.self))")
    return String(decoding: text, as: UTF8.self)
}
