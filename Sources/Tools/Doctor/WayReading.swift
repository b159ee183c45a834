internal import Addresses
internal import Files
internal import Inventory
internal import Kernel
internal import NetlinkCodec
internal import Posix

extension Facts {
    /// Asks the kernel how it routes packets of pods, and compares that with the main table. Asking sends nothing.
    mutating func readDiversions(_ examination: Examination) {
        let snapshot = examination.snapshot
        let names = Dictionary(snapshot.interfaces.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
        diversions = noting([]) { () throws(Failure) in
            var socket = try NetlinkSocket()
            var found: [Diversion] = []
            for family in IPFamily.allCases {
                // The kernel's own: local, main and default, and one for VRFs.
                let rules = try socket.rules(family).filter { rule in
                    ![nil, 0, 32766, 32767].contains(rule.priority)
                }.sorted { ($0.priority ?? 0) < ($1.priority ?? 0) }
                guard !rules.isEmpty else { continue }
                for network in examination.routed {
                    guard let pod = network.pods.first(where: { $0.addresses.contains { $0.family == family } }),
                        let address = pod.addresses.first(where: { $0.family == family })?.address,
                        let link = (pod.bridge ?? pod.hostInterface).flatMap({ snapshot.interface($0) })
                    else { continue }
                    let away = IPAddress(family == .v4 ? "1.1.1.1" : "2606:4700:4700::1111")!
                    var out = RouteQuestion(to: away, from: address)
                    out.inputInterface = link.index
                    for (what, question, expected) in [
                        ("what its pods send", out, examination.route(to: away)?.interface),
                        ("what is for its pods", RouteQuestion(to: address), examination.route(to: address)?.interface),
                    ] {
                        guard let expected else { continue }
                        let answer = Facts.answer(question, names, &socket)
                        guard answer != expected else { continue }
                        let isAway = question == out
                        let suspects = rules.filter { rule in
                            rule.source.map { $0.contains(address) } ?? rule.hasOtherConditions || !isAway
                        }
                        let rule = suspects.first { $0.source != nil || !isAway } ?? suspects.first
                        found.append(
                            Diversion(
                                network: network.name, what: "\(family.title): \(what)",
                                expected: "it would leave by \(expected)",
                                found: answer.map { "leaves by \($0)" } ?? "is rejected",
                                rule: rule.map {
                                    "\(family == .v4 ? "ip" : "ip -6") rule del priority \($0.priority ?? 0)"
                                },
                                isHarmful: answer == nil || !isAway || rule?.source != nil))
                    }
                }
            }
            return found
        }
    }

    /// The interface by which the packet leaves; nil if it is rejected.
    private static func answer(
        _ question: RouteQuestion, _ names: [UInt32: String], _ socket: inout NetlinkSocket
    ) -> String? {
        guard let answer = try? socket.route(question), answer.type == RouteAnswer.unicast else { return nil }
        return names[answer.interface]
    }

    /// The file systems of the stores, and of what is recorded of packet rules; each once.
    mutating func readSpace(_ directories: [String]) {
        var seen: Set<UInt64> = []
        for directory in Set(directories + ["/run"]).sorted() {
            // A directory that is not there yet will be made in the nearest one that is.
            var path = directory
            while !path.isEmpty, (try? FileStatus.of(path)) == nil {
                path = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
            }
            path = path.isEmpty ? "/" : path
            guard let status = try? FileStatus.of(path), seen.insert(status.device).inserted,
                let space = try? DiskSpace.of(path)
            else { continue }
            self.space[directory] = space
        }
    }

    /// Sockets of this node that wait for clients; those on a port that some pod has, with their program.
    mutating func readListeners(_ snapshot: Snapshot) {
        let ports = snapshot.attachments.flatMap { $0.ports }
        guard !ports.isEmpty else { return }
        for (transport, state) in [("tcp", "0A"), ("udp", "07")] {
            for (family, suffix) in [(IPFamily.v4, ""), (.v6, "6")] {
                guard let content = try? File.content("/proc/thread-self/net/\(transport)\(suffix)", limit: 64 << 20)
                else { continue }
                for line in String(decoding: content, as: UTF8.self).split(separator: "\n").dropFirst() {
                    guard let (listener, inode) = Facts.listener(line, transport, state, family),
                        ports.contains(where: { listener.isReached(by: $0) })
                    else { continue }
                    listeners.append(listener)
                    listeners[listeners.count - 1].program = Facts.program(holding: inode)
                }
            }
        }
    }

    /// A line of proc_pid_net(5): `sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode`.
    static func listener(
        _ line: Substring, _ transport: String, _ state: String, _ family: IPFamily
    ) -> (NodeListener, inode: Substring)? {
        let fields = line.split(separator: " ")
        guard fields.count > 9, fields[3] == state else { return nil }
        let ends = fields[1].split(separator: ":")
        guard ends.count == 2, let port = UInt16(ends[1], radix: 16), ends[0].count == family.byteWidth * 2 else {
            return nil
        }
        // Words of four octets in the machine's order.
        var bytes: [UInt8] = []
        var rest = ends[0]
        while !rest.isEmpty {
            guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
            bytes += octets(word)
            rest = rest.dropFirst(8)
        }
        guard let address = IPAddress(bytes: bytes[...]) else { return nil }
        return (NodeListener(transport, address.unmapped, port), fields[9])
    }

    private static func octets(_ word: UInt32) -> [UInt8] {
        let little = word.littleEndian
        return [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: little >> $0) }
    }

    /// The process that has the socket; nil if none was found.
    private static func program(holding inode: Substring) -> String? {
        let processes = (try? Directory.names("/proc"))?.filter { $0.allSatisfy { $0.isNumber } } ?? []
        for process in processes {
            guard let directory = try? FileDescriptor.open("/proc/\(process)/fd", [.readOnly, .directory]),
                let names = try? Directory.names("/proc/\(process)/fd")
            else { continue }
            for name in names where (try? directory.readSymbolicLink(name)) == "socket:[\(inode)]" {
                let comm = (try? File.content("/proc/\(process)/comm")).map { String(decoding: $0, as: UTF8.self) }
                return "\(comm?.split(separator: "\n").first.map(String.init) ?? "process") (\(process))"
            }
        }
        return nil
    }
}
