public import Addresses
public import Attachments
public import Posix

/// The addresses and blocks of one network that are in use on this node. It is a directory that the reference plugin `host-local`
/// can also use, before, after or in between.
///
/// Every change happens under the lock that the reference plugin also takes. After a kill at any point, the next change repairs
/// the directory. Nothing here depends on a clock.
public struct Store: Sendable {
    public let dataDirectory: String
    public let network: String
    public let bootID: String
    public let lockTimeoutMilliseconds: UInt32
    /// Who of the network has an interface on this node; nil if that is not known. It is asked only if reservations that the index
    /// names are not there: those of living pods are put back before anything is handed out.
    public var living: (@Sendable () -> [Attachment])?

    /// - Parameters:
    ///   - dataDirectory: The reference plugin's is `/var/lib/cni/networks`. It must belong to one machine only: reservations
    ///     with another boot ID are considered left over from a past boot and are freed.
    ///   - network: The name of a directory in it.
    ///   - bootID: `Boot.id`: unique to this boot of the machine.
    ///   - lockTimeoutMilliseconds: How long a change waits for others to finish.
    public init(dataDirectory: String, network: String, bootID: String, lockTimeoutMilliseconds: UInt32 = 10_000) {
        self.dataDirectory = dataDirectory
        self.network = network
        self.bootID = bootID
        self.lockTimeoutMilliseconds = lockTimeoutMilliseconds
    }

    var path: String { dataDirectory + "/" + network }

    /// Reserves one address or block from each set, all or nothing.
    ///
    /// - Parameter requested: Each set uses the first of these that it contains, and hands out that or nothing.
    /// - Returns: What was reserved, in the order of the sets.
    public func reserve(
        _ owner: Attachment, from sets: [RangeSet], requested: [IPAddress] = []
    ) throws(Failure) -> [Allocation] {
        try checkNames()
        guard owner.isRecordable else {
            throw Failure(
                .invalidConfiguration,
                "container ID or interface name cannot be stored: "
                    + "\(owner.containerID) \(owner.ifname)")
        }
        let wishes = try Store.assign(requested, to: sets)
        guard var session = try Session.open(self, create: true) else {
            throw Failure.storage(.noSuchFile, "open directory \(path): it is being removed again and again")
        }
        do throws(Failure) {
            let allocations = try session.reserve(owner, from: sets, wishes: wishes)
            session.seal()
            return allocations
        } catch {
            session.seal()
            throw error
        }
    }

    /// Frees all reservations of an owner; it is not an error if there are none.
    ///
    /// - Parameter hints: Addresses that it is known to have had. They are checked even if the index does not contain them.
    public func release(_ owner: Attachment, hints: [IPAddress] = []) throws(Failure) {
        try checkNames()
        guard var session = try Session.open(self, create: false) else { return }
        do throws(Failure) { try session.release(owner, hints: hints) } catch {
            session.seal()
            throw error
        }
        session.seal()
    }

    /// Frees all reservations except those of `owners`.
    ///
    /// - Returns: What was freed, by address.
    /// - Throws: All errors, after everything has been tried.
    public func collectGarbage(keeping owners: Set<Attachment>) throws(Failure) -> [Reservation] {
        try checkNames()
        guard var session = try Session.open(self, create: false) else { return [] }
        do throws(Failure) {
            let freed = try session.collectGarbage(keeping: owners)
            session.seal()
            return freed
        } catch {
            session.seal()
            throw error
        }
    }

    /// Reserves an address again for a pod that has it on its interface. It is no error if it is reserved for it.
    ///
    /// - Parameter wrongOwner: whom the reservation may name instead, apart from nobody.
    /// - Throws: code 103 if it is reserved for somebody else meanwhile.
    public func putBack(
        _ address: IPAddress, of owner: Attachment, insteadOf wrongOwner: Attachment? = nil
    ) throws(Failure) {
        try checkNames()
        guard var session = try Session.open(self, create: true) else {
            throw Failure.storage(.noSuchFile, "open directory \(path): it is being removed again and again")
        }
        do throws(Failure) { try session.putBack(.host(address), of: owner, insteadOf: wrongOwner) } catch {
            session.seal()
            throw error
        }
        session.seal()
    }

    private static func assign(_ requested: [IPAddress], to sets: [RangeSet]) throws(Failure) -> [IPAddress?] {
        var left: [IPAddress] = []
        for address in requested where !left.contains(address) { left.append(address) }
        let wishes = sets.map { set in
            left.firstIndex { set.place(of: $0) != nil }.map { left.remove(at: $0) }
        }
        guard left.isEmpty else {
            let list = left.map { $0.description }.joined(separator: " ")
            throw Failure(.addressNotAvailable, "failed to allocate all requested IPs: \(list)")
        }
        return wishes
    }

    /// Both names become part of a path: each must be exactly one component.
    func checkNames() throws(Failure) {
        for (name, what) in [(network, "network name"), (Index.name(bootID: bootID), "boot ID")] {
            guard !name.isEmpty, name != ".", name != "..", name.utf8.count <= 255, !bootID.isEmpty,
                !name.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 })
            else { throw Failure(.invalidConfiguration, "\(what) \"\(name)\" is not the name of a directory") }
        }
    }
}
