/// Why an operation failed: what was attempted on what, the reason, and what a person can do about it.
///
/// The only error type above the system calls, so that code that undoes, repeats or reports an operation need not know in which
/// layer it failed.
public struct Failure: Error, Sendable, Hashable {
    /// The kind of cause.
    public var kind: Kind
    /// One line: what was attempted on what, and why it failed.
    public var message: String
    /// What a person can do about it, or what else is known; may be empty.
    public var details: String
    /// The message without text from a configuration or an argument; nil if the message contains none. For logs, which more
    /// people read than the runtime's answers.
    public var discreetMessage: String?
    /// The kernel's error number, if the kernel refused something.
    public var errno: Errno?
    /// Which of several changes sent together was refused, if it had a tag.
    public var change: ChangeTag?
    /// Whether the kernel's answer was lost, so that the outcome is unknown.
    public var isAnswerLost = false

    /// `Failure(.storage, "write /run/x: No space left on device", details: "free some")`.
    public init(_ kind: Kind, _ message: String, details: String = "", errno: Errno? = nil) {
        self.kind = kind
        self.message = message
        self.details = details
        self.errno = errno
    }

    /// The kernel refused something.
    ///
    /// - Parameters:
    ///   - attempt: such as `add address 10.1.0.5/16 to eth0 in /run/netns/a`.
    ///   - kernelText: the kernel's error text, from extended acknowledgements.
    ///   - change: the tag of the change that was refused.
    public init(
        _ attempt: String, _ errno: Errno, kernelText: String? = nil, details: String = "", change: ChangeTag? = nil,
        isAnswerLost: Bool = false
    ) {
        self.init(
            .kernel, "\(attempt): \(errno)" + (kernelText.map { ": \($0)" } ?? ""), details: details, errno: errno)
        self.change = change
        self.isAnswerLost = isAnswerLost
    }

    /// Kinds of causes, as the failing code can distinguish them. Their numbers belong to the protocol that reports them.
    public enum Kind: Sendable, Hashable {
        /// The kernel refused a request.
        case kernel
        /// State files could not be read or written.
        case storage
        /// A stream could not be read or written, or another program failed to do its part.
        case inputOutput
        /// No address is left, or the requested one is not available.
        case addressNotAvailable
        /// Someone else has what was asked for, or something of that name exists already.
        case conflict
        /// A passing condition: the same may succeed later.
        case tryAgainLater
        /// The input does not have the expected form.
        case decodingFailure
        /// A well-formed configuration that makes no sense; the message names key and value.
        case invalidConfiguration
        /// Something no longer matches its setup.
        case checkFailed
        /// A defect of the program itself.
        case `internal`
        /// A kind known only to a higher layer, with its own number.
        case numbered(Int64)
    }

    /// The same error with the attempted operation put before its message.
    public func during(_ attempt: String) -> Failure {
        var copy = self
        copy.message = "\(attempt): \(message)"
        copy.discreetMessage = discreetMessage.map { "\(attempt): \($0)" }
        return copy
    }

    /// The same error, whose message contains confidential text; logs get `discreetMessage` instead.
    public func showingLogs(only discreetMessage: String) -> Failure {
        var copy = self
        copy.discreetMessage = discreetMessage
        return copy
    }

    /// The same error with advice on what to do about it.
    public func advising(_ details: String) -> Failure {
        var copy = self
        copy.details = details
        return copy
    }
}

extension Failure: CustomStringConvertible {
    public var description: String { details.isEmpty ? message : "\(message) (\(details))" }
}

/// Distinguishes changes that are sent together; the error carries the tag of the refused one.
public struct ChangeTag: Sendable, Hashable {
    private let number: UInt8

    /// - Parameter number: any number that differs among the changes sent together.
    public init(_ number: UInt8) { self.number = number }
}

/// Runs a system call and puts its purpose into the error.
public func attempting<Value: ~Copyable>(
    _ attempt: @autoclosure () -> String, details: @autoclosure () -> String = "",
    _ body: () throws(Errno) -> Value
) throws(Failure) -> Value {
    do throws(Errno) { return try body() } catch { throw Failure(attempt(), error, details: details()) }
}

/// The same for state files.
public func storing<Value: ~Copyable>(
    _ attempt: @autoclosure () -> String, _ body: () throws(Errno) -> Value
) throws(Failure) -> Value {
    do throws(Errno) { return try body() } catch { throw Failure(.storage, "\(attempt()): \(error)", errno: error) }
}
