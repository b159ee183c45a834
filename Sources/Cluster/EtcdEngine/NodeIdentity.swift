internal import Foundation

/// Tells machines with the same name apart.
public enum NodeIdentity {
    /// The kernel's boot and the network namespace.
    ///
    /// Cloned machines have the same host name and machine ID, and containers that play nodes share their kernel's
    /// boot: only both together differ whenever two agents serve different networks.
    public static func ofThisMachine() -> String {
        let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
        let namespace = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
        return [boot?.trimmingCharacters(in: .whitespacesAndNewlines), namespace].compactMap { $0 }
            .joined(separator: " ")
    }

    /// A new name for a run of the agent.
    static func newInstance() -> String { String(UInt64.random(in: .min ... .max), radix: 36) }
}
