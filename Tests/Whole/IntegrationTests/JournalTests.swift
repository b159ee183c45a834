import ContainerRuntime
import Foundation
import Testing

/// What goes to systemd's journal has a field for each thing that people look for.
@Suite(.realKernel) struct JournalTests {
    /// Puts a directory of ours in the place of systemd's, for the plugin alone.
    static let script =
        #"mkdir -p "$0/old" && mount --rbind /run "$0/old" && mount -t tmpfs none /run && mkdir /run/systemd /run/netns "#
        + #"/run/swiftlet && mount --rbind "$0/old/netns" /run/netns && mount --bind "$0/systemd" /run/systemd && exec "$@""#

    /// A journal, as far as the plugin sees: a socket that datagrams come to.
    final class Journal {
        private let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)

        init(on node: Node) throws {
            let directory = node.directory + "/systemd/journal"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let path = Array("\(directory)/socket".utf8)
            try #require(socket >= 0 && path.count < 108)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
            let length = socklen_t(MemoryLayout<sockaddr_un>.size)
            let bound = withUnsafePointer(to: address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, length) }
            }
            guard bound == 0 else { throw CommandError.system("bind") }
            var patience = timeval(tv_sec: 10, tv_usec: 0)
            setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        }

        /// The entries up to one of that event. Read while the plugin writes: few of them fit into a socket's queue.
        func entries<Value>(
            until event: String, of body: @escaping @Sendable () throws -> Value
        ) throws -> [[String: String]] {
            let socket = socket
            let results = inParallel(2) { lane -> [[String: String]] in
                guard lane == 0 else {
                    _ = try? body()
                    return []
                }
                var entries: [[String: String]] = []
                var buffer = [UInt8](repeating: 0, count: 65536)
                while entries.last?["SWIFTLET_EVENT"] != event {
                    let count = recv(socket, &buffer, buffer.count, 0)
                    guard count > 0 else { throw CommandError.system("receive an entry") }
                    entries.append(try JournalTests.fields(buffer[..<count]))
                }
                return entries
            }
            return try results[0].get()
        }

        deinit { close(socket) }
    }

    /// Takes an entry apart as the protocol says.
    static func fields(_ entry: ArraySlice<UInt8>) throws -> [String: String] {
        var fields: [String: String] = [:]
        var rest = entry
        while let end = rest.firstIndex(of: 10) {
            let line = rest[rest.startIndex..<end]
            rest = rest[(end + 1)...]
            if let equals = line.firstIndex(of: UInt8(ascii: "=")) {
                fields[String(decoding: line[..<equals], as: UTF8.self)] =
                    String(decoding: line[(equals + 1)...], as: UTF8.self)
            } else {
                let count = rest.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
                fields[String(decoding: line, as: UTF8.self)] =
                    String(decoding: rest.dropFirst(8).prefix(count), as: UTF8.self)
                rest = rest.dropFirst(8 + count + 1)
            }
        }
        try #require(rest.isEmpty)
        return fields
    }

    @Test func anEntryHasItsOwnerAndItsWeightAsFields() throws {
        let node = try Node()
        let pod = try node.pod()
        let journal = try Journal(on: node)
        let runtime = node.runtime(wrapper: ["unshare", "--mount", "sh", "-c", Self.script, node.directory])
        let list = try node.network(node.swiftlet(["subnet": "10.44.0.0/24", "log": "journal"]))
        let attachment = pod.attachment
        let entries = try journal.entries(until: "end") { try runtime.add(list, attachment) }
        let first = try #require(entries.first)
        #expect(first["SYSLOG_IDENTIFIER"] == "swiftlet" && first["PRIORITY"] == "6")
        #expect(first["SWIFTLET_VERB"] == "ADD" && first["SWIFTLET_NETWORK"] == "net")
        #expect(first["SWIFTLET_CONTAINER"] == pod.id && first["SWIFTLET_IFNAME"] == "eth0")
        #expect(
            first["MESSAGE"] == "verb=ADD plugin=swiftlet network=net container=\(pod.id) ifname=eth0 event=begin "
                + "netns=\(pod.path)")
        #expect(entries.last?["SWIFTLET_EVENT"] == "end" && entries.last?["SWIFTLET_ADDRESSES"] == "10.44.0.2/24")
        let failed = try journal.entries(until: "failed") { try runtime.add(list, attachment) }
        #expect(failed.last?["PRIORITY"] == "3")
    }

    @Test func aNameCannotBeginAFieldOfItsOwn() throws {
        let node = try Node()
        let pod = try node.pod()
        let journal = try Journal(on: node)
        var environment = pod.environment("ADD")
        environment["SWIFTLET_LOG"] = "journal"
        environment["CNI_CONTAINERID"] = "x\nPRIORITY=0\nSWIFTLET_EVENT=forged"
        let variables = environment
        let entries = try journal.entries(until: "failed") { [node] in
            try node.call(
                variables, stdin: #"{"cniVersion":"1.1.0","name":"net","type":"swiftlet"}"#,
                wrapper: ["unshare", "--mount", "sh", "-c", Self.script, node.directory])
        }
        let entry = try #require(entries.last)
        #expect(entry["SWIFTLET_CONTAINER"] == environment["CNI_CONTAINERID"] && entry["SWIFTLET_EVENT"] == "failed")
        #expect(entry["PRIORITY"] == "3")
    }
}
