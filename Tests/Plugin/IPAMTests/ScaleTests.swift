import Addresses
import Foundation
import Glibc
import Testing

@testable import IPAM

@Suite("At 60,000 reservations", .serialized)
struct ScaleTests {
    private func filled(_ count: Int) throws -> Fixture {
        let fixture = Fixture(directory: TemporaryDirectory(inMemory: true))
        fixture.files.write("lock", "")
        for number in 0..<count {
            let name = IPAddress(.v4, 0x0a01_0002 + UInt128(number)).description
            let file = open(fixture.files.path + "/" + name, O_CREAT | O_WRONLY, 0o600)
            let record = "container-\(number)\r\neth0"
            #expect(Glibc.write(file, record, record.utf8.count) == record.utf8.count)
            close(file)
        }
        fixture.files.write("last_reserved_ip.0", IPAddress(.v4, 0x0a01_0001 + UInt128(count)).description)
        try fixture.store().release(owner("nobody"))
        return fixture
    }

    private func systemCalls(_ fixture: Fixture, _ arguments: [String]) throws -> Int {
        let log = TemporaryDirectory()
        fixture.drive(arguments, prefix: ["strace", "-qq", "-o", log.path + "/trace"])
        let lines = try String(contentsOfFile: log.path + "/trace", encoding: .utf8).split(separator: "\n")
        return lines.drop { !$0.contains(fixture.directory.path + "/net\"") }.count {
            !$0.hasPrefix("brk") && !$0.hasPrefix("m")
        }
    }

    @Test("ADD and DEL make the same system calls and take about the same time as among 10")
    func flat() throws {
        let few = try filled(10)
        let many = try filled(60_000)
        for arguments in [["add", "x", "eth0", "10.1.0.0/16"], ["del", "x", "eth0"], ["del", "container-7", "eth0"]] {
            let calls = try (systemCalls(few, arguments), systemCalls(many, arguments))
            #expect(calls.0 == calls.1, "\(arguments)")
            #expect(calls.1 < 40)
        }
        let time = { (fixture: Fixture) in
            Double(fixture.drive(["cycle", "300", "10.1.0.0/16"]).output.split(separator: " ")[0])!
        }
        let ratio = min(time(many) / time(few), time(many) / time(few), time(many) / time(few))
        #expect(ratio < 2)
    }

    @Test("a range with one address left hands it out, and one with none says so, without trying each name")
    func nearlyFull() throws {
        let fixture = try filled(16_381)
        let range = try [set("10.1.0.0/18")]
        fixture.files.remove("10.1.20.20")
        try fixture.store().release(owner("nobody"))
        #expect(try !fixture.store().isFull(range))
        #expect(try systemCalls(fixture, ["add", "x", "eth0", "10.1.0.0/18"]) < 400)
        #expect(try fixture.store().reservations(of: owner("x")).map(\.description) == ["10.1.20.20/32"])
        fixture.store().expectFailure(.addressNotAvailable, "no IP addresses available", "y", range)
        #expect(try fixture.store().isFull(range))
    }
}
