import Addresses
import Attachments
import Foundation
import Testing

@testable import IPAM

private let strace = "/usr/bin/strace"

/// An operation and the state that it starts from, run again and again with each of its system calls failing or
/// being the last.
struct Scenario: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let arguments: [String]
    /// Whether the victim may have reservations before; everybody else's must survive whatever happens.
    let prepare: @Sendable (Fixture) throws -> Void

    static let ranges = "10.1.0.0/29;fd00::/64"

    static let all: [Scenario] = [
        Scenario(testDescription: "first ADD of a network", arguments: ["add", "victim", "eth0", ranges]) { _ in },
        Scenario(testDescription: "ADD among others", arguments: ["add", "victim", "eth0", ranges]) { fixture in
            for id in ["a", "b"] { try fixture.store().add(id, sets) }
        },
        Scenario(
            testDescription: "ADD after the reference plugin and a crash", arguments: ["add", "victim", "eth0", ranges]
        ) { fixture in
            for id in ["a", "b"] { try fixture.store().add(id, sets) }
            fixture.files.write("10.1.0.5", "c\r\neth0")
            fixture.files.write("10.1.0.4", "")
        },
        Scenario(testDescription: "first ADD of a boot", arguments: ["add", "victim", "eth0", ranges]) { fixture in
            for id in ["old-1", "old-2"] { try fixture.store("boot-0").add(id, sets) }
            fixture.files.write("10.1.0.6", "c\r\neth0")
        },
        Scenario(testDescription: "DEL", arguments: ["del", "victim", "eth0"]) { fixture in
            for id in ["a", "victim", "b"] { try fixture.store().add(id, sets) }
        },
        Scenario(testDescription: "GC", arguments: ["gc", "a/eth0,c/eth0"]) { fixture in
            for id in ["a", "victim", "c"] { try fixture.store().add(id, sets) }
        },
    ]

    private static var sets: [RangeSet] { get throws { try [set("10.1.0.0/29"), set("fd00::/64")] } }

    /// Names of system calls that change something, or could.
    static let changing: Set<String> = [
        "mkdir", "mkdirat", "openat", "symlinkat", "write", "unlinkat", "utimensat", "ftruncate",
    ]

    /// A fresh copy of the prepared state.
    func fixture(_ template: Fixture) -> Fixture {
        let copy = Fixture()
        _ = Outcome(["cp", "-a", template.directory.path + "/.", copy.directory.path])
        return copy
    }

    /// The system calls from the first that touches the directory on: name, and how many of the name came before.
    func calls(_ template: Fixture) throws -> [(name: String, number: Int)] {
        let fixture = fixture(template)
        let log = TemporaryDirectory()
        fixture.drive(arguments, prefix: [strace, "-qq", "-o", log.path + "/trace"])
        var counts: [String: Int] = [:]
        var calls: [(String, Int)] = []
        var touched = false
        for line in try String(contentsOfFile: log.path + "/trace", encoding: .utf8).split(separator: "\n") {
            let name = String(line.prefix { $0 != "(" })
            counts[name, default: 0] += 1
            touched = touched || name != "execve" && line.contains(fixture.directory.path)
            if touched, name != "exit_group" { calls.append((name, counts[name]!)) }
        }
        return calls
    }

    func run(_ fixture: Fixture, _ call: (name: String, number: Int), _ fault: String) -> Outcome {
        fixture.drive(
            arguments,
            prefix: [
                strace, "-qq", "-o", "/dev/null", "-e", "trace=\(call.name)", "-e",
                "inject=\(call.name):\(fault):when=\(call.number)",
            ])
    }
}

@Suite("Killed or failing at any system call")
struct KillTests {
    /// The reservations of all whom the operation does not concern.
    private func others(_ fixture: Fixture) -> [String: String] {
        fixture.files.reservations.filter {
            !["victim\r\neth0", "old-1\r\neth0", "old-2\r\neth0", ""].contains($0.value)
        }
    }

    @Test("SIGKILL leaves nothing that DEL, GC or the next ADD does not put right", arguments: Scenario.all)
    func kill(scenario: Scenario) throws {
        let template = Fixture()
        try scenario.prepare(template)
        let before = others(template)
        let calls = try scenario.calls(template).filter { Scenario.changing.contains($0.name) }
        try #require(!calls.isEmpty)
        for call in calls {
            let fixture = scenario.fixture(template)
            let outcome = scenario.run(fixture, call, "signal=KILL")
            #expect(outcome.status == 9, "\(call)")
            #expect(others(fixture) == before, "\(call)")
            let second = scenario.fixture(fixture)
            let third = scenario.fixture(fixture)
            // DEL finds all that the victim had.
            try fixture.store().release(owner("victim"))
            #expect(fixture.files.reservations == before, "\(call)")
            if !fixture.files.names.isEmpty { fixture.files.expectSound("boot-1") }
            // GC finds it, too.
            let kept = Set(before.values.compactMap { Attachment(record: Array($0.utf8)) })
            _ = try second.store().collectGarbage(keeping: kept)
            #expect(second.files.reservations == before, "\(call)")
            // The next ADD gets addresses of its own, and makes the index whole.
            let added = try third.store().add("next", [set("10.1.0.0/29"), set("fd00::/64")])
            #expect(added.count == 2)
            #expect(others(third).filter { $0.value != "next\r\neth0" } == before, "\(call)")
            third.files.expectSound("boot-1")
        }
    }

    @Test("a failing system call leaves all as it was, or does not matter", arguments: Scenario.all)
    func fail(scenario: Scenario) throws {
        let template = Fixture()
        try scenario.prepare(template)
        let before = others(template)
        let ignored = ["close", "munmap", "brk", "mmap", "futex"]
        let calls = try scenario.calls(template).filter { !ignored.contains($0.name) }
        try #require(!calls.isEmpty)
        let isAdd = scenario.arguments[0] == "add"
        for call in calls {
            let fixture = scenario.fixture(template)
            let outcome = scenario.run(fixture, call, "error=EIO")
            #expect(others(fixture) == before, "\(call)")
            let had = fixture.files.reservations.values.count { $0 == "victim\r\neth0" }
            if outcome.status == 0 {
                #expect(had == (isAdd ? 2 : 0), "\(call)")
            } else {
                #expect(outcome.status == 1 && outcome.output.contains("Input/output error"), "\(call): \(outcome)")
                // A DEL or GC that has failed may have come half-way.
                #expect(!isAdd || had == 0, "\(call)")
            }
            try fixture.store().release(owner("victim"))
            #expect(fixture.files.reservations.filter { $0.value.hasPrefix("old") == false } == before, "\(call)")
        }
    }
}
