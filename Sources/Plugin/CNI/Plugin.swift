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
