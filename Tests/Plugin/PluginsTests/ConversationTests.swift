import Foundation
import Testing

/// What plugins say to the kernel, without one: as it was recorded, and with everything refused once.
@Suite struct ConversationTests {
    @Test(arguments: Scenario.recorded, Scenario.commands)
    func theKernelIsToldWhatWasRecordedAndTheRuntimeTheSame(_ scenario: Scenario, _ command: String) throws {
        let (status, output, kernel) = try scenario.replay(command)
        #expect(kernel.deviations == [])
        #expect(status == 0 && kernel.isAtEnd)
        #expect(output == (try scenario.recorded(command).output))
    }

    /// Whatever an ADD asks of the kernel may be refused: then the error says what that was, and what was made is taken away again, in
    /// the reverse order: addresses that the bridge got for it, then the pod's link.
    @Test(arguments: Scenario.recorded)
    func anAddThatIsRefusedSaysWhatWasAndLeavesNothing(_ scenario: Scenario) throws {
        let add = try scenario.recorded("ADD")
        let made = try #require(add.steps.firstIndex { $0.makesPodLink })
        #expect(add.refusals.count > 5)
        for refusal in add.refusals {
            let (status, output, kernel) = try scenario.replay("ADD", refusing: refusal)
            let request = add.words(of: refusal)
            #expect(status == 1 && kernel.deviations == [], "\(request): \(kernel.deviations)")
            let error = try CodedError(output)
            #expect(error.msg.hasPrefix(attempt(request)), "\(request): \(error.msg)")
            #expect(error.msg.contains("Operation not permitted"), "\(request): \(error.msg)")
            let undone = kernel.sentAfterRefusal.filter { !$0.hasPrefix("RTM_GET") }
            let deletesLink = undone.last?.hasPrefix("RTM_DELLINK ") ?? false
            #expect(deletesLink == (made < refusal.step), "\(request): \(undone)")
            let addresses = undone.dropLast(deletesLink ? 1 : 0)
            // What a link of the pod's own has goes with it; the bridge stays.
            let isLast = scenario.name.hasPrefix("bridge") && (add.gatewayStep.map { $0 <= refusal.step } ?? false)
            #expect(addresses.allSatisfy { $0.hasPrefix("RTM_DELADDR") } && addresses.isEmpty == !isLast, "\(undone)")
            #expect(kernel.writtenAfterRefusal == [])
        }
    }

    /// A parameter that cannot be written ends an ADD in the same way.
    @Test(arguments: Scenario.recorded)
    func anAddThatMayNotSetAParameterSaysWhichAndLeavesNothing(_ scenario: Scenario) throws {
        let add = try scenario.recorded("ADD")
        let made = try #require(add.steps.firstIndex { $0.makesPodLink })
        for (number, step) in add.steps.enumerated() {
            guard case .write(let name, let value, _) = step else { continue }
            let (status, output, kernel) = try scenario.replay("ADD", refusing: .init(step: number, errno: EROFS))
            #expect(status == 1 && kernel.deviations == [])
            let error = try CodedError(output)
            #expect(error.msg.hasPrefix("write \(value) to /proc/sys/net/\(name): "), "\(error.msg)")
            #expect(error.details == "/proc/sys must be writable")
            let undone = kernel.sentAfterRefusal.filter { $0.hasPrefix("RTM_DELLINK ") }
            #expect(undone.count == (made < number ? 1 : 0), "\(name): \(undone)")
        }
    }

    @Test(arguments: Scenario.recorded) func checkAsksAndChangesNothing(_ scenario: Scenario) throws {
        let check = try scenario.recorded("CHECK")
        for step in check.steps {
            switch step {
            case .send(_, let requests): #expect(requests.allSatisfy { $0.hasPrefix("RTM_GET") })
            case .write(let name, _, _): Issue.record("CHECK writes \(name)")
            default: break
            }
        }
    }

    /// Each thing that CHECK looks at is missed by it when it is not there; nobody is told that all is well.
    @Test(arguments: Scenario.recorded) func checkMissesWhatIsNotThere(_ scenario: Scenario) throws {
        let check = try scenario.recorded("CHECK")
        for refusal in check.refusals(errno: ENODEV) {
            let (status, output, kernel) = try scenario.replay("CHECK", refusing: refusal)
            let request = check.words(of: refusal)
            #expect(kernel.sentAfterRefusal.allSatisfy { $0.hasPrefix("RTM_GET") })
            guard status == 1 else {
                // Where the node has no address on a network, its own side of it is not looked at for BIG TCP.
                #expect(scenario.name == "bridge-big-tcp" && request.contains("ifname=br0"), "\(request)")
                continue
            }
            let error = try CodedError(output)
            let isLookup = request.hasPrefix("RTM_GETLINK") && !request.contains("dump")
            #expect(error.code == (isLookup && !scenario.isParent(request) ? 104 : error.code), "\(request): \(output)")
        }
    }

    @Test(arguments: Scenario.recorded) func delOfWhatIsGoneSucceeds(_ scenario: Scenario) throws {
        let del = try scenario.recorded("DEL")
        for refusal in del.refusals(errno: ENODEV) where !del.words(of: refusal).contains("dump") {
            let (status, output, _) = try scenario.replay("DEL", refusing: refusal)
            #expect(status == 0, "\(del.words(of: refusal)): \(output)")
        }
    }

    @Test(arguments: Scenario.recorded) func delSaysWhatItCouldNotDo(_ scenario: Scenario) throws {
        let del = try scenario.recorded("DEL")
        #expect(del.refusals.contains { del.words(of: $0).hasPrefix("RTM_DELLINK") })
        for refusal in del.refusals {
            let (status, output, _) = try scenario.replay("DEL", refusing: refusal)
            let request = del.words(of: refusal)
            #expect(status == 1, "\(request)")
            #expect(try CodedError(output).msg.contains(attempt(request)), "\(request): \(output)")
        }
    }
}

/// What an error says before the kernel's reason, as far as the request tells.
private func attempt(_ request: String) -> String {
    let field = { (name: String) in
        request.split(separator: " ").last { $0.hasPrefix("\(name)=") }?.dropFirst(name.count + 1) ?? ""
    }
    switch request.split(separator: " ").first {
    case "RTM_NEWADDR": return "add address \(field("local"))/\(field("prefixlen")) to "
    case "RTM_NEWROUTE": return "add route "
    case "RTM_DELLINK": return "delete link "
    case "RTM_NEWLINK": return request.contains("create") ? "create " : ""
    case "RTM_GETLINK": return request.contains("dump") ? "list " : "look up "
    case "RTM_GETADDR": return "list addresses"
    case "RTM_GETROUTE": return "list routes"
    default: return ""
    }
}

/// A plugin's error as the runtime gets it.
struct CodedError: Decodable {
    let code: Int
    let msg: String
    let details: String?

    init(_ output: String) throws { self = try JSONDecoder().decode(CodedError.self, from: Data(output.utf8)) }
}

extension Conversation.Step {
    /// Whether it is the request that creates the pod's own link.
    var makesPodLink: Bool {
        guard case .send(_, let requests) = self else { return false }
        return requests.contains { request in
            request.hasPrefix("RTM_NEWLINK ") && request.contains("create") && request.contains("ifname=eth0")
        }
    }
}

extension Conversation {
    /// Each message that can be refused.
    func refusals(errno: Int32 = EPERM) -> [Replayer.Refusal] {
        steps.enumerated().flatMap { number, step in
            guard case .send(_, let requests) = step else { return [Replayer.Refusal]() }
            return requests.indices.map { Replayer.Refusal(step: number, message: $0, errno: errno) }
        }
    }

    var refusals: [Replayer.Refusal] { refusals() }

    func words(of refusal: Replayer.Refusal) -> String {
        guard case .send(_, let requests) = steps[refusal.step] else { return "" }
        return requests[refusal.message]
    }

    /// Where the node's own side of a network gets its first address: by the first socket, alone.
    var gatewayStep: Int? {
        steps.firstIndex { step in
            guard case .send(1, let requests) = step else { return false }
            return requests.count == 1 && requests[0].hasPrefix("RTM_NEWADDR")
        }
    }
}

extension Scenario {
    /// Whether a request is about the link that a pod's interface sits on, without which CHECK cannot look.
    func isParent(_ request: String) -> Bool { request.contains("ifname=up0") }
}
