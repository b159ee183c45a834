import Foundation

/// A network configuration (CNI spec 1.1.0, section 1): a name, a version, and the plugins to run in order.
public struct NetworkList: Sendable {
    public var name: String
    /// The version of requests: the highest that both the file and this runtime know. Tests may set any.
    public var version: String
    /// All versions that the file allows (`cniVersion` and `cniVersions`).
    public var versions: [String]
    public var disableCheck: Bool
    public var disableGC: Bool
    /// The plugins' configuration objects as written in the file.
    public var plugins: [JSONValue]

    /// The versions that this runtime supports, oldest first.
    public static let supportedVersions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]

    /// Loads a list or a single plugin's configuration (`.conf`); the `plugins` key tells them apart.
    public static func load(file: String) throws -> NetworkList {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw RuntimeError.configuration(file: file, problem: "cannot be read")
        }
        return try NetworkList(parsing: Array(data), file: file)
    }

    public init(parsing bytes: [UInt8], file: String = "configuration") throws {
        func bad(_ problem: String) -> RuntimeError { .configuration(file: file, problem: problem) }

        let document: JSONValue
        do { document = try JSONValue(parsing: bytes) } catch { throw bad("is not JSON: \(error)") }
        guard let name = document["name"]?.string, !name.isEmpty else { throw bad("has no network name") }
        self.name = name
        guard let plugins = document["plugins"].map({ $0.array ?? [] }) ?? (document["type"] == nil ? nil : [document]),
            !plugins.isEmpty
        else { throw bad("has neither a list of plugins nor a type") }
        for plugin in plugins where plugin["type"]?.string?.isEmpty ?? true { throw bad("has a plugin without type") }
        self.plugins = plugins

        func flag(_ key: String) throws -> Bool {
            switch document[key] {
            case nil: return false
            case .bool(let value): return value
            case .string("true"): return true  // old files have strings here, and libcni accepts them
            case .string("false"): return false
            default: throw bad("\(key) is neither true nor false")
            }
        }
        disableCheck = try flag("disableCheck")
        disableGC = try flag("disableGC")

        // A configuration without a version has the first one.
        let listed = (document["cniVersions"]?.array ?? []).compactMap(\.string)
        let single = document["cniVersion"]?.string ?? (listed.isEmpty ? "0.1.0" : nil)
        versions = listed + (single.map { listed.contains($0) ? [] : [$0] } ?? [])
        version = ""
        try select(from: Self.supportedVersions)
    }

    /// Chooses the highest version that the file, this runtime and `others` (a plugin's VERSION) have in common.
    public mutating func select(from others: [String]) throws {
        let common = Self.supportedVersions.filter { versions.contains($0) && others.contains($0) }
        guard let highest = common.last else {
            throw RuntimeError.noSupportedVersion(network: name, versions: versions)
        }
        version = highest
    }

    /// Whether the chosen version is at least `other`; an unknown version counts as the newest.
    func isAtLeast(_ other: String) -> Bool {
        let order = Self.supportedVersions
        return (order.firstIndex(of: version) ?? order.count) >= (order.firstIndex(of: other) ?? order.count)
    }

    /// What a plugin reads from stdin ("Deriving request configuration from plugin configuration").
    func request(
        for plugin: JSONValue, runtimeConfig: [String: JSONValue] = [:], prevResult: JSONValue? = nil,
        inserting extra: [String: JSONValue] = [:]
    ) -> JSONValue {
        // Only the runtime may set keys under cni.dev/, never the file.
        var request = (plugin.object ?? [:]).filter { !$0.key.hasPrefix("cni.dev/") }
        let capabilities = request.removeValue(forKey: "capabilities")
        let wanted = runtimeConfig.filter { capabilities?[$0.key]?.bool == true }
        request["cniVersion"] = .string(version)
        request["name"] = .string(name)
        if !wanted.isEmpty { request["runtimeConfig"] = .object(wanted) }
        if let prevResult { request["prevResult"] = prevResult }
        request.merge(extra) { _, new in new }
        return .object(request)
    }
}
