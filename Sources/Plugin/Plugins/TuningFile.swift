internal import Addresses
internal import Attachments
internal import CNI
internal import Files
internal import JSON
internal import Kernel
internal import Posix

/// The former values of an attachment's interface and namespace, kept in `DATADIR/CONTAINERID_IFNAME.json` until DEL.
///
/// The format is the reference's, so that a node can be switched with pods running, with additions: `sysctl`; `network`, which
/// identifies the owner for GC; and `namespace`, the inode number, which identifies leftovers of an earlier pod of the same name.
struct TuningFile {
    let directory: String
    let attachment: Attachment

    struct Content {
        var values: TuningValues
        /// Empty in the reference's files.
        var network: String
        /// 0 in the reference's files.
        var namespace: UInt64
    }

    /// Larger files are not read, in octets.
    private static let maximumSize = 8 << 20
    private static let maximumNames = 1 << 20
    /// The name of a file while it is being written.
    private static let unfinished = ".new"

    private var name: String { TuningFile.name(attachment) }

    private static func name(_ attachment: Attachment) -> String {
        "\(attachment.containerID)_\(attachment.ifname).json"
    }

    /// Nil if there is no complete file: then nothing has been changed.
    func read() -> Content? {
        guard let directory = try? FileDescriptor.open(directory, .directory) else { return nil }
        return TuningFile.read(name, in: directory, attachment.ifname)
    }

    private static func read(_ name: String, in directory: borrowing FileDescriptor, _ ifname: String) -> Content? {
        guard let text = try? directory.content(of: name, limit: maximumSize), let value = try? JSON(parsing: text)
        else { return nil }
        return try? Content(JSONReader(value), ifname: ifname)
    }

    /// Writes the file atomically.
    func write(_ content: Content) throws(Failure) {
        do throws(PathError) { try Directory.make(directory, mode: 0o700) } catch {
            throw Failure(
                .storage, "make directory \(error.path): \(error.errno)", details: "dataDir is \(directory)")
        }
        do throws(Errno) {
            let directory = try FileDescriptor.open(directory, .directory)
            try directory.write(content.json.serialized(), to: name, by: name + TuningFile.unfinished)
        } catch {
            throw Failure(.storage, "write \(directory)/\(name): \(error)", details: "dataDir says where")
        }
    }

    /// Removes the file; it is fine if there is none.
    func remove() throws(Failure) {
        do throws(Errno) {
            let directory = try FileDescriptor.open(directory, .directory)
            try? directory.unlink(name + TuningFile.unfinished)
            try directory.unlink(name)
        } catch {
            guard error != .noSuchFile else { return }
            throw Failure(.storage, "remove \(directory)/\(name): \(error)")
        }
    }

    /// Removes a network's files that belong to none of the attachments. The reference's files name no network: they
    /// stay until DEL or the next start of the node.
    static func collectGarbage(in path: String, network: String, keeping kept: Set<Attachment>) throws(Failure) {
        let kept = Set(kept.map(name))
        var cleanup = Cleanup()
        do throws(Errno) {
            let directory = try FileDescriptor.open(path, .directory)
            for name in try directory.names(limit: maximumNames) {
                let finished = name.hasSuffix(unfinished) ? String(name.dropLast(unfinished.count)) : name
                guard finished.hasSuffix(".json"), !kept.contains(finished),
                    read(name, in: directory, "")?.network == network
                else { continue }
                cleanup.attempt { () throws(Failure) in
                    do throws(Errno) { try directory.unlink(name) } catch {
                        throw Failure(.storage, "remove \(path)/\(name): \(error)")
                    }
                }
            }
        } catch {
            guard error != .noSuchFile else { return }
            throw Failure(.storage, "list \(path): \(error)")
        }
        try cleanup.finish()
    }
}

extension TuningFile.Content {
    fileprivate init(_ reader: JSONReader, ifname: String) throws(Failure) {
        values = TuningValues()
        values.mac = try reader.nonEmpty("mac").flatMap { MACAddress($0) }
        values.isPromiscuous = try reader.member("promisc")?.bool()
        // The reference omits values that are 0.
        values.mtu = try reader.member("mtu")?.uint32()
        values.isAllMulticast = try reader.member("allmulti")?.bool()
        values.txQueueLength = try reader.member("txQLen")?.uint32()
        for member in try reader.member("sysctl")?.object().members ?? [] {
            guard case .string(let value) = member.value else { continue }
            values.sysctls.append(.init(sysctl: try NetworkSysctl(member.key, ifname: ifname), value: value))
        }
        network = try reader.nonEmpty("network") ?? ""
        namespace = UInt64(clamping: try reader.member("namespace")?.integer() ?? 0)
    }

    fileprivate var json: JSON {
        var object = JSON.Object()
        object["mac"] = values.mac.map { .string("\($0)") }
        object["promisc"] = values.isPromiscuous.map { .bool($0) }
        object["mtu"] = values.mtu.map { .integer(Int64($0)) }
        object["allmulti"] = values.isAllMulticast.map { .bool($0) }
        object["txQLen"] = values.txQueueLength.map { .integer(Int64($0)) }
        if !values.sysctls.isEmpty {
            object["sysctl"] = .object(
                JSON.Object(values.sysctls.map { .init("net/\($0.sysctl.name)", .string($0.value)) }))
        }
        object["network"] = .string(network)
        object["namespace"] = .integer(Int64(clamping: namespace))
        return .object(object)
    }
}
