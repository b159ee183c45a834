import Addresses
import Foundation
import JSON
import Synchronization

@testable import CNI

/// What happened, in order, from wherever it happened.
final class Record: Sendable {
    private let entries = Mutex<[String]>([])

    func append(_ entry: String) { entries.withLock { $0.append(entry) } }
    var all: [String] { entries.withLock { $0 } }
}

/// A plugin that does what a test says, and notes each verb that it is asked for.
struct MadeUp: Plugin {
    var supportedVersions = SpecVersion.allCases
    let record = Record()
    var onAdd: @Sendable (Request) throws(CNIError) -> CNIResult = { _ in .example }
    var onOther: @Sendable (Request) throws(CNIError) -> Void = { _ in }

    func add(_ request: Request) throws(CNIError) -> CNIResult {
        record.append("ADD")
        return try onAdd(request)
    }

    func del(_ request: Request) throws(CNIError) { try note(request) }
    func check(_ request: Request) throws(CNIError) { try note(request) }
    func gc(_ request: Request) throws(CNIError) { try note(request) }
    func status(_ request: Request) throws(CNIError) { try note(request) }

    private func note(_ request: Request) throws(CNIError) {
        record.append(request.invocation.command.rawValue)
        try onOther(request)
    }
}

extension CNIResult {
    /// One of everything.
    static let example = CNIResult(
        interfaces: [
            Interface(name: "cni0", mac: "02:00:00:00:00:10", mtu: 1500),
            Interface(
                name: "eth0", mac: "02:00:00:00:00:21", mtu: 1400, sandbox: "/run/netns/pod-1", socketPath: "/run/s",
                pciID: "0000:00:1f.6"),
        ],
        ips: [
            IP(address: CIDR("10.1.0.5/16")!, gateway: IPAddress("10.1.0.1")!, interface: 1),
            IP(address: CIDR("10.2.0.5/16")!),
            IP(address: CIDR("fd00::5/64")!, gateway: IPAddress("fd00::1")!, interface: 1),
        ],
        routes: [
            Route(destination: CIDR("0.0.0.0/0")!, gateway: IPAddress("10.1.0.1")!),
            Route(
                destination: CIDR("::/0")!, gateway: IPAddress("fd00::1")!, mtu: 1400, advmss: 1340, priority: 100,
                table: 1000, scope: 0),
            Route(destination: CIDR("192.168.0.0/16")!),
        ],
        dns: DNS(nameservers: ["10.1.0.53"], domain: "example.org", search: ["a.example.org"], options: ["ndots:5"]))
}

/// What a call has left behind.
struct Answer {
    let status: Int32
    let output: [[UInt8]]
    let log: [String]

    var text: String { output.map { String(decoding: $0, as: UTF8.self) }.joined() }
    var json: JSON? { try? JSON(parsing: Array(text.utf8)) }
    /// The error object; nil where it is none.
    var error: CNIError? { json.flatMap { CNIError($0) } }

    subscript(key: String) -> JSON? {
        guard case .object(let object) = json else { return nil }
        return object[key]
    }
}

/// The variables of a call, with some changed; nil removes one.
func variables(_ command: String?, _ changes: [String: String?] = [:]) -> Environment {
    var all: [String: String?] = [
        "CNI_COMMAND": command, "CNI_CONTAINERID": "pod-1", "CNI_IFNAME": "eth0", "CNI_NETNS": "/nonexistent/netns",
        "CNI_PATH": "/nonexistent/bin",
    ]
    all.merge(changes) { $1 }
    return Environment(all.compactMap { name, value in value.map { "\(name)=\($0)" } }.sorted())
}

/// A configuration; `more` is text such as `,"key":1`.
func configuration(_ version: SpecVersion? = .latest, _ more: String = "") -> String {
    #"{\#(version.map { #""cniVersion":"\#($0.rawValue)","# } ?? "")"name":"net","type":"test"\#(more)}"#
}

/// Runs a call of the plugin "test" with made-up surroundings.
func call(
    _ plugin: any Plugin, _ command: String?, _ changes: [String: String?] = [:], _ input: String? = nil,
    inner: (any Plugin)? = nil, failingWrites: Bool = false
) -> Answer {
    call(plugin, variables(command, changes), input ?? configuration(), inner: inner, failingWrites: failingWrites)
}

func call(
    _ plugin: any Plugin, _ environment: Environment, _ input: String, inner: (any Plugin)? = nil,
    failingWrites: Bool = false
) -> Answer {
    let output = Mutex<[[UInt8]]>([])
    let log = Record()
    let failures = Mutex(failingWrites ? 1 : 0)
    ignoreBrokenPipes()
    let dispatcher =
        Dispatcher([PluginEntry("test", plugin)] + (inner.map { [PluginEntry("inner", $0)] } ?? []))
    let status = dispatcher.run(
        as: "test", environment,
        Dispatcher.Streams(
            read: { Array(input.utf8) },
            write: { (text) throws(CNIError) in
                let fails = failures.withLock { left in
                    defer { left -= 1 }
                    return left > 0
                }
                if fails { throw CNIError(.inputOutput, "write to standard output: Broken pipe") }
                output.withLock { $0.append(text) }
            },
            log: { log.append($0) }))
    return Answer(status: status, output: output.withLock { $0 }, log: log.all)
}

/// Once for the test process: its threads would otherwise switch SIGPIPE on and off under each other.
func ignoreBrokenPipes() { _ = brokenPipesAreIgnored }
private let brokenPipesAreIgnored: Bool = {
    signal(SIGPIPE, SIG_IGN)
    return true
}()

/// A directory of plugins that are shell scripts; each finds it in `$HERE`.
final class Scripts: Sendable {
    let directory: String

    init(_ scripts: [String: String] = [:]) throws {
        directory = NSTemporaryDirectory() + "cni-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for (name, body) in scripts {
            let path = directory + "/" + name
            // Written by a child: a descriptor open for writing, inherited by a child of another thread at a bad moment,
            // would make execve fail with ETXTBSY.
            let shell = Foundation.Process()
            shell.executableURL = URL(fileURLWithPath: "/bin/sh")
            shell.arguments = [
                "-c", #"printf '%s' "$1" >"$2" && chmod 755 "$2""#, "sh", "#!/bin/sh\nHERE=\(directory)\n\(body)\n",
                path,
            ]
            try shell.run()
            shell.waitUntilExit()
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// What a script has left in a file; empty where it has not.
    func file(_ name: String) -> String {
        (FileManager.default.contents(atPath: "\(directory)/\(name)")).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}

/// A plugin that hands everything on to the plugin "inner".
func delegating(to type: String = "inner") -> MadeUp {
    var plugin = MadeUp()
    plugin.onAdd = { request throws(CNIError) in try request.delegate(to: type) ?? CNIResult() }
    plugin.onOther = { request throws(CNIError) in try request.delegate(to: type) }
    return plugin
}
