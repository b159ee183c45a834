public import Attachments
public import JSON
public import Posix

/// A plugin's configuration, as the runtime passes it on standard input (CNI spec 1.1.0, section 1).
public struct Configuration: Sendable {
    /// The size limit in octets; larger documents are refused.
    public static let maximumSize = 16 << 20

    /// The document as received; delegates get it unchanged.
    public let raw: [UInt8]
    /// The same document decoded, for keys that no ``ConfigurationKey`` covers; see ``decoding(_:)``.
    public let reader: JSONReader
    /// Its `cniVersion`, which results and errors also have.
    public let version: SpecVersion
    /// The network's name.
    public let name: String
    /// The plugin's type; empty if the runtime left it out.
    public let type: String

    /// - Throws: code 6 if it is not a JSON object, 1 for an unsupported version, 7 for an invalid name.
    public init(_ raw: [UInt8], supporting supported: [SpecVersion] = SpecVersion.allCases) throws(Failure) {
        let reader = try Configuration.decode(raw)
        try self.init(raw, reader, try Configuration.version(of: reader, supporting: supported))
    }

    /// Reads the rest of a document whose version is known already, so that errors use that version.
    init(_ raw: [UInt8], _ reader: JSONReader, _ version: SpecVersion) throws(Failure) {
        let name = try Configuration.text("name", in: reader) ?? ""
        guard !name.isEmpty else {
            throw Failure(.invalidConfiguration, "missing network name", details: "the configuration needs a \"name\"")
        }
        guard AttachmentName.isNetwork(name) else {
            throw Failure(
                .invalidConfiguration, "invalid characters found in network name \"\(name)\"",
                details: "name must match [a-zA-Z0-9][a-zA-Z0-9_.-]* and be at most "
                    + "\(AttachmentName.maximumNetworkLength) long")
        }
        self.name = name
        type = try Configuration.text("type", in: reader) ?? ""
        self.raw = raw
        self.reader = reader
        self.version = version
    }

    static func version(of reader: JSONReader, supporting supported: [SpecVersion]) throws(Failure) -> SpecVersion {
        try SpecVersion(decoding: Configuration.text("cniVersion", in: reader), supported: supported)
    }

    /// A document that must be an object, with any content.
    static func decode(_ raw: [UInt8]) throws(Failure) -> JSONReader {
        do throws(Failure) {
            let reader = JSONReader(try JSON(parsing: raw))
            guard case .object = reader.value else {
                throw Failure(.decodingFailure, "it must be an object, but is \(reader.value.kind)")
            }
            return reader
        } catch { throw error.during("the network configuration on standard input is not JSON") }
    }

    static func text(_ key: String, in reader: JSONReader) throws(Failure) -> String? {
        try reader.nonEmpty(key)
    }

    /// The result of an earlier plugin of the chain, or of ADD itself; nil if there is none.
    ///
    /// - Throws: code 1 or 6.
    public func previousResult() throws(Failure) -> CNIResult? {
        try decoding { (reader) throws(Failure) in try reader.member("prevResult") }
            .map { previous throws(Failure) in try CNIResult(previous, assuming: version) }
    }

    /// A value that the runtime provides for a capability that the configuration declares, such as `portMappings`; nil if absent.
    ///
    /// - Throws: code 6.
    public func runtimeConfiguration(_ key: String) throws(Failure) -> JSONReader? {
        try decoding { (reader) throws(Failure) in try reader.member("runtimeConfig")?.member(key) }
    }

    /// A value under `args.cni` (CNI conventions, "args"), such as `ips`; nil if absent.
    ///
    /// A plugin that finds it ignores the same key of `CNI_ARGS`.
    /// - Throws: code 6.
    public func conventionalArgument(_ key: String) throws(Failure) -> JSONReader? {
        try decoding { (reader) throws(Failure) in try reader.member("args")?.member("cni")?.member(key) }
    }

    /// Whether the configuration has this key.
    ///
    /// - Throws: code 6.
    public func hasKey(_ name: String) throws(Failure) -> Bool {
        try decoding { (reader) throws(Failure) in try reader.member(name) != nil }
    }

    /// The type of the IPAM plugin to delegate to; nil if there is none.
    public func ipamType() throws(Failure) -> String? {
        try decoding { (reader) throws(Failure) in try reader.member("ipam")?.nonEmpty("type") }
    }

    /// The `dns` object of the configuration, which replaces what IPAM returns; nil if the configuration sets nothing of it.
    ///
    /// A list that is given, even an empty one, is set, as for the reference plugins.
    public func dnsOverride() throws(Failure) -> CNIResult.DNS? {
        try decoding { (reader) throws(Failure) in
            guard let member = try reader.member("dns") else { return nil }
            let dns = try CNIResult.DNS(member)
            for list in ["nameservers", "search", "options"] where try member.member(list) != nil { return dns }
            return dns.isEmpty ? nil : dns
        }
    }

    /// The `dns` object of the configuration; empty if absent.
    public func dns() throws(Failure) -> CNIResult.DNS {
        try decoding { (reader) throws(Failure) in
            try reader.member("dns").map(CNIResult.DNS.init) ?? CNIResult.DNS()
        }
    }

    /// The attachments that GC must keep.
    ///
    /// - Throws: code 7 if the list is missing: an empty list means that all are stale, a missing list means nothing.
    public func validAttachments() throws(Failure) -> Set<Attachment> {
        try decoding { (reader) throws(Failure) in
            // libcni once used the shorter name (cni pull request 1103).
            let specified = try reader.member("cni.dev/valid-attachments")
            let other = try reader.member("cni.dev/attachments")
            guard let list = specified ?? other else { throw reader.missing("cni.dev/valid-attachments") }
            return Set(
                try list.elements().map { element throws(Failure) in
                    Attachment(
                        containerID: try element.required("containerID").string(),
                        ifname: try element.required("ifname").string())
                })
        }
    }

    /// Runs a decoder over the document; its errors have codes for the runtime: 6 for a wrong type, 7 for a wrong value.
    ///
    /// ```swift
    /// let ports = try configuration.decoding { reader throws(Failure) in
    ///     try reader.list("ports") { port throws(Failure) in try port.required("number").uint32() }
    /// }
    /// ```
    public func decoding<Value>(_ decode: (JSONReader) throws(Failure) -> Value) throws(Failure) -> Value {
        try decode(reader)
    }
}
