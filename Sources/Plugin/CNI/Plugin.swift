public import Posix

/// A CNI plugin: one method for each command of the protocol.
///
/// The runtime gets the errors it throws, with their codes.
public protocol Plugin: Sendable {
    /// Configurations of other versions are refused with code 1. By default, all versions are supported.
    var supportedVersions: [SpecVersion] { get }

    /// Attaches the container. It must leave nothing behind after an error, because `del` is not called then.
    ///
    /// In a chain, an earlier plugin's result is in ``Configuration/previousResult()`` and must be passed on.
    /// - Returns: the resulting state; it is written in the configuration's version.
    func add(_ request: Request) throws(Failure) -> CNIResult

    /// Undoes ADD. It must succeed if there is nothing to undo, or if the namespace is gone, and continue after errors.
    func del(_ request: Request) throws(Failure)

    /// Undoes an ADD whose result could not be written. By default that is `del`. A plugin that leaves some cleanup to the DEL of
    /// an earlier plugin in the chain, which may not come, must do more.
    func withdraw(_ request: Request) throws(Failure)

    /// Compares what ADD set up with the current state. Must not change anything.
    ///
    /// Only for configurations of 0.4.0 and newer, see ``SpecVersion/allows(_:)``.
    func check(_ request: Request) throws(Failure)

    /// Frees resources of this network that belong to none of ``Configuration/validAttachments()``. Continues after errors.
    ///
    /// The request has no attachment; only for configurations of 1.1.0 and newer.
    func gc(_ request: Request) throws(Failure)

    /// Succeeds if ADD can be served; throws ``Failure/Kind/notAvailable`` or ``Failure/Kind/limitedConnectivity`` otherwise.
    ///
    /// The request has no attachment; only for configurations of 1.1.0 and newer.
    func status(_ request: Request) throws(Failure)
}

extension Plugin {
    public var supportedVersions: [SpecVersion] { SpecVersion.allCases }

    public func withdraw(_ request: Request) throws(Failure) { try del(request) }
}
