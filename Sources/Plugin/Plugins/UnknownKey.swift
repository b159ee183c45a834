public import JSON

/// An object member that its reader does not know.
public struct UnknownKey: Sendable {
    /// As written in the configuration.
    public let key: String
    /// The path including the key, such as `routes[0].gateway`.
    public let path: String
    public let value: JSON
    /// The keys that the object may have.
    public let known: [String]

    /// Keys with a slash belong to others (`cni.dev/...`), and those with a leading underscore are remarks. An empty
    /// list or object asks for nothing.
    static func all(in reader: JSONReader, known: [String]) -> [UnknownKey] {
        guard case .object(let object) = reader.value else { return [] }
        var unknown: [UnknownKey] = []
        for member in object.members where !member.key.contains("/") && !member.key.hasPrefix("_") {
            if [JSON.array([]), .object(JSON.Object()), .null].contains(member.value) { continue }
            guard !known.contains(where: { JSON.Object.equalIgnoringASCIICase($0, member.key) }) else { continue }
            let path = reader.path.isEmpty ? member.key : "\(reader.path).\(member.key)"
            unknown.append(UnknownKey(key: member.key, path: path, value: member.value, known: known))
        }
        return unknown
    }
}
