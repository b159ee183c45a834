import Files
import Foundation
import Posix

/// Until when a node may be sure of its subnets although etcd does not answer, for an agent that starts meanwhile: in a file that does
/// not survive a reboot, with the kernel's boot ID.
struct ClaimMemory: Sendable {
    private let directory: String
    private let name: String
    /// How long a claim is surely kept after etcd was last heard of, in seconds: less than its lease.
    private let certainty: Double

    init(network: String, leaseSeconds: Int, directory: String = "/run/swiftlet") {
        self.directory = directory
        name = "agent-\(network).claim"
        certainty = Double(leaseSeconds) * 0.8
    }

    /// Etcd has just confirmed the claim.
    func confirm() {
        guard let boot = try? Boot.id(), let now = ClaimMemory.uptime() else { return }
        try? Directory.make(directory)
        let text = "\(boot) \(Int(now + certainty))\n"
        try? FileDescriptor.open(directory, [.readOnly, .directory]).write(Array(text.utf8), to: name, by: ".\(name)")
    }

    /// Whether a claim that an earlier run had is surely still this node's.
    var isSure: Bool {
        guard let text = try? File.content("\(directory)/\(name)", limit: 4096), let boot = try? Boot.id(),
            let now = ClaimMemory.uptime()
        else { return false }
        let words = String(decoding: text, as: UTF8.self).split { $0 == " " || $0 == "\n" }
        guard words.count == 2, words[0] == boot, let end = Double(words[1]) else { return false }
        return now < end
    }

    /// Seconds since the machine was started, those in which it was suspended included.
    private static func uptime() -> Double? {
        (try? File.content("/proc/uptime", limit: 256)).flatMap {
            String(decoding: $0, as: UTF8.self).split(separator: " ").first.flatMap { Double($0) }
        }
    }
}
