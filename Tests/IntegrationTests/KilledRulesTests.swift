import ContainerRuntime
import Foundation
import Testing

/// ADD and DEL with rules may be killed anywhere, too: the next DEL or GC leaves no element, record, link or reservation.
@Suite(.realKernel) struct KilledRulesTests {
    /// A moment in a run: the n-th call of a name.
    struct Moment: CustomStringConvertible {
        let call: String
        let number: Int

        var description: String { "\(call) number \(number)" }
    }

    /// How many moments of each run are tried: from the reading of the configuration to the end, evenly.
    static let density = 12

    /// The moments of a run that strace has seen, in order, of the plugin's own process.
    static func moments(_ strace: Strace) throws -> [Moment] {
        var counts: [String: Int] = [:]
        var moments: [Moment] = []
        var own: Substring?
        for line in try strace.lines() {
            let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
            own = own ?? parts.first
            guard parts.count == 2, parts[0] == own, let end = parts[1].firstIndex(of: "(") else { continue }
            let call = String(parts[1][..<end].drop { $0 == " " })
            guard !call.isEmpty, call.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) else { continue }
            counts[call, default: 0] += 1
            // What comes before is the start of any program.
            if !moments.isEmpty || parts[1].contains("read(0,") {
                moments.append(Moment(call: call, number: counts[call] ?? 0))
            }
        }
        return moments
    }

    struct Scene {
        let scene: DamageTests.Scene
        let strace: Strace
        var node: Node { scene.node }
        var plugins: [JSONValue] { scene.list.plugins }

        init(_ way: IsolationTests.Way) throws {
            scene = try DamageTests.Scene(way)
            strace = Strace(scene.node)
        }

        /// ADD of the plugins up to one, which is run under strace.
        func add(upTo target: Int, wrapper: [String]) throws {
            var previous: JSONValue?
            for (number, plugin) in plugins.enumerated() where number <= target {
                let runtime = node.runtime(wrapper: number == target ? wrapper : [])
                previous = try runtime.run(
                    .add, plugin, in: scene.list, scene.attachment, prevResult: previous
                ).outcome.json
            }
        }

        /// DEL of the plugins, the last first, down to one, which is run under strace.
        func del(downTo target: Int, wrapper: [String]) throws {
            for number in stride(from: plugins.count - 1, through: target, by: -1) {
                let runtime = node.runtime(wrapper: number == target ? wrapper : [])
                _ = try runtime.run(.del, plugins[number], in: scene.list, scene.pod.with(netns: .some("")))
            }
        }

        /// As little work as can be, for there are many of these.
        func expectNothing(_ comment: String) throws {
            let elements = try node.exec("nft", "list", "ruleset").split(separator: "\n")
                .filter { $0.contains(#"comment "net"#) || $0.contains("chain conditions_of_") }
            #expect(elements == [], "\(comment)")
            // Empty directories say nothing about anybody.
            var isDirectory: ObjCBool = false
            let directory = try node.records()
            let records = try node.recordPaths().filter {
                FileManager.default.fileExists(atPath: "\(directory)/\($0)", isDirectory: &isDirectory)
                    && !isDirectory.boolValue
            }
            #expect(records == [], "\(comment)")
            #expect(try node.exec("ip", "-o", "link", "show", "type", "veth") == "", "\(comment)")
            #expect(try node.reservations() == [], "\(comment)")
        }
    }

    @Test(arguments: IsolationTests.Way.allCases, [Command.add, .del])
    func whateverIsKilledLeavesNothingAfterTheNextDel(_ way: IsolationTests.Way, _ command: Command) throws {
        let scene = try Scene(way)
        for target in scene.plugins.indices {
            func perform(_ wrapper: [String]) throws {
                if command == .add {
                    try scene.add(upTo: target, wrapper: wrapper)
                } else {
                    try scene.del(downTo: target, wrapper: wrapper)
                }
            }
            func prepare(_ number: Int) throws {
                // Every other time the rulesets have to be made as well.
                if number % 2 == 0 { try scene.node.exec("nft", "flush", "ruleset") }
                if command == .del { try scene.scene.add() }
            }
            try prepare(0)
            try perform(scene.strace.tracing("all"))
            let moments = try Self.moments(scene.strace)
            try #require(moments.count > 40)
            try scene.scene.delWithoutKnowledge()
            let step = max(1, moments.count / (Self.density / scene.plugins.count + Self.density / 2))
            var killed = 0
            for (number, position) in stride(from: target, to: moments.count, by: step).enumerated() {
                let moment = moments[position]
                try prepare(number)
                let what = "\(scene.plugins[target]["type"]?.string ?? "") \(command) killed at \(moment)"
                do { try perform(scene.strace.killing(at: moment.call, moment.number)) } catch let error as PluginError
                {
                    #expect(error.code == nil, "\(what), but: \(error)")
                    killed += 1
                }
                let isCollected = number % 3 == 2
                if isCollected {
                    try scene.node.runtime().gc(scene.scene.list, valid: [])
                } else {
                    try scene.scene.delWithoutKnowledge()
                }
                try scene.expectNothing("\(what), then \(isCollected ? "GC" : "DEL")")
            }
            #expect(killed > 5)
        }
        try scene.scene.add()
        try scene.scene.check()
        try scene.scene.pod.ping(Gateway.address(.v4))
        try scene.scene.delWithoutKnowledge()
        try scene.expectNothing("after all")
    }

    @Test(arguments: ["GC", "DEL"]) func aRecordThatWasNotFinishedGoesToo(_ way: String) throws {
        let scene = try Scene(.alone)
        try scene.add(upTo: 0, wrapper: scene.strace.tracing("all"))
        // It is written under another name first.
        let rename = try #require(try Self.moments(scene.strace).first { $0.call.hasPrefix("rename") })
        try scene.scene.delWithoutKnowledge()
        #expect(throws: PluginError.self) {
            try scene.add(upTo: 0, wrapper: scene.strace.killing(at: rename.call, rename.number))
        }
        #expect(try !scene.node.recordPaths().isEmpty)
        if way == "GC" {
            try scene.node.runtime().gc(scene.scene.list, valid: [])
        } else {
            try scene.scene.delWithoutKnowledge()
        }
        try scene.expectNothing(way)
    }
}
