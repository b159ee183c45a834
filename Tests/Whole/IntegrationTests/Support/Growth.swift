import ContainerRuntime
import Foundation

/// How much something grows with each step, from samples that other programs on the machine disturb.
struct Growth {
    private(set) var samples: [(step: Int, value: Double)] = []

    mutating func add(_ value: Double, at step: Int) { samples.append((step, value)) }

    /// The median of the slopes between any two samples (Theil and Sen): a few spoilt samples do not count.
    var perStep: Double {
        let slopes = samples.indices.flatMap { first in
            samples[(first + 1)...].map { ($0.value - samples[first].value) / Double($0.step - samples[first].step) }
        }
        return slopes.isEmpty ? 0 : slopes.sorted()[slopes.count / 2]
    }
}

/// What the kernel has taken for itself and cannot give back: slabs, memory per processor, stacks; in bytes.
///
/// - Parameter node: some link of it comes and goes first. The kernel does not return from that (rcu_barrier in
///   netdev_run_todo) before everything has been freed whose freeing had been put off.
func kernelMemory(after node: Node) throws -> Double {
    try node.set("link", "add", "settle", "type", "veth", "peer", "name", "settled")
    try node.set("link", "del", "settle")
    let counted = ["SUnreclaim:", "Percpu:", "KernelStack:", "PageTables:"]
    return try String(contentsOfFile: "/proc/meminfo", encoding: .utf8).split(separator: "\n").reduce(0) { sum, line in
        let words = line.split(separator: " ")
        return counted.contains(String(words[0])) ? sum + 1024 * (Double(words[1]) ?? 0) : sum
    }
}

/// Processes that have ended and that nobody has waited for: their IDs.
///
/// - Parameter names: of their programs.
func zombies(named names: Set<String>) throws -> Set<pid_t> {
    let processes = try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }
    return Set(
        processes.filter { process in
            // PROCESS (NAME) STATE ...
            let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
            let parts = status?.split(separator: /[()]/) ?? []
            return parts.count == 3 && names.contains(String(parts[1])) && parts[2].hasPrefix(" Z")
        })
}

/// Every plugin that has ended by now has been waited for, or is soon: by init, where it was nobody's child any more.
func expectNoZombies() throws {
    let names: Set<String> = ["swiftlet", "bridge", "portmap", "host-local"]
    let ended = try zombies(named: names)
    try eventually("processes \(ended) have been waited for", within: .seconds(60)) {
        try zombies(named: names).isDisjoint(with: ended)
    }
}
