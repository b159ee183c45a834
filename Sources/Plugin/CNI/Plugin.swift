public import Attachments
internal import JSON
internal import Logging
public import Posix

/// A CNI plugin: what happens for each verb of the protocol.
///
/// What it throws is what the runtime gets, with its code.
public protocol Plugin: Sendable {
    /// Configurations of other versions are refused with code 1. All of them by default.
    var supportedVersions: [SpecVersion] { get }

    /// Attaches the container. After an error nothing may be left: `del` is not called then.
    ///
    /// In a chain, what an earlier plugin has done is in ``Configuration/previousResult()``, and is to be handed on.
    /// - Returns: what is there now; it is written in the configuration's version.
    func add(_ request: Request) throws(Failure) -> CNIResult

    /// Undoes ADD. Must succeed when there is nothing to undo, with the namespace gone, and go on past errors.
    func del(_ request: Request) throws(Failure)

    /// Undoes an ADD whose result could not be written. By default that is `del`; for plugins that leave some of it to the
    /// DEL of an earlier one in the chain, which may not come, it is more.
    func withdraw(_ request: Request) throws(Failure)

    /// Compares what ADD set up with what is there now. Must not change anything.
    ///
    /// Only for configurations of 0.4.0 and newer, as ``SpecVersion/allows(_:)`` says.
    func check(_ request: Request) throws(Failure)

    /// Frees what belongs to this network but to none of ``Configuration/validAttachments()``. Goes on past errors.
    ///
    /// There is no attachment in the request; only for configurations of 1.1.0 and newer.
    func gc(_ request: Request) throws(Failure)

    /// Succeeds when ADD can be served; throws ``Failure/Kind/notAvailable`` or ``Failure/Kind/limitedConnectivity``.
    ///
    /// There is no attachment in the request; only for configurations of 1.1.0 and newer.
    func status(_ request: Request) throws(Failure)
}

extension Plugin {
    public var supportedVersions: [SpecVersion] { SpecVersion.allCases }

    public func withdraw(_ request: Request) throws(Failure) { try del(request) }
}

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
