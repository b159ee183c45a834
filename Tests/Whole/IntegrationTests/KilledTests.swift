import ContainerRuntime
import Foundation
import Testing

/// Killed at any system call, ADD, DEL and GC leave what the next DEL or GC takes away: in the end there is nothing.
@Suite(.realKernel) struct KilledTests {
    static let sweeps = FaultScene.everyPlugin.flatMap { setting, plugin, name in
        [
            (.add, .del), (.add, .blindDel), (.add, .gc), (.del, .del), (.blindDel, .blindDel), (.gc, .gc),
        ].map { (pair: (FaultScene.Operation, FaultScene.Operation)) in
            FaultSweep(setting: setting, plugin: plugin, name: name, operation: pair.0, fault: .kill, remedy: pair.1)
        }
    }.filter(\.isWanted)

    @Test(arguments: sweeps) func atAnyCallNothingIsLeftInTheEnd(_ sweep: FaultSweep) throws {
        for finding in try sweep.run() { Issue.record("\(finding)") }
    }
}
