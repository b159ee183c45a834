public import JSON
public import Posix

/// An error in the form for the runtime: `{cniVersion, code, msg, details}` on standard output.
public typealias CNIError = Failure

extension Failure {
    /// The error object of the CNI spec 1.1.0, section "Error".
    public func json(version: SpecVersion) -> JSON {
        var object = JSON.Object()
        object["cniVersion"] = .string(version.rawValue)
        object["code"] = .integer(code.rawValue)
        object["msg"] = .string(message)
        let details = advised.details
        if !details.isEmpty { object["details"] = .string(details) }
        return .object(object)
    }

    /// Reads an error object that another plugin printed; nil if it is not one. Its code is kept, known or not.
    public init?(_ value: JSON) {
        let reader = JSONReader(value)
        guard let code = try? reader.member("code")?.integer(), code != 0 else { return nil }
        let text = { (key: String) in (try? reader.member(key)?.string()) ?? "" }
        self.init(Code(rawValue: code), text("msg"), details: text("details"))
    }

    /// The same error with advice if it had none: what the kernel's error number means for a plugin.
    public var advised: Failure {
        guard details.isEmpty, errno == .notPermitted, kind != .storage else { return self }
        return advising("the plugin needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN)")
    }
}
