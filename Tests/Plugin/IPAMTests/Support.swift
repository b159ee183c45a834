import Addresses
import Attachments
import Foundation
import Posix
import Testing

@testable import IPAM

/// A directory that goes away with its last user.
final class TemporaryDirectory: Sendable {
    let path: String

    /// - Parameter inMemory: where there is a tmpfs, which spares 60,000 files the disk.
    init(inMemory: Bool = false) {
        let parent =
            inMemory && FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm/" : NSTemporaryDirectory()
        path = parent + "swiftlet-ipam-" + UUID().uuidString
        try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A network's directory, looked at without the store's help.
struct Files: Sendable {
    let path: String

    func write(_ name: String, _ content: String) { write(name, bytes: Array(content.utf8)) }

    func write(_ name: String, bytes: [UInt8]) {
        try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try! Data(bytes).write(to: URL(filePath: "\(path)/\(name)"))
    }

    func read(_ name: String) -> String? {
        FileManager.default.contents(atPath: "\(path)/\(name)").map { String(decoding: $0, as: UTF8.self) }
    }

    func remove(_ name: String) { try! FileManager.default.removeItem(atPath: "\(path)/\(name)") }

    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }

    /// What is reserved: name and content.
    var reservations: [String: String] {
        var found: [String: String] = [:]
        for name in names where CIDR(reservationName: name) != nil { found[name] = read(name) ?? "" }
        return found
    }

    func indexEntries(_ boot: String) -> [String: String] {
        let index = "\(path)/.swiftlet.\(boot)"
        var entries: [String: String] = [:]
        for name in (try? FileManager.default.contentsOfDirectory(atPath: index)) ?? [] {
            entries[name] = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(index)/\(name)")
        }
        return entries
    }

    /// Every reservation is somebody's and in the index, and the index holds nothing else.
    func expectSound(_ boot: String, sourceLocation: SourceLocation = #_sourceLocation) {
        var wanted: [String: Set<String>] = [:]
        for (name, content) in reservations {
            guard let owner = Attachment(record: Array(content.utf8)) else {
                Issue.record("\(name) is nobody's: \(content)", sourceLocation: sourceLocation)
                continue
            }
            wanted[owner.key, default: []].insert("../" + name)
        }
        var found: [String: Set<String>] = [:]
        let entries = indexEntries(boot)
        for (entry, target) in entries { found[String(entry.prefix(32)), default: []].insert(target) }
        #expect(found == wanted, sourceLocation: sourceLocation)
        for (key, targets) in wanted {
            #expect(targets.indices.count == targets.count)
            for slot in 0..<targets.count { #expect(entries["\(key).\(slot)"] != nil, sourceLocation: sourceLocation) }
        }
    }
}

/// A store in a directory of its own, and what a test wants to do with it.
struct Fixture {
    var directory = TemporaryDirectory()
    let network = "net"

    func store(_ boot: String = "boot-1", wait: UInt32 = 10_000) -> Store {
        Store(dataDirectory: directory.path, network: network, bootID: boot, lockTimeoutMilliseconds: wait)
    }

    var files: Files { Files(path: directory.path + "/" + network) }

    /// Runs the driver as a process of its own, behind `prefix` (such as strace).
    @discardableResult
    func drive(_ arguments: [String], boot: String = "boot-1", wait: Int = 10_000, prefix: [String] = []) -> Outcome {
        Outcome(prefix + [driver, directory.path, network, boot, String(wait)] + arguments)
    }
}

let driver = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path + "/ipam-driver"

/// A process that has run to its end, with files for its streams: a pipe could be inherited by, and so be kept open
/// by, what another test starts at the same time.
struct Outcome: Sendable {
    /// The exit status, or the signal that ended it.
    let status: Int32
    let output: String

    init(_ command: [String], environment: [String: String]? = nil, input: String = "") {
        let streams = TemporaryDirectory()
        try! Data(input.utf8).write(to: URL(filePath: streams.path + "/in"))
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_addopen(&actions, 0, streams.path + "/in", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, streams.path + "/out", O_CREAT | O_WRONLY | O_APPEND, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        // A test's thread may have signals blocked.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let arguments = command.map { strdup($0) } + [nil]
        let variables = (environment ?? ProcessInfo.processInfo.environment).map { strdup("\($0)=\($1)") } + [nil]
        defer {
            for text in arguments + variables { free(text) }
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        var child: pid_t = 0
        var result: Int32 = 0
        precondition(posix_spawnp(&child, command[0], &actions, &attributes, arguments, variables) == 0, command[0])
        while waitpid(child, &result, 0) == -1 { precondition(errno == EINTR) }
        status = result & 0x7f == 0 ? result >> 8 & 0xff : result & 0x7f
        output = (try? String(contentsOfFile: streams.path + "/out", encoding: .utf8)) ?? ""
    }
}

func pool(
    _ subnet: String, start: String? = nil, end: String? = nil, gateway: String? = nil, blocks: Int? = nil
) throws -> Pool {
    try Pool(
        subnet: try #require(CIDR(subnet)), rangeStart: start.map { IPAddress($0)! },
        rangeEnd: end.map { IPAddress($0)! }, gateway: gateway.map { IPAddress($0)! }, blockLength: blocks)
}

func set(_ subnet: String, blocks: Int? = nil) throws -> RangeSet { try RangeSet([pool(subnet, blocks: blocks)]) }

func ip(_ text: String) -> IPAddress { IPAddress(text)! }

func owner(_ id: String, _ ifname: String = "eth0") -> Attachments.Attachment {
    Attachment(containerID: id, ifname: ifname)
}

extension Store {
    /// Reserves, and says what as text.
    @discardableResult
    func add(_ id: String, _ sets: [RangeSet], requested: [IPAddress] = []) throws -> [String] {
        try reserve(owner(id), from: sets, requested: requested).map(\.address.description)
    }

    func expectFailure(
        _ kind: Failure.Kind, _ text: String, _ id: String, _ sets: [RangeSet], requested: [IPAddress] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = #expect(throws: Failure.self, sourceLocation: sourceLocation) {
            try add(id, sets, requested: requested)
        }
        #expect(error?.kind == kind, sourceLocation: sourceLocation)
        #expect(error?.message.contains(text) == true, "\(error?.message ?? "")", sourceLocation: sourceLocation)
    }
}

/// SplitMix64: the same numbers on each run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
