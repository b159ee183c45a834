/// Why something could not be done: what was attempted on what, the reason, and what a person can do about it.
///
/// The one error of everything above the system calls, so that whoever undoes, repeats or reports something need not
/// know in which layer it failed.
public struct Failure: Error, Sendable, Hashable {
    /// What a runtime goes by.
    public var code: Code
    /// One line: what was attempted on what, and why it failed.
    public var message: String
    /// What a person can do about it, or what else is known; may be empty.
    public var details: String
    /// The message without what somebody has written into a configuration or an argument; nil where it shows nothing of
    /// that. For logs, which more people read than the runtime's answers.
    public var discreetMessage: String?
    /// Where the kernel refused something: its number for why.
    public var errno: Errno?
    /// Which of several changes sent together was refused, from 0.
    public var step = 0
    /// Whether the kernel's answer never came, so that nobody knows what has been done.
    public var isAnswerLost = false

    /// `Failure(.storage, "write /run/x: No space left on device", details: "free some")`.
    public init(_ code: Code, _ message: String, details: String = "", errno: Errno? = nil) {
        self.code = code
        self.message = message
        self.details = details
        self.errno = errno
    }

    /// The kernel refused something.
    ///
    /// - Parameters:
    ///   - attempt: such as `add address 10.1.0.5/16 to eth0 in /run/netns/a`.
    ///   - kernelText: the kernel's own words, from extended acknowledgements.
    public init(
        _ attempt: String, _ errno: Errno, kernelText: String? = nil, details: String = "", step: Int = 0,
        isAnswerLost: Bool = false
    ) {
        let permission = errno == .notPermitted ? "the plugin needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN)" : ""
        self.init(
            .kernel, "\(attempt): \(errno)" + (kernelText.map { ": \($0)" } ?? ""),
            details: details.isEmpty ? permission : details, errno: errno)
        self.step = step
        self.isAnswerLost = isAnswerLost
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

    /// The same error, with what was being done put before its message.
    public func during(_ attempt: String) -> Failure {
        var copy = self
        copy.message = "\(attempt): \(message)"
        copy.discreetMessage = discreetMessage.map { "\(attempt): \($0)" }
        return copy
    }

    /// The same error, whose message shows what is nobody else's business: that is what logs get to see of it.
    public func showingLogs(only discreetMessage: String) -> Failure {
        var copy = self
        copy.discreetMessage = discreetMessage
        return copy
    }

    /// The same error, as something else to a runtime.
    public func coded(_ code: Code) -> Failure {
        var copy = self
        copy.code = code
        return copy
    }

    /// The same error, with what can be done about it.
    public func advising(_ details: String) -> Failure {
        var copy = self
        copy.details = details
        return copy
    }
}

extension Failure: CustomStringConvertible {
    public var description: String { details.isEmpty ? message : "\(message) (\(details))" }
}

/// Runs a system call and says in its error what it was for.
public func attempting<Value: ~Copyable>(
    _ attempt: @autoclosure () -> String, details: @autoclosure () -> String = "",
    _ body: () throws(Errno) -> Value
) throws(Failure) -> Value {
    do throws(Errno) { return try body() } catch { throw Failure(attempt(), error, details: details()) }
}

/// The same for files that state is kept in: code 101.
public func storing<Value: ~Copyable>(
    _ attempt: @autoclosure () -> String, _ body: () throws(Errno) -> Value
) throws(Failure) -> Value {
    do throws(Errno) { return try body() } catch { throw Failure(.storage, "\(attempt()): \(error)", errno: error) }
}
