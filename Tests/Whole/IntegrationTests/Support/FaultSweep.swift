import ContainerRuntime
import Foundation
import Synchronization
import Testing

/// One plugin, one operation, one fault: tried at every system call, or at some of them, each time on a fresh node.
///
/// What has been tried and what was found is printed; findings are issues of the test. Not every run makes the same calls in
/// the same order: a fault counts as tried if it happened, and is named after the call that it happened to.
struct FaultSweep: Sendable, CustomTestStringConvertible {
    typealias Operation = FaultScene.Operation

    let setting: FaultScene.Setting
    /// Which of the network's plugins.
    let plugin: Int
    let name: String
    let operation: Operation
    let fault: Fault
    /// What cleans up after a kill.
    let remedy: Operation

    var testDescription: String {
        "\(operation.rawValue) \(name): \(fault)\(fault == .kill ? ", then \(remedy.rawValue)" : "")"
    }

    /// Every so many of the calls are tried. `make test-faults` tries all.
    static let stride = Int(ProcessInfo.processInfo.environment["SWIFTLET_FAULTS_STRIDE"] ?? "") ?? 151

    private static let wanted = ProcessInfo.processInfo.environment["SWIFTLET_FAULTS_ONLY"]

    /// Whether this one is to be tried: SWIFTLET_FAULTS_ONLY can be a part of the description, to look again.
    var isWanted: Bool { Self.wanted.map(testDescription.contains) ?? true }

    /// Calls of other names are not tried; nil: all are.
    var only: String?

    /// What the test of a plugin that leaks needs.
    var plugins: [String]?

    /// Where a sweep finds something that should not be.
    typealias Finding = String

    /// Tries all; returns what was found.
    func run(every step: Int = FaultSweep.stride) throws -> [Finding] {
        let reference = try rehearse()
        let concerned = reference.calls.filter { fault.concerns($0) && (only ?? $0.name) == $0.name }
        try #require(!concerned.isEmpty, "there is no call to be tried")
        // Sweeps begin at different places, each always at its own.
        let first = (plugin * 11 + fault.description.utf8.count * 7 + operation.rawValue.utf8.count * 5) % step
        var findings: [Finding] = []
        var count = 0
        for position in Swift.stride(
            from: first % concerned.count, to: concerned.count, by: step)
        {
            let attempt = try Attempt(self, at: concerned[position], reference)
            try attempt.run()
            count += attempt.faulty == nil ? 0 : 1
            findings += attempt.findings
        }
        print("\(testDescription): \(count) of \(concerned.count) calls tried, \(findings.count) findings")
        return findings
    }

    /// The names of the calls that the plugin makes from its first own one on.
    func calls() throws -> [String] { try rehearse().calls.filter(\.isInMain).map(\.name) }

    /// A run in which nothing goes wrong.
    private struct Reference: Sendable {
        var calls: [InjectedCall] = []
        /// What is there before the operation.
        var before: Set<String> = []
        /// What is there when all has been cleaned up, whatever was before.
        var stays: Set<String> = []
    }

    /// What does not depend on the fault is looked at once for all of them.
    private static let references = Mutex<[String: Reference]>([:])

    private func rehearse() throws -> Reference {
        let key = "\(operation) \(name) \(plugins ?? [])"
        if let known = Self.references.withLock({ $0[key] }) { return known }
        let attempt = try Attempt(self, at: nil, Reference())
        try attempt.run()
        try #require(attempt.findings.isEmpty, "without a fault: \(attempt.findings)")
        let reference = Reference(
            calls: try attempt.injector.calls(), before: attempt.reference.before, stays: try attempt.scene.remains())
        Self.references.withLock { $0[key] = reference }
        return reference
    }

    /// One run with a fault at one place, and what comes before and after.
    private final class Attempt {
        let sweep: FaultSweep
        let call: InjectedCall?
        private(set) var reference: Reference
        let scene: FaultScene
        let injector: FaultInjector
        private(set) var findings: [Finding] = []
        /// What went wrong, which may be another call than last time.
        private(set) var faulty: InjectedCall?

        private var count: Int { scene.list.plugins.count }
        private var plugin: Int { sweep.plugin }

        init(_ sweep: FaultSweep, at call: InjectedCall?, _ reference: Reference) throws {
            (self.sweep, self.call, self.reference) = (sweep, call, reference)
            scene = try FaultScene(sweep.setting, plugins: sweep.plugins)
            injector = FaultInjector(scene.node)
        }

        func run() throws {
            do {
                switch sweep.operation {
                case .add: try runADD()
                case .del, .blindDel: try runDEL()
                case .gc: try runGC()
                }
            } catch let error as PluginError { find("afterwards \(error)") }
        }

        private func find(_ what: String) {
            let place = (faulty ?? call).map { " at \($0)" } ?? ""
            findings.append("\(sweep.operation.rawValue) \(sweep.name): \(sweep.fault)\(place): \(what)")
        }

        private func runADD() throws {
            let previous = try scene.add(0..<plugin)
            try remember()
            let outcome = try runFaulty(prevResult: previous)
            if outcome.exit.isSuccess, outcome.json?.object == nil { find("success without a result") }
            if sweep.fault == .kill, call != nil {
                if sweep.remedy == .blindDel { try scene.pod.end() }
                try scene.clean(sweep.remedy, 0..<count)
                try expect(plugin == 0)
                return
            }
            guard outcome.exit.isSuccess else {
                try expect(true)
                guard plugin > 0 else { return }
                try scene.clean(.del, 0..<count)
                return try expect(false)
            }
            let result = try scene.add(plugin + 1..<count, after: outcome.json)
            if let problem = try scene.problem(with: result) { find(problem) }
            try scene.clean(.del, 0..<count, result)
            try expect(false)
        }

        private func runDEL() throws {
            try remember()
            let result = try scene.add(0..<count)
            try scene.useHostPort()
            if sweep.operation == .blindDel { try scene.pod.end() }
            try scene.clean(sweep.operation, plugin + 1..<count, result)
            let outcome = try runFaulty(prevResult: result)
            // Killed or failed, it is run again as a whole.
            let rest = outcome.exit.isSuccess ? 0..<plugin : 0..<count
            try scene.clean(sweep.operation, rest, result)
            try expect(true)
        }

        private func runGC() throws {
            let neighbour = try scene.neighbour()
            try remember()
            _ = try scene.add(0..<count)
            try scene.pod.end()
            try scene.clean(.gc, 0..<plugin, valid: [neighbour.valid])
            let outcome = try runFaulty(valid: [neighbour.valid])
            let rest = outcome.exit.isSuccess ? plugin + 1..<count : 0..<count
            try scene.clean(.gc, rest, valid: [neighbour.valid])
            try expect(true)
            try scene.check(neighbour)
        }

        private func runFaulty(prevResult: JSONValue? = nil, valid: [ValidAttachment] = []) throws -> ProcessOutcome {
            let wrapper = call.map { injector.wrapper(sweep.fault, at: $0) } ?? injector.watching
            let outcome: ProcessOutcome
            do {
                outcome = try scene.run(sweep.operation, plugin, wrapper: wrapper, prevResult: prevResult, valid: valid)
                    .outcome
            } catch let error as PluginError { outcome = error.run.outcome }
            if call != nil { faulty = try injector.faulty() }
            if outcome.exit == FaultInjector.hangs {
                find("hangs in \(try injector.calls().last?.description ?? "?")")
            } else if !isAcceptable(outcome) {
                find("\(outcome.exit), it said: \(outcome.text)\(outcome.errorText)")
            }
            return outcome
        }

        /// Success, the kill that was meant, or an error as the specification has it (CNI spec 1.1.0, section 5).
        private func isAcceptable(_ outcome: ProcessOutcome) -> Bool {
            switch outcome.exit {
            case .code(0): true
            case .signal(SIGKILL): sweep.fault == .kill && call?.process == 0
            case .code(1):
                (outcome.code ?? 0) > 0 && !outcome.message.isEmpty && outcome.json?["cniVersion"]?.string != nil
            default: false
            }
        }

        private func remember() throws {
            if call == nil { reference.before = try scene.remains() }
        }

        /// Everything is as it was before the operation, or nothing is there, but for what stays after every ADD.
        private func expect(_ asBefore: Bool) throws {
            guard call != nil else { return }
            let before = asBefore ? reference.before : []
            let after = try scene.remains()
            let isPodThere = FileManager.default.fileExists(atPath: scene.pod.path)
            // An empty directory that could not be removed says nothing about anybody, and the next call removes it.
            let mayStay = sweep.fault == .kill ? [] : after.filter { $0.hasPrefix("record d ") }
            let left = after.subtracting(before).subtracting(reference.stays).subtracting(mayStay)
            let lost = before.subtracting(after).filter { isPodThere || !$0.hasPrefix("pod ") }
            if !left.isEmpty { find("left \(left.sorted().joined(separator: "; "))") }
            if !lost.isEmpty { find("lost \(lost.sorted().joined(separator: "; "))") }
        }
    }
}
