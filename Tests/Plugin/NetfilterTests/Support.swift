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

/// A pod's namespace that is there, and stays: the test's own process's.
let livingNamespace = "/proc/self/ns/mnt"
