import ContainerRuntime
import Foundation
import Testing

/// Many pods at once, from many processes: no address twice, no failure, nothing left.
@Suite(.realKernel, .serialized) struct LoadTests {
    /// Attaches, looks at and detaches everyone, all at once.
    private func addCheckAndDelete(_ crowd: Crowd) throws {
        let addresses = try crowd.add()
        #expect(addresses.allSatisfy { $0.count == 2 })
        #expect(Set(addresses.joined()).count == 2 * crowd.pods.count, "an address was given twice")
        #expect(try crowd.node.reservations().count == 2 * crowd.pods.count)
        try crowd.check()
        // Every so often, somebody really is where the runtime was told, and reached by the port that was asked for.
        for number in stride(from: 0, to: crowd.pods.count, by: 29) {
            let pod = crowd.pods[number]
            try pod.ping("10.44.0.1")
            let server = try Responder("pod-\(number)", in: pod, 80, [.tcp])
            let port = UInt16(Crowd.firstPort + number)
            for family in Family.allCases {
                expectAnswer(server.name, from: crowd.node, Gateway.address(family), port)
            }
        }
        try crowd.delete()
    }

    @Test(arguments: Arrangement.allCases) func manyAtOnce(_ arrangement: Arrangement) throws {
        let crowd = try Crowd(arrangement)
        try addCheckAndDelete(crowd)
        try crowd.node.expectNoRules()
        for pod in crowd.pods.prefix(5) { #expect(try isUntouched(pod)) }
        try expectNoZombies()
    }

    @Test(arguments: Arrangement.allCases) func manyAtOnceWhileLockHoldersAreKilled(_ arrangement: Arrangement) throws {
        let crowd = try Crowd(arrangement, hunted: true)
        let killed = try killingLockHolders(of: crowd.node, seed: 5) { try addCheckAndDelete(crowd) }
        print("load: \(killed) lock holders killed")
        #expect(killed > 0)
        try crowd.node.expectNoRules("\(killed) killed")
    }

    @Test(.enabled(if: Extent.isWhole, "make test-faults"), arguments: [false, true])
    func manyAtOnceOnABusyMachine(alsoKilling: Bool) throws {
        let crowd = try Crowd(hunted: alsoKilling)
        let stress = try Service(
            ["stress-ng", "--cpu", "2", "--io", "1", "--vm", "1", "--vm-bytes", "256M", "--fork", "1"]
                + ["--temp-path", crowd.node.directory],
            log: crowd.node.directory + "/stress-ng.log")
        if alsoKilling {
            #expect(try killingLockHolders(of: crowd.node, seed: 6) { try addCheckAndDelete(crowd) } > 0)
        } else {
            try addCheckAndDelete(crowd)
        }
        #expect(stress.isRunning, "\(stress.log)")
        try stress.end()
        try crowd.node.expectNoRules()
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
