public import Attachments
public import JSON
public import Posix

/// A plugin's configuration as the runtime hands it over on standard input (CNI spec 1.1.0, section 1).
public struct Configuration: Sendable {
    /// Larger documents are refused, in octets.
    public static let maximumSize = 16 << 20

    /// The document as it came in: what a delegate gets.
    public let raw: [UInt8]
    /// The same document decoded, for keys that no ``ConfigurationKey`` covers; see ``decoding(_:)``.
    public let reader: JSONReader
    /// Its `cniVersion`: that of the result and of errors, too.
    public let version: SpecVersion
    /// The network's name.
    public let name: String
    /// The plugin's type; empty where the runtime left it out.
    public let type: String

    /// - Throws: code 6 for what is no JSON object, 1 for a version that is not supported, 7 for a bad name.
    public init(_ raw: [UInt8], supporting supported: [SpecVersion] = SpecVersion.allCases) throws(Failure) {
        let reader = try Configuration.decode(raw)
        try self.init(raw, reader, try Configuration.version(of: reader, supporting: supported))
    }

    /// The rest of a document whose version is known already: errors from here on are told in that version.
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

    /// A document that must be an object, whatever is in it.
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

    /// What an earlier plugin of the chain, or ADD itself, has returned; nil where there is none.
    ///
    /// - Throws: code 1 or 6.
    public func previousResult() throws(Failure) -> CNIResult? {
        try decoding { (reader) throws(Failure) in try reader.member("prevResult") }
            .map { previous throws(Failure) in try CNIResult(previous, assuming: version) }
    }

    /// A value that the runtime fills in for a capability that the configuration declares, such as `portMappings`; nil
    /// where there is none.
    ///
    /// - Throws: code 6.
    public func runtimeConfiguration(_ key: String) throws(Failure) -> JSONReader? {
        try decoding { (reader) throws(Failure) in try reader.member("runtimeConfig")?.member(key) }
    }

    /// A value under `args.cni` (CNI conventions, "args"), such as `ips`; nil where there is none.
    ///
    /// A plugin that reads it ignores the same key of `CNI_ARGS` then.
    /// - Throws: code 6.
    public func conventionalArgument(_ key: String) throws(Failure) -> JSONReader? {
        try decoding { (reader) throws(Failure) in try reader.member("args")?.member("cni")?.member(key) }
    }

    /// Whether the configuration says anything of a key.
    ///
    /// - Throws: code 6.
    public func hasKey(_ name: String) throws(Failure) -> Bool {
        try decoding { (reader) throws(Failure) in try reader.member(name) != nil }
    }

    /// The type of the IPAM plugin to delegate to; nil where there is none.
    public func ipamType() throws(Failure) -> String? {
        try decoding { (reader) throws(Failure) in try reader.member("ipam")?.nonEmpty("type") }
    }

    /// The `dns` object of the configuration; empty where there is none.
    public func dns() throws(Failure) -> CNIResult.DNS {
        try decoding { (reader) throws(Failure) in
            try reader.member("dns").map(CNIResult.DNS.init) ?? CNIResult.DNS()
        }
    }

    /// The attachments that GC must keep.
    ///
    /// - Throws: code 7 when the list is missing: an empty list says that all are stale, no list says nothing.
    public func validAttachments() throws(Failure) -> Set<Attachment> {
        try decoding { (reader) throws(Failure) in
            // libcni once wrote it under the shorter name (cni pull request 1103).
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

    /// Runs a decoder over the document, with its error as the runtime gets it: code 6 for a wrong type, 7 for a value.
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
