public import JSON

/// An error as the runtime gets it: `{cniVersion, code, msg, details}` on standard output.
public struct CNIError: Error, Sendable, Hashable {
    /// What a runtime goes by.
    public var code: Code
    /// One line: what was attempted on what, and why it failed.
    public var message: String
    /// What a person can do about it, or what else is known; may be empty.
    public var details: String

    /// `CNIError(.storage, "write /run/x: No space left on device", details: "free some")`.
    public init(_ code: Code, _ message: String, details: String = "") {
        self.code = code
        self.message = message
        self.details = details
    }

    /// Error codes: those of the CNI spec 1.1.0 (section "Error", 1...99) and swiftlet's own (100 and up).
    public struct Code: RawRepresentable, Sendable, Hashable {
        public let rawValue: Int64

        /// A code of a plugin's own should be 100 or more.
        public init(rawValue: Int64) { self.rawValue = rawValue }

        /// 1: the configuration's cniVersion is not supported.
        public static let incompatibleVersion = Code(rawValue: 1)
        /// 2: a field of the configuration is not supported; the message names key and value.
        public static let unsupportedField = Code(rawValue: 2)
        /// 3: the container is unknown or gone; the runtime need not clean up.
        public static let unknownContainer = Code(rawValue: 3)
        /// 4: an environment variable is missing or malformed; the message names it.
        public static let invalidEnvironment = Code(rawValue: 4)
        /// 5: reading or writing a stream failed.
        public static let inputOutput = Code(rawValue: 5)
        /// 6: the configuration, or a delegate's result, could not be decoded.
        public static let decodingFailure = Code(rawValue: 6)
        /// 7: the configuration is well-formed but makes no sense; the message names key and value.
        public static let invalidConfiguration = Code(rawValue: 7)
        /// 8: the network namespace cannot be used (libcni's code, not in the spec).
        public static let invalidNamespace = Code(rawValue: 8)
        /// 11: a passing condition; the runtime should try again later.
        public static let tryAgainLater = Code(rawValue: 11)
        /// 50: the plugin is not available, that is, cannot serve ADD.
        public static let notAvailable = Code(rawValue: 50)
        /// 51: the plugin is not available, and existing containers may have limited connectivity.
        public static let limitedConnectivity = Code(rawValue: 51)
        /// 100: the kernel refused what the plugin asked of it.
        public static let kernel = Code(rawValue: 100)
        /// 101: the address store could not be read or written.
        public static let storage = Code(rawValue: 101)
        /// 102: no address is left, or the one asked for is not to be had.
        public static let addressNotAvailable = Code(rawValue: 102)
        /// 103: something of that name is there already.
        public static let conflict = Code(rawValue: 103)
        /// 104: CHECK found that something differs from what ADD set up.
        public static let checkFailed = Code(rawValue: 104)
        /// 999: a defect of the plugin itself (libcni's code).
        public static let `internal` = Code(rawValue: 999)
    }
}

extension CNIError: CustomStringConvertible {
    public var description: String { details.isEmpty ? message : "\(message) (\(details))" }
}

extension CNIError {
    /// The error object of the CNI spec 1.1.0, section "Error".
    public func json(version: SpecVersion) -> JSON {
        var object = JSON.Object()
        object["cniVersion"] = .string(version.rawValue)
        object["code"] = .integer(code.rawValue)
        object["msg"] = .string(message)
        if !details.isEmpty { object["details"] = .string(details) }
        return .object(object)
    }

    /// Reads an error object that another plugin printed, or nil where it is none.
    public init?(_ value: JSON) {
        let reader = JSONReader(value)
        guard let code = try? reader.member("code")?.integer(), code != 0 else { return nil }
        let text = { (key: String) in (try? reader.member(key)?.string()) ?? "" }
        self.init(Code(rawValue: code), text("msg"), details: text("details"))
    }

    /// The same error, with what was being done put before its message.
    public func during(_ attempt: String) -> CNIError {
        CNIError(code, "\(attempt): \(message)", details: details)
    }

    /// A value of the wrong type cannot be decoded (6); a wrong or missing one is an invalid configuration (7).
    public init(_ error: JSONTypeError) {
        self.init(error.kind == .type ? .decodingFailure : .invalidConfiguration, "\(error)")
    }

    init(_ error: JSONSyntaxError, in what: String) { self.init(.decodingFailure, "\(what) is not JSON: \(error)") }
}

/// An error of another layer that knows what it means to a runtime.
public protocol CNIErrorConvertible: Error {
    var cniError: CNIError { get }
}

extension JSONTypeError: CNIErrorConvertible {
    public var cniError: CNIError { CNIError(self) }
}

extension CNIError: CNIErrorConvertible {
    public var cniError: CNIError { self }

    /// Any error, as a runtime gets it.
    public init(wrapping error: any Error) {
        self = (error as? any CNIErrorConvertible)?.cniError ?? CNIError(.internal, "\(error)")
    }
}
