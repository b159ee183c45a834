/// Why something could not be done: what was attempted on what, the reason, and what a person can do about it.
///
/// The one error of everything above the system calls, so that whoever undoes, repeats or reports something need not
/// know in which layer it failed.
public struct Failure: Error, Sendable, Hashable {
    /// What kind of cause it has.
    public var kind: Kind
    /// One line: what was attempted on what, and why it failed.
    public var message: String
    /// What a person can do about it, or what else is known; may be empty.
    public var details: String
    /// The message without what somebody has written into a configuration or an argument; nil where it shows nothing of
    /// that. For logs, which more people read than the runtime's answers.
    public var discreetMessage: String?
    /// Where the kernel refused something: its number for why.
    public var errno: Errno?
    /// Which of several changes sent together was refused, if that one had a tag.
    public var change: ChangeTag?
    /// Whether the kernel's answer never came, so that nobody knows what has been done.
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
    ///   - kernelText: the kernel's own words, from extended acknowledgements.
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

    /// Kinds of causes, as whoever fails can tell them apart. Which numbers they have in a protocol is for those who speak it.
    public enum Kind: Sendable, Hashable {
        /// The kernel refused what was asked of it.
        case kernel
        /// Files that state is kept in could not be read or written.
        case storage
        /// A stream could not be read or written, or another program did not do its part.
        case inputOutput
        /// No address is left, or the one asked for is not to be had.
        case addressNotAvailable
        /// Somebody else has what was asked for, or something of that name is there already.
        case conflict
        /// A passing condition: the same may succeed later.
        case tryAgainLater
        /// What was read has not the form that it should have.
        case decodingFailure
        /// A configuration is well-formed but makes no sense; the message names key and value.
        case invalidConfiguration
        /// Something is no longer as it was set up.
        case checkFailed
        /// A defect of the program itself.
        case `internal`
        /// A kind that only a layer above knows, by a number of its own.
        case numbered(Int64)
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

/// Tells a change apart from others that are sent together with it, in the error that says which was refused.
public struct ChangeTag: Sendable, Hashable {
    private let number: UInt8

    /// - Parameter number: any; one that differs among the changes that are sent together.
    public init(_ number: UInt8) { self.number = number }
}

/// Runs a system call and says in its error what it was for.
public func attempting<Value: ~Copyable>(
    _ attempt: @autoclosure () -> String, details: @autoclosure () -> String = "",
    _ body: () throws(Errno) -> Value
) throws(Failure) -> Value {
    do throws(Errno) { return try body() } catch { throw Failure(attempt(), error, details: details()) }
}

/// The same for files that state is kept in.
public func storing<Value: ~Copyable>(
    _ attempt: @autoclosure () -> String, _ body: () throws(Errno) -> Value
) throws(Failure) -> Value {
    do throws(Errno) { return try body() } catch { throw Failure(.storage, "\(attempt()): \(error)", errno: error) }
}
