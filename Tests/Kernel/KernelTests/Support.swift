import Posix
import CKernel
import Foundation
import Kernel

/// Moves this process, which an exit test has to itself, into a network namespace of its own.
func enterNewNamespace() throws {
    guard ck_unshare(ck_clone_newnet) == 0 else {
        throw Failure("make a network namespace (the kernel's tests need root)", .last)
    }
}

/// Another namespace, held open by nothing but its descriptor.
func anotherNamespace() throws -> NetworkNamespace {
    let home = try NetworkNamespace.current()
    try enterNewNamespace()
    // Not the symbolic path of "the current one": that of this thread's, which stays while the descriptor is open.
    let other = try NetworkNamespace("/proc/thread-self/ns/net")
    try home.enter()
    return other
}

/// A file of this test's own.
func temporaryPath(_ name: String) -> String { NSTemporaryDirectory() + "swt-\(getpid())-\(name)" }
