import ContainerRuntime
import Foundation
import Testing

/// Whatever system call fails: a plugin succeeds rightly, or says so in one CNI error. An ADD that has failed leaves nothing;
/// a DEL or GC that has failed can be run again.
@Suite(.realKernel) struct FailingCallTests {
    static let sweeps = FaultScene.everyPlugin.flatMap { setting, plugin, name in
        [.add, .del, .blindDel, .gc].flatMap { (operation: FaultScene.Operation) in
            (Fault.errors + [.truncate, .halve]).map {
                FaultSweep(setting: setting, plugin: plugin, name: name, operation: operation, fault: $0, remedy: .del)
            }
        }
    }.filter(\.isWanted)

    @Test(arguments: sweeps) func anyCallMayFail(_ sweep: FaultSweep) throws {
        for finding in try sweep.run() { Issue.record("\(finding)") }
    }

    /// glibc's arc4random_buf(3), from which hashes would take their seed, ends the process when getrandom(2) fails.
    @Test(arguments: [FaultScene.Operation.add, .del, .gc]) func nothingIsStakedOnRandomNumbersOfTheKernel(
        _ operation: FaultScene.Operation
    ) throws {
        for (setting, plugin, name) in FaultScene.everyPlugin {
            let sweep = FaultSweep(
                setting: setting, plugin: plugin, name: name, operation: operation, fault: .kill, remedy: .del)
            #expect(try !sweep.calls().contains("getrandom"), "\(sweep)")
        }
    }
}
