internal import Logging
public import Posix

/// One call of a plugin.
public struct Request: Sendable {
    /// What the runtime says by environment: namespace, arguments, path.
    public let invocation: Invocation
    /// What it says on standard input.
    public let configuration: Configuration
    let delegation: Delegation

    /// Which container and interface it is about; empty in GC and STATUS.
    public var attachment: Attachment { invocation.attachment }

    init(_ invocation: Invocation, _ configuration: Configuration, _ delegation: Delegation) {
        self.invocation = invocation
        self.configuration = configuration
        self.delegation = delegation
    }

    /// Runs the same command of another plugin, such as the IPAM plugin, with the same environment and configuration.
    ///
    /// When ADD of another program fails, its DEL is run as well (CNI spec 1.1.0, section 4), and the error of ADD is
    /// thrown. A plugin of this executable leaves nothing when its ADD fails; its DEL is not run then, because it could
    /// only undo an earlier ADD that succeeded.
    /// - Returns: the delegate's result; nil for commands without one.
    @discardableResult
    public func delegate(to type: String) throws(Failure) -> CNIResult? {
        try delegation.run(type, self)
    }

    /// Runs the delegate's DEL, whatever the command at hand: for undoing an ADD that failed after the delegate's.
    public func undoDelegate(_ type: String) throws(Failure) {
        _ = try delegation.run(type, replacing(.del))
    }

    /// Says something to the operator, as a line on standard error, and in the log if there is one.
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
