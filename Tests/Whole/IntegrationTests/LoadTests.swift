import ContainerRuntime
import Foundation
import Testing

/// Many pods at once, from many processes: no address twice, no failure, nothing left.
@Suite(.realKernel, .serialized) struct LoadTests {
    /// Attaches, looks at and detaches everyone, all at once.
    private func addCheckAndDelete(_ many: ManyPods) throws {
        let addresses = try many.add()
        #expect(addresses.allSatisfy { $0.count == 2 })
        #expect(Set(addresses.joined()).count == 2 * many.pods.count, "an address was given twice")
        #expect(try many.node.reservations().count == 2 * many.pods.count)
        try many.check()
        // Every so often, somebody really is where the runtime was told, and reached by the port that was asked for.
        for number in stride(from: 0, to: many.pods.count, by: 29) {
            let pod = many.pods[number]
            try pod.ping("10.44.0.1")
            let server = try Responder("pod-\(number)", in: pod, 80, [.tcp])
            let port = UInt16(ManyPods.firstPort + number)
            for family in Family.allCases {
                expectAnswer(server.name, from: many.node, Gateway.address(family), port)
            }
        }
        try many.delete()
    }

    @Test(arguments: Arrangement.allCases) func manyAtOnce(_ arrangement: Arrangement) throws {
        let many = try ManyPods(arrangement)
        try addCheckAndDelete(many)
        try many.node.expectNoRules()
        for pod in many.pods.prefix(5) { #expect(try isUntouched(pod)) }
        try expectNoZombies()
    }

    @Test(arguments: Arrangement.allCases) func manyAtOnceWhileLockHoldersAreKilled(_ arrangement: Arrangement) throws {
        let many = try ManyPods(arrangement, hunted: true)
        let killed = try killingLockHolders(of: many.node, seed: 5) { try addCheckAndDelete(many) }
        print("load: \(killed) lock holders killed")
        #expect(killed > 0)
        try many.node.expectNoRules("\(killed) killed")
    }

    @Test(.enabled(if: Extent.isWhole, "make test-faults"), arguments: [false, true])
    func manyAtOnceOnABusyMachine(alsoKilling: Bool) throws {
        let many = try ManyPods(hunted: alsoKilling)
        let stress = try Service(
            ["stress-ng", "--cpu", "2", "--io", "1", "--vm", "1", "--vm-bytes", "256M", "--fork", "1"]
                + ["--temp-path", many.node.directory],
            log: many.node.directory + "/stress-ng.log")
        if alsoKilling {
            #expect(try killingLockHolders(of: many.node, seed: 6) { try addCheckAndDelete(many) } > 0)
        } else {
            try addCheckAndDelete(many)
        }
        #expect(stress.isRunning, "\(stress.log)")
        try stress.end()
        try many.node.expectNoRules()
    }

    @Test func aFailureAmongManyIsReported() throws {
        #expect(throws: CommandError.self) {
            try inFlight(4, of: 10) { number in
                guard number != 7 else { throw CommandError(description: "seven") }
            }
        }
        #expect(try inFlight(4, of: 10) { $0 } == Array(0..<10))
    }
}
