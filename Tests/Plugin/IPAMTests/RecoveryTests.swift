import Addresses
import Foundation
import Posix
import Testing

@testable import IPAM

@Suite("After reboots, kills and other hands")
struct RecoveryTests {
    let fixture = Fixture()

    @Test("after a reboot a full range has room at once, and what was freed is not freed again")
    func reboot() throws {
        let range = try [set("10.1.0.0/29")]
        for id in 0..<5 { try fixture.store("boot-1").add("c\(id)", range) }
        fixture.store("boot-1").expectFailure(.addressNotAvailable, "no IP addresses", "x", range)
        try fixture.store("boot-2").add("new", range)
        #expect(Array(fixture.files.reservations.values) == ["new\r\neth0"])
        #expect(fixture.files.names.filter { $0.hasPrefix(".swiftlet") } == [".swiftlet.boot-2"])
        for id in 5..<9 { try fixture.store("boot-2").add("c\(id)", range) }
        fixture.store("boot-2").expectFailure(.addressNotAvailable, "no IP addresses", "x", range)
        fixture.files.expectSound("boot-2")
    }

    @Test("a directory in the index of the last boot keeps nothing from being freed")
    func directoryInIndex() throws {
        for id in ["a", "b", "c"] { try fixture.store("boot-1").add(id, [set("10.1.0.0/24")]) }
        for name in ["0", "zzz"] {
            try FileManager.default.createDirectory(
                atPath: "\(fixture.files.path)/.swiftlet.boot-1/\(name)", withIntermediateDirectories: false)
        }
        try fixture.store("boot-2").release(owner("nobody"))
        #expect(fixture.files.reservations.isEmpty)
    }

    @Test("a restart of the runtime frees nothing")
    func restart() throws {
        try fixture.store().add("a", [set("10.1.0.0/24")])
        for _ in 0..<3 { try fixture.store().add("\(UUID())", [set("10.1.0.0/24")]) }
        #expect(fixture.files.reservations["10.1.0.2"] == "a\r\neth0")
    }

    @Test("after a reboot, what is not known to be of an earlier boot stays")
    func rebootSparesStrangers() throws {
        let range = try [set("10.1.0.0/24")]
        try fixture.store("boot-1").add("a", range)
        try fixture.store("boot-1").add("b", range)
        // Of this boot, by the reference plugin: a new one, and one that took over an address of the last boot.
        fixture.files.write("10.1.0.50", "r\r\neth0")
        fixture.files.write("10.1.0.3", "s\r\neth0")
        try fixture.store("boot-2").release(owner("nobody"))
        #expect(fixture.files.reservations == ["10.1.0.50": "r\r\neth0", "10.1.0.3": "s\r\neth0"])
        fixture.files.expectSound("boot-2")
        // By the next boot, they have become known.
        try fixture.store("boot-3").release(owner("nobody"))
        #expect(fixture.files.reservations.isEmpty)
    }

    @Test("a power failure that emptied or zeroed files leaves nothing reserved")
    func powerFailure() throws {
        for id in ["a", "b"] { try fixture.store("boot-1").add(id, [set("10.1.0.0/29")]) }
        fixture.files.write("10.1.0.2", "")
        fixture.files.write("10.1.0.3", bytes: [UInt8](repeating: 0, count: 7))
        try fixture.store("boot-2").release(owner("nobody"))
        #expect(fixture.files.reservations.isEmpty)
    }

    @Test("what the reference plugin has written is found by its owner")
    func foreignReservation() throws {
        try fixture.store().add("a", [set("10.1.0.0/24")])
        fixture.files.write("10.1.0.3", "r\r\neth0")
        fixture.store().expectFailure(.conflict, "10.1.0.3 has been allocated to r", "r", try [set("10.1.0.0/24")])
        #expect(try fixture.store().reservations(of: owner("r")) == [CIDR("10.1.0.3/32")!])
        try fixture.store().release(owner("r"))
        #expect(fixture.files.reservations == ["10.1.0.2": "a\r\neth0"])
        fixture.files.expectSound("boot-1")
    }

    /// The other hand acts within the same tick of the kernel's clock as ours.
    @Test("a change by somebody else is noticed however soon it follows ours")
    func foreignChangeAtOnce() throws {
        let range = try [set("10.1.0.0/16")]
        for turn in 0..<100 {
            try fixture.store().add("a\(turn)", range)
            fixture.files.write("10.1.200.\(turn)", "r\(turn)\r\neth0")
            try fixture.store().release(owner("r\(turn)"))
        }
        #expect(fixture.files.reservations.count == 100)
    }

    @Test("a reservation that somebody removed is no duplicate")
    func foreignRemoval() throws {
        let range = try [set("10.1.0.0/24"), set("fd00::/64")]
        try fixture.store().add("a", range)
        fixture.files.remove("10.1.0.2")
        fixture.files.remove("fd00::2")
        #expect(try fixture.store().add("a", range) == ["10.1.0.3/24", "fd00::3/64"])
        fixture.files.expectSound("boot-1")
    }

    @Test("empty, zeroed and oversized files do not exhaust a range")
    func garbage() throws {
        let range = try [set("10.1.0.0/29")]
        fixture.files.write("10.1.0.2", "")
        fixture.files.write("10.1.0.3", "\r\n")
        fixture.files.write("10.1.0.4", bytes: [UInt8](repeating: 0, count: 64))
        fixture.files.write("10.1.0.5", String(repeating: "x", count: 5000))
        for id in 0..<5 { try fixture.store().add("c\(id)", range) }
        fixture.files.expectSound("boot-1")
    }

    @Test("a file that was emptied behind the seal is taken over before a range is called full, or on request")
    func garbageBehindTheSeal() throws {
        let range = try [set("10.1.0.0/29")]
        for id in 0..<5 { try fixture.store().add("c\(id)", range) }
        let empty = { (name: String) in truncate(fixture.files.path + "/" + name, 0) }
        #expect(empty("10.1.0.4") == 0)
        #expect(try fixture.store().add("x", range) == ["10.1.0.4/29"])
        #expect(empty("10.1.0.5") == 0)
        #expect(try fixture.store().add("y", range, requested: [ip("10.1.0.5")]) == ["10.1.0.5/29"])
        fixture.files.expectSound("boot-1")
    }

    @Test("an index that was removed or filled with rubbish is rebuilt")
    func rubbishIndex() throws {
        let range = try [set("10.1.0.0/24"), set("fd00::/64")]
        for id in ["a", "b"] { try fixture.store().add(id, range) }
        fixture.files.remove(".swiftlet.boot-1")
        try fixture.store().release(owner("b"))
        #expect(fixture.files.reservations.count == 2)
        fixture.files.expectSound("boot-1")
        let index = Files(path: fixture.files.path + "/.swiftlet.boot-1")
        index.write("rubbish", "x")
        index.remove(owner("a").key + ".0")
        symlink("../../../etc/passwd", index.path + "/\(owner("a").key).7")
        symlink("../10.1.0.9", index.path + "/\(owner("z").key).0")
        try fixture.store().release(owner("nobody"))
        fixture.files.expectSound("boot-1")
    }

    @Test("links planted for reservations, lock, cursor or index are not followed")
    func plantedLinks() throws {
        let outside = TemporaryDirectory()
        let target = outside.path + "/target"
        try Data("precious".utf8).write(to: URL(filePath: target))
        let range = try [set("10.1.0.0/29")]
        try fixture.store().add("a", range)
        for name in ["10.1.0.3", "last_reserved_ip.0"] {
            try? FileManager.default.removeItem(atPath: fixture.files.path + "/" + name)
            symlink(target, fixture.files.path + "/" + name)
        }
        let error = #expect(throws: Failure.self) { try fixture.store().add("b", range) }
        #expect(error?.kind == .storage && error?.errno == .tooManySymlinks)
        #expect(error?.message.contains("last_reserved_ip.0: Too many levels of symbolic links") == true)
        #expect(fixture.files.reservations.filter { $0.key != "10.1.0.3" } == ["10.1.0.2": "a\r\neth0"])
        fixture.files.remove("last_reserved_ip.0")
        #expect(
            try (0..<3).flatMap { try fixture.store().add("c\($0)", range) } == [
                "10.1.0.4/29", "10.1.0.5/29", "10.1.0.6/29",
            ])
        #expect(fixture.files.read("10.1.0.3") == "precious")
        fixture.files.remove("lock")
        symlink(target, fixture.files.path + "/lock")
        #expect(throws: Failure.self) { try fixture.store().release(owner("a")) }
        #expect(try String(contentsOfFile: target, encoding: .utf8) == "precious")
    }

    @Test("a directory, a pipe or a link in an address's place counts as taken and blocks nobody")
    func strangers() throws {
        let range = try [set("10.1.0.0/29")]
        fixture.files.write("lock", "")
        mkdir(fixture.files.path + "/10.1.0.2", 0o755)
        mkfifo(fixture.files.path + "/10.1.0.3", 0o600)
        symlink("/nowhere", fixture.files.path + "/10.1.0.4")
        #expect(try fixture.store().add("a", range) == ["10.1.0.5/29"])
        #expect(try fixture.store().add("b", range) == ["10.1.0.6/29"])
        fixture.store().expectFailure(.addressNotAvailable, "no IP addresses", "c", range)
        try fixture.store().release(owner("a"))
        #expect(fixture.files.names.contains("10.1.0.3"))
        #expect(try fixture.store().isFull(range) == false)
    }

    @Test("a network that is a link to somewhere else is refused")
    func linkedNetwork() throws {
        let outside = TemporaryDirectory()
        symlink(outside.path, fixture.files.path)
        #expect(throws: Failure.self) { try fixture.store().add("a", [set("10.1.0.0/24")]) }
        #expect(Files(path: outside.path).names.isEmpty)
    }

    @Test("something in the index's place stops reservations but no release")
    func blockedIndex() throws {
        fixture.files.write(".swiftlet.boot-1", "not a directory")
        fixture.files.write("10.1.0.2", "a\r\neth0")
        #expect(throws: Failure.self) { try fixture.store().add("b", [set("10.1.0.0/24")]) }
        try fixture.store().release(owner("a"))
        #expect(fixture.files.reservations.isEmpty)
    }

    @Test("a lock that stays taken is reported in time, as something to try again")
    func busy() throws {
        try fixture.store().add("a", [set("10.1.0.0/24")])
        let lock = try FileDescriptor.open(fixture.files.path + "/lock", [])
        try lock.lockExclusively(milliseconds: 0)
        let clock = ContinuousClock()
        var outcome: Outcome?
        let time = clock.measure { outcome = fixture.drive(["add", "b", "eth0", "10.1.0.0/24"], wait: 200) }
        #expect(outcome?.status == 1)
        #expect(outcome?.output.contains("another process has held it for 200 ms; try again later") == true)
        #expect((.milliseconds(150)...(.seconds(5))).contains(time))
        #expect(fixture.store(wait: 0).lockTimeoutMilliseconds == 0)
        #expect(fixture.files.reservations.count == 1)
        // Looking needs no lock.
        #expect(try fixture.store().reservations(of: owner("a")).count == 1)
    }
}
