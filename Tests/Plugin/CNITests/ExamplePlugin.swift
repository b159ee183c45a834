// docs/writing-a-plugin.md shows what stands between the marks; a test holds the two equal.

// begin: plugin
import CNI
import Foundation

/// Leaves each pod's addresses in a file, `DIRECTORY/NETWORK/CONTAINERID:IFNAME`, for other programs to read.
///
/// A chained plugin: it stands behind the one that makes the interface, and hands on that one's result.
struct AddressFile: Plugin {
    static let directory = ConfigurationKey.text(
        "directory", default: "/run/pod-addresses", "where the files are")

    func add(_ request: Request) throws(CNIError) -> CNIResult {
        let result = try previousResult(request)
        let file = try path(request.attachment, request)
        do {
            try FileManager.default.createDirectory(atPath: folder(request), withIntermediateDirectories: true)
            try Data(content(result).utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
        } catch {
            throw CNIError(.storage, "write \(file): \(error)", details: "can \"directory\" be written?")
        }
        return result
    }

    func del(_ request: Request) throws(CNIError) {
        try remove(path(request.attachment, request))
    }

    func check(_ request: Request) throws(CNIError) {
        let file = try path(request.attachment, request)
        let expected = content(try previousResult(request))
        guard let found = FileManager.default.contents(atPath: file), found == Data(expected.utf8) else {
            throw CNIError(.checkFailed, "\(file) does not hold the pod's addresses")
        }
    }

    func gc(_ request: Request) throws(CNIError) {
        let folder = try folder(request)
        let valid = Set(try request.configuration.validAttachments().map(name))
        for stale in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where !valid.contains(stale) {
            request.log("remove \(folder)/\(stale), which belongs to no attachment")
            try remove("\(folder)/\(stale)")
        }
    }

    func status(_ request: Request) throws(CNIError) {
        let parent = try request.configuration[AddressFile.directory]
        guard FileManager.default.isWritableFile(atPath: parent) else {
            throw CNIError(
                .notAvailable, "\(parent) cannot be written", details: "make it, or name another \"directory\"")
        }
    }

    /// An earlier plugin must have set the interface up.
    private func previousResult(_ request: Request) throws(CNIError) -> CNIResult {
        guard let result = try request.configuration.previousResult() else {
            throw CNIError(.invalidConfiguration, "missing prevResult", details: "put this plugin behind another one")
        }
        return result
    }

    private func content(_ result: CNIResult) -> String {
        result.ips.map { "\($0.address)\n" }.joined()
    }

    private func folder(_ request: Request) throws(CNIError) -> String {
        "\(try request.configuration[AddressFile.directory])/\(request.configuration.name)"
    }

    /// A colon is in no container ID and in no interface name, so that no two attachments share a file.
    private func name(_ attachment: Attachment) -> String { "\(attachment.containerID):\(attachment.ifname)" }

    private func path(_ attachment: Attachment, _ request: Request) throws(CNIError) -> String {
        "\(try folder(request))/\(name(attachment))"
    }

    /// A file that is gone already is as good as removed: DEL may come twice.
    private func remove(_ file: String) throws(CNIError) {
        guard FileManager.default.fileExists(atPath: file) else { return }
        do { try FileManager.default.removeItem(atPath: file) } catch {
            throw CNIError(.storage, "remove \(file): \(error)")
        }
    }
}
// end: plugin

// begin: delegation
/// Adds a DNS server to what an IPAM plugin hands out.
struct NameServer: Plugin {
    static let server = ConfigurationKey.text("server", default: "10.0.0.53", "address of the DNS server")

    func add(_ request: Request) throws(CNIError) -> CNIResult {
        // An ADD that fails in there has left nothing when its error gets here.
        var result = try request.delegate(to: ipam(request)) ?? CNIResult()
        do throws(CNIError) {
            result.dns.nameservers.append(try request.configuration[NameServer.server])
        } catch {
            // But what fails after it is for us to undo.
            try? request.undoDelegate(ipam(request))
            throw error
        }
        return result
    }

    // The other verbs are handed on: the spec wants each of them to reach the delegate, and its error the runtime.
    func del(_ request: Request) throws(CNIError) { try request.delegate(to: ipam(request)) }
    func check(_ request: Request) throws(CNIError) { try request.delegate(to: ipam(request)) }
    func gc(_ request: Request) throws(CNIError) { try request.delegate(to: ipam(request)) }
    func status(_ request: Request) throws(CNIError) { try request.delegate(to: ipam(request)) }

    private func ipam(_ request: Request) throws(CNIError) -> String {
        guard let type = try request.configuration.ipamType() else {
            throw CNIError(.invalidConfiguration, "ipam.type is missing")
        }
        return type
    }
}
// end: delegation
