import Addresses
import Attachments
import Foundation
import JSON

@testable import IPAM
@testable import Netfilter

extension FuzzTarget {
    /// A reservation's content; its first line also as a file's name.
    static let reservation = FuzzTarget(name: "reservation", maximumLength: 512) { octets in
        if let owner = Attachment(record: octets) {
            let again = Attachment(record: owner.record)
            try require(
                owner.containerID.isEmpty || owner.ifname.isEmpty || again == owner,
                "\(owner) is written as \(owner.record)")
            try require(owner.key.utf8.count == 32, owner.key)
        }
        let name = String(decoding: octets.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        if let unit = CIDR(reservationName: name) {
            let again = CIDR(reservationName: unit.reservationName)
            try require(unit.isNetwork && again == unit, "\(name) is \(unit)")
            try require(!unit.reservationName.contains("/"), unit.reservationName)
        }
    }

    /// A directory of reservations as somebody has left it: `NAME CONTENT` a line; a name with `@` is a symbolic link.
    static let store = FuzzTarget(name: "store", maximumLength: 1024) { octets in
        let directory = try ScratchDirectory()
        try directory.fill(String(decoding: octets, as: UTF8.self))
        let store = Store(dataDirectory: directory.path, network: "net", bootID: "boot", lockTimeoutMilliseconds: 100)
        guard let set = try? RangeSet([Pool(subnet: CIDR("10.1.0.0/28")!)]) else { return }
        let owner = Attachment(containerID: "fuzz", ifname: "eth0")
        let others =
            (try? store.all())?.filter { $0.owner != nil && $0.owner != owner && $0.owner != owner.legacy } ?? []
        guard let allocations = try? store.reserve(owner, from: [set]) else { return }
        for allocation in allocations {
            try require(
                !others.contains { $0.unit.address == allocation.address.address }, "\(allocation) is another's")
        }
        for other in others {
            try require(try store.all().contains(other), "\(other) has lost its address")
        }
        try require(try store.reservations(of: owner).count >= 1, "what was reserved is not found")
        try store.release(owner)
        try require(try store.reservations(of: owner).isEmpty, "what was freed is still there")
        _ = try? store.collectGarbage(keeping: [])
        try require(try directory.isIntact, "something outside of the store has changed")
    }

    /// What is written down of an attachment's packet rules.
    static let record = FuzzTarget(name: "record") { octets in
        guard let record = try? Record(octets) else { return }
        try require((try? Record(record.content)) == record, "\(record) is written as another")
        let owner = RulesOwner(
            AttachmentName(network: "net", containerID: "id", ifname: "eth0"), plugin: "bridge")
        _ = (record.rules.elements(of: owner).count, record.rules.conditionChains.count)
    }
}

/// A directory in memory that goes away with its last user, beside a file that nothing should touch.
private final class ScratchDirectory {
    let path: String
    private var network: String { path + "/net" }
    private var bystander: String { path + "/bystander" }

    init() throws {
        let parent = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm/" : NSTemporaryDirectory()
        path = parent + "swiftlet-fuzz-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: network + "/.swiftlet.boot", withIntermediateDirectories: true)
        try "untouched".write(toFile: bystander, atomically: false, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var isIntact: Bool {
        get throws {
            try String(contentsOfFile: bystander, encoding: .utf8) == "untouched"
                && Set(try FileManager.default.contentsOfDirectory(atPath: path)) == ["net", "bystander"]
        }
    }

    func fill(_ text: String) throws {
        for line in text.split(separator: "\n").prefix(32) {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, !parts[0].contains("..") else { continue }
            let content = String(parts[1].replacing("\\r", with: "\r").replacing("\\n", with: "\n"))
            if let at = parts[0].firstIndex(of: "@") {
                let target = content.hasPrefix("/") ? bystander : content
                let name = "\(parts[0][..<at])\(parts[0][parts[0].index(after: at)...])"
                _ = symlink(target, "\(network)/\(name)")
            } else {
                // Not by Foundation, which would write through links.
                let file = open("\(network)/\(parts[0])", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
                guard file >= 0 else { continue }
                _ = write(file, content, content.utf8.count)
                close(file)
            }
        }
    }
}
