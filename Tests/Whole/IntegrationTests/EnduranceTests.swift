import ContainerRuntime
import Foundation
import Testing

/// Pods come and go thousands of times, and nothing grows.
@Suite(.realKernel, .serialized) struct EnduranceTests {
    /// Bytes of the kernel's memory; a link or a namespace that stays has thousands, an element of a set 200.
    static let limitPerCycle = 512.0

    @Test func cyclesLeaveNoFileNoLinkNoElementNoProcessAndNoMemory() throws {
        let node = try Node()
        let pods = try node.pods(Extent.lanes)
        let list = try Arrangement.alone.network(node, ["ipMasq": true])
        func run(cycles: Int) throws {
            // One pod always in the same lane: no two commands about it at once.
            let lanes = inParallel(Extent.lanes) { lane in
                for _ in 0..<cycles / Extent.lanes {
                    let attachment = pods[lane].with(ports: hostPort(Int64(8000 + lane), .tcp))
                    _ = try node.runtime().add(list, attachment)
                    try node.runtime().del(list, attachment)
                }
            }
            for lane in lanes { try lane.get() }
        }
        let samples = 10
        try run(cycles: Extent.cycles / samples)
        let before = try Snapshot(node, pods)
        let start = ContinuousClock.now
        var memory = Growth()
        memory.add(try kernelMemory(after: node), at: 0)
        for sample in 1...samples {
            try run(cycles: Extent.cycles / samples)
            memory.add(try kernelMemory(after: node), at: sample * (Extent.cycles / samples))
        }
        let seconds = (ContinuousClock.now - start).components.seconds
        print("load: \(Extent.cycles) cycles in \(seconds) s: \(memory.perStep) bytes of kernel memory each")
        print("load: MiB: \(memory.samples.map { $0.value / 1_048_576 })")
        expectSame(try Snapshot(node, pods), as: before)
        try expectNoZombies()
        // What the rest of the machine does counts too, and weighs too much where there are few cycles.
        if Extent.isWhole { #expect(memory.perStep < Self.limitPerCycle) }
    }

    @Test func growthIsSeenBehindSpoiltSamples() {
        var growth = Growth()
        for step in 0...10 { growth.add(1e6 + 300 * Double(step) + (step % 5 == 3 ? 1e6 : 0), at: step) }
        #expect(abs(growth.perStep - 300) < 1)
        var still = Growth()
        for step in 0...10 { still.add(1e6 + (step % 5 == 3 ? 1e6 : 0), at: step) }
        #expect(abs(still.perStep) < 1)
    }

    @Test(.enabled(if: Extent.isWhole, "make test-faults"))
    func aLinkThatStaysInEachCycleIsSeen() throws {
        let node = try Node()
        var memory = Growth()
        for sample in 0...10 {
            memory.add(try kernelMemory(after: node), at: sample * 20)
            try node.shell("for n in $(seq 20); do ip link add v\(sample)-$n type veth peer name w\(sample)-$n; done")
        }
        #expect(memory.perStep > EnduranceTests.limitPerCycle)
    }

    @Test func aProcessThatNobodyWaitsForIsSeen() throws {
        let node = try Node()
        // The shell becomes a program that does not wait for the shell's child, which ends once that has happened.
        let child = #"(while [ "$(cat /proc/$p/comm)" != sleep ]; do :; done; exec /bin/true)"#
        let service = try Service(
            ["sh", "-c", "p=$$; \(child) & echo $!; exec sleep 60"], log: node.directory + "/log")
        try eventually("there is a child") { service.log.hasSuffix("\n") }
        let process = try #require(pid_t(service.log.dropLast()))
        try eventually("it has ended") { try zombies(named: ["true"]).contains(process) }
        try service.end(SIGKILL)
    }
}
