import Addresses
import Attachments
import CNI
import Foundation
import JSON
import Testing

@testable import DHCP

/// How the daemon is started, and what it writes down.
@Suite struct KeepingTests {
    @Test func flagsAreReadAsGoReadsThem() throws {
        let options = try DaemonOptions([
            "-broadcast", "--timeout", "1m30s", "-resendmax=500ms", "-socketpath", "/a.sock", "-hostprefix=/host",
        ])
        #expect(options.broadcast && options.timeout == 90_000 && options.resendMaximum == 500)
        #expect(options.socket == "/a.sock" && options.hostPrefix == "/host" && options.resendTimeout == 60_000)
        #expect(try !DaemonOptions(["-broadcast=false"]).broadcast)
    }

    @Test(arguments: ["", "10", "s", "-5s", "10x", "25h", "99999999999999999999s", "1.5s", "s10"])
    func whatIsNoDurationIsRefused(_ text: String) {
        #expect(throws: CNIError.self) { try DaemonOptions(["-timeout", text]) }
    }

    static let owner = AttachmentName(network: "net", containerID: "pod-1", ifname: "eth0")

    static func lease(_ octets: [UInt8] = MessageTests.acknowledgement) throws -> Lease {
        try Lease(#require(Message(octets)), since: 5000)
    }

    @Test func leasesAreReadBackAsTheyWereWritten() throws {
        let top = NSTemporaryDirectory() + "swiftlet-leases-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: top) }
        let path = top + "/a/b"
        let directory = try LeaseDirectory(path)
        try directory.write(Self.owner, "/run/netns/x", LeaseMachineTests.identity, [1, 2, 3, 4, 5, 6], Self.lease())
        var records = try directory.records()
        #expect(records.count == 1 && records[0].0 == Self.owner)
        #expect(try records[0].1.lease == Self.lease() && records[0].1.settings == LeaseMachineTests.identity)
        #expect(records[0].1.netns == "/run/netns/x" && records[0].1.serverHardware == [1, 2, 3, 4, 5, 6])
        // What is of another boot, or damaged, is removed; what is no lease is left alone.
        for (name, text) in [("net:b:eth0", "{}"), ("net:c:eth0", "nonsense"), ("readme", "hello")] {
            try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
        }
        let file = "\(path)/net:pod-1:eth0"
        let other = try String(contentsOfFile: file, encoding: .utf8).replacing(
            /"bootID": "[^"]*"/, with: #""bootID": "x""#)
        try other.write(toFile: file, atomically: false, encoding: .utf8)
        records = try directory.records()
        #expect(records.isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["readme"])
    }

    @Test func onlyOneDaemonHasADirectory() throws {
        let path = NSTemporaryDirectory() + "swiftlet-leases-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let directory = try LeaseDirectory(path)
        let lock = try directory.lock()
        #expect(throws: (any Error).self) { try directory.lock().close() }
        lock.close()
        try directory.lock().close()
    }

    @Test func namesOfLeasesAreTheirOwners() {
        #expect(AttachmentName(fileName: Self.owner.fileName) == Self.owner)
        for name in ["", "a:b", "a:b:c:d", ".new", "a:../x:eth0", "a:b:..", "::"] {
            #expect(AttachmentName(fileName: name) == nil)
        }
        #expect(Self.owner.clientIdentifier == [0] + Array("pod-1/net/eth0".utf8))
    }
}
