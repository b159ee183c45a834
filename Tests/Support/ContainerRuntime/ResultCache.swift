import Foundation

/// Final results of ADDs, one file each: CHECK and DEL need them (CNI spec 1.1.0, section 3).
struct ResultCache: Sendable {
    var directory: String

    func store(_ result: JSONValue, network: String, _ attachment: Attachment) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let file = path(network, attachment)
        // Atomic: after a crash of the runtime, the file has either the old result or the new one.
        try Data(result.bytes).write(to: URL(fileURLWithPath: file), options: .atomic)
    }

    func load(network: String, _ attachment: Attachment) throws -> JSONValue? {
        guard let data = FileManager.default.contents(atPath: path(network, attachment)) else { return nil }
        return try JSONValue(parsing: Array(data))
    }

    func remove(network: String, _ attachment: Attachment) {
        unlink(path(network, attachment))
    }

    /// The parts are escaped, because tests use names that are not valid file names, and so never contain the separator.
    private func path(_ network: String, _ attachment: Attachment) -> String {
        let plain = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
        let parts = [network, attachment.containerID, attachment.ifname].map {
            $0.addingPercentEncoding(withAllowedCharacters: plain) ?? ""
        }
        return directory + "/" + parts.joined(separator: "@") + ".json"
    }
}
