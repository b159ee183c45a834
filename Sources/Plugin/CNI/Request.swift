internal import EventLog
public import Posix

/// One call to a plugin.
public struct Request: Sendable {
    /// The parameters from the environment: namespace, arguments, path.
    public let invocation: Invocation
    /// The configuration from standard input.
    public let configuration: Configuration
    let delegation: Delegation

    /// The container and interface; empty in GC and STATUS.
    public var attachment: Attachment { invocation.attachment }

    init(_ invocation: Invocation, _ configuration: Configuration, _ delegation: Delegation) {
        self.invocation = invocation
        self.configuration = configuration
        self.delegation = delegation
    }

    /// Runs the same command of another plugin, such as the IPAM plugin, with the same environment and configuration.
    ///
    /// If ADD of another program fails, this also runs its DEL (CNI spec 1.1.0, section 4) and then throws the error of ADD. A
    /// built-in plugin leaves nothing behind when its ADD fails. Its DEL is not run then, because it could only undo an earlier,
    /// successful ADD.
    /// - Returns: the delegate's result; nil for commands without one.
    @discardableResult
    public func delegate(to type: String) throws(Failure) -> CNIResult? {
        try delegation.run(type, self)
    }

    /// Runs the delegate's DEL, whatever the current command: to undo an ADD that failed after the delegate's ADD.
    public func undoDelegate(_ type: String) throws(Failure) {
        _ = try delegation.run(type, replacing(.del))
    }

    /// Writes a line for the operator on standard error, and in the log if there is one.
    public func log(_ message: String) {
        Log.note(.warning, "note", [("text", message)])
        if !Log.isOnStandardError { delegation.log(message) }
    }

    func replacing(_ command: Command) -> Request {
        Request(invocation.replacing(command), configuration, delegation)
    }

    /// The same request as a DEL, for a plugin whose `add` undoes its failure by its own `del`.
    var asDEL: Request { replacing(.del) }
}
