import Addresses
import Foundation
import Posix
import Testing

@testable import IPAM

@Suite("Many processes", .serialized)
struct ProcessTests {
    let fixture = Fixture()

    /// Runs the driver so often at once, each `{}` replaced by a number.
    private func driveAtOnce(_ count: Int, _ arguments: [String]) -> [Substring] {
        let command = [driver, fixture.directory.path, "net", "boot-1", "10000"] + arguments
        let numbers = (1...count).map(String.init).joined(separator: "\n")
        return Outcome(["xargs", "-P", String(count), "-I{}"] + command, input: numbers).output.split(separator: "\n")
    }

    @Test("64 processes that reserve at once get 64 different addresses")
    func concurrent() throws {
        let addresses = driveAtOnce(64, ["add", "c{}", "eth0", "10.1.0.0/24;fd00::/64"])
        #expect(addresses.count == 128)
        #expect(Set(addresses).count == 128)
        fixture.files.expectSound("boot-1")
        _ = driveAtOnce(64, ["del", "c{}", "eth0"])
        #expect(fixture.files.reservations.isEmpty)
        fixture.files.expectSound("boot-1")
    }

    @Test("32 processes that are the first of their boot at once free the last boot's once and keep their own")
    func concurrentFirst() throws {
        for id in 0..<20 { try fixture.store("boot-0").add("old\(id)", [set("10.1.0.0/26")]) }
        #expect(Set(driveAtOnce(32, ["add", "c{}", "eth0", "10.1.0.0/26"])).count == 32)
        #expect(fixture.files.reservations.count == 32)
        fixture.files.expectSound("boot-1")
    }

    @Test("a directory that is deleted again and again while others reserve heals")
    func deletedUnderneath() throws {
        let script = "if [ $(($1 % 4)) = 0 ]; then rm -rf $3/$4; else shift; \"$@\"; fi"
        let command = ["sh", "-c", script, "sh", "{}", driver, fixture.directory.path, "net", "boot-1", "10000"]
        let numbers = (1...80).map(String.init).joined(separator: "\n")
        let outcome = Outcome(
            ["xargs", "-P", "16", "-I{}"] + command + ["add", "c{}", "eth0", "10.1.0.0/24"], input: numbers)
        #expect(!outcome.output.isEmpty)
        try fixture.store().add("after", [set("10.1.0.0/24")])
        fixture.files.expectSound("boot-1")
    }
}

@Suite("On bad file systems")
struct FileSystemTests {
    let fixture = Fixture()

    /// Runs a script in a mount namespace of its own, with a small tmpfs on the data directory.
    private func onTinyFileSystem(_ options: String, _ script: String) -> Outcome {
        Outcome([
            "unshare", "-m", "sh", "-c", "mount -t tmpfs -o \(options) tmpfs $1 && shift && \(script)", "sh",
            fixture.directory.path, driver, fixture.directory.path, "net", "boot-1", "1000",
        ])
    }

    @Test(
        "a full file system is named as the cause, nothing is half reserved, and releasing works")
    func full() {
        let outcome = onTinyFileSystem(
            "nr_inodes=16",
            """
            n=0; while "$@" add c$n eth0 10.1.0.0/24; do n=$((n + 1)); done; cat "$2"/net/10.*; echo; \
            while [ $n -gt 0 ]; do n=$((n - 1)); "$@" del c$n eth0 || echo BAD; done; ls "$2/net"
            """)
        let lines = outcome.output.split(separator: "\n").map(String.init)
        #expect(
            lines.contains { $0.contains("No space left on device") && $0.contains("10.1.0.") }, "\(outcome.output)")
        let added = lines.count { $0.hasSuffix("/24") }
        #expect(added >= 4)
        #expect(outcome.output.contains((0..<added).map { "c\($0)\r\neth0" }.joined() + "\n"))
        #expect(!lines.contains("BAD"))
        #expect(lines.suffix(2) == ["last_reserved_ip.0", "lock"])
    }

    @Test("a full file system without an index does not stop a release")
    func fullWithoutIndex() {
        let outcome = onTinyFileSystem(
            "nr_inodes=6",
            """
            mkdir "$2/net"; for i in 2 3; do printf 'c%d\\r\\neth0' $i > "$2/net/10.1.0.$i"; done; touch "$2/net/lock"; touch "$2/x"; \
            "$@" add x eth0 10.1.0.0/24; "$@" del c2 eth0; ls "$2/net"
            """)
        #expect(outcome.output.contains("No space left on device"), "\(outcome.output)")
        #expect(outcome.output.hasSuffix("10.1.0.3\nlock\n"), "\(outcome.output)")
    }

    @Test("a read-only file system is named as the cause, and looking still works")
    func readOnly() {
        let outcome = onTinyFileSystem(
            "size=1m",
            "\"$@\" add a eth0 10.1.0.0/24; mount -o remount,ro \"$2\"; \"$@\" add b eth0 10.1.0.0/24; \"$@\" del a eth0; \"$@\" get a eth0"
        )
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines.first == "10.1.0.2/24" && lines.last == "10.1.0.2/32", "\(outcome.output)")
        #expect(lines.filter { $0.contains("Read-only file system") }.count == 2)
    }

    @Test("without permission the error names the path")
    func noPermission() throws {
        let store = Store(dataDirectory: "/proc/nowhere", network: "net", bootID: "b")
        let error = #expect(throws: Failure.self) { try store.add("a", [set("10.1.0.0/24")]) }
        #expect(error?.message.hasPrefix("make directory /proc/nowhere: ") == true)
    }
}
