internal import CKernel

/// A POSIX extended regular expression, compiled by regcomp(3). It matches anywhere in a text unless anchored.
@safe
public struct RegularExpression: ~Copyable {
    private let compiled: UnsafeMutablePointer<regex_t>

    /// The text of regerror(3) for an invalid pattern.
    public struct SyntaxError: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    public init(_ pattern: String) throws(SyntaxError) {
        let compiled = UnsafeMutablePointer<regex_t>.allocate(capacity: 1)
        let status = unsafe regcomp(compiled, pattern, REG_EXTENDED | REG_NOSUB)
        guard status == 0 else {
            var text = [CChar](repeating: 0, count: 256)
            _ = unsafe regerror(status, compiled, &text, text.count)
            unsafe compiled.deallocate()
            let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw SyntaxError(description: String(decoding: bytes, as: UTF8.self))
        }
        unsafe self.compiled = unsafe compiled
    }

    deinit {
        unsafe regfree(compiled)
        unsafe compiled.deallocate()
    }

    public func matches(_ text: String) -> Bool { unsafe regexec(compiled, text, 0, nil, 0) == 0 }
}
