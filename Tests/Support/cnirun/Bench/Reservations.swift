import ContainerRuntime
import Foundation

/// A host-local data directory already filled by other pods.
enum Reservations {
    static let gateway = "10.88.0.1"
    static let gateway6 = "fd00:88::1"

    /// The n-th address of 10.88.0.0/16 after the gateway.
    static func address(_ n: Int) -> String {
        let number = n + 2
        precondition(number < 65535, "beyond 10.88.0.0/16")
        return "10.88.\(number >> 8).\(number & 255)"
    }

    /// One file per address, named after it, and the marker for the start of the next search, after them.
    static func fill(_ directory: String, count: Int) throws {
        guard count > 0 else { return }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for n in 0..<count { try write("filler-\(n)\r\neth0", to: directory + "/" + address(n)) }
        try write(address(count - 1), to: directory + "/last_reserved_ip.0")
    }

    static func write(_ text: String, to path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        try require(file >= 0, "create \(path)")
        defer { close(file) }
        let bytes = Array(text.utf8)
        try require(Glibc.write(file, bytes, bytes.count) == bytes.count, "write \(path)")
    }
}
