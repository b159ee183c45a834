import Foundation
import Kernel

@testable import Netfilter

/// Moves this process, which an exit test has to itself, into a network namespace of its own, which is new whatever ran
/// before: records of an earlier namespace with the same number are removed.
func enterFreshNode() throws {
    try NetworkNamespace.enterNew()
    try removeRecords()
}

func removeRecords() throws {
    let path = try RecordDirectory().path
    if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
}

/// What a test of the kernel could not see.
struct UnexpectedState: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// In an exit test: says what is wrong and ends the process.
func require(_ condition: Bool, _ text: @autoclosure () throws -> String, line: Int = #line) throws {
    guard condition else { throw UnexpectedState("line \(line): \(try text())") }
}

/// A pod's namespace that is there, and stays: the test's own process's.
let livingNamespace = "/proc/self/ns/mnt"
