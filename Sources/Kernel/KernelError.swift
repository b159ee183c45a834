public import Posix

/// The kernel refused something: what was attempted on what, the error number, and the kernel's own words.
public struct KernelError: Error, Sendable, CustomStringConvertible {
    /// Such as `add address 10.1.0.5/16 to eth0 in /run/netns/a`.
    public let attempt: String
    public let errno: Errno
    /// From extended acknowledgements; nil where the kernel said nothing.
    public let kernelText: String?
    /// What a person can do about it; empty where nobody knows.
    public let advice: String
    /// Which of several changes sent together it was, from 0.
    public let step: Int
    /// Whether the kernel's answer never came, so that nobody knows what has been done.
    public let isAnswerLost: Bool

    public init(
        _ attempt: String, _ errno: Errno, kernelText: String? = nil, advice: String = "", step: Int = 0,
        isAnswerLost: Bool = false
    ) {
        self.isAnswerLost = isAnswerLost
        self.step = step
        self.attempt = attempt
        self.errno = errno
        self.kernelText = kernelText
        self.advice = advice
    }

    /// What was attempted, and why it failed.
    public var summary: String { "\(attempt): \(errno)" + (kernelText.map { ": \($0)" } ?? "") }

    /// The summary, and what can be done about it.
    public var description: String { advice.isEmpty ? summary : "\(summary) (\(advice))" }
}

/// Runs a system call and says in its error what it was for.
func attempting<Value: ~Copyable>(
    _ attempt: @autoclosure () -> String, advice: @autoclosure () -> String = "",
    _ body: () throws(Errno) -> Value
) throws(KernelError) -> Value {
    do throws(Errno) { return try body() } catch { throw KernelError(attempt(), error, advice: advice()) }
}
