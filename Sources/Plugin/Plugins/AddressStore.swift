internal import Addresses
internal import Attachments
internal import CNI
internal import Files
internal import IPAM
internal import JSON
internal import Kernel
internal import EventLog
internal import Posix

/// The node's address store, as one request sees it: built into `swiftlet`, and used through `host-local` by the other plugins.
struct AddressStore {
    private let settings: HostLocalSettings
    private let request: Request
    private let store: Store

    /// Takes the keys from the configuration's `ipam` object.
    init(ipamOf request: Request) throws(Failure) {
        try self.init(try request.ipam(), request)
    }

    /// - Parameter reader: the object that holds the keys.
    init(_ reader: JSONReader, _ request: Request) throws(Failure) {
        self.request = request
        settings = try HostLocalSettings(reader, request)
        // The other commands find reservations by owner; only these two need the ranges.
        if [.add, .status].contains(request.invocation.command), settings.sets.isEmpty {
            throw Failure(
                .invalidConfiguration, "no IP ranges specified", details: "give a subnet, or ranges with subnets")
        }
        let network = request.configuration.name
        do throws(Errno) {
            var store = Store(dataDirectory: settings.dataDirectory, network: network, bootID: try Boot.id())
            store.living = { AttachmentName.withVeth(in: network) }
            self.store = store
        } catch { throw Failure(.inputOutput, "read \(Boot.idPath): \(error)", details: "/proc must be mounted") }
    }

    var sets: [RangeSet] { settings.sets }

    var handsOutBlocks: Bool { settings.sets.contains { $0.pools.contains { $0.blockLength != nil } } }

    private var owner: Attachment { request.attachment }

    func reserve() throws(Failure) -> CNIResult {
        let dns = try ResolvConf.read(settings.resolvConf)
        let allocations = try store.reserve(owner, from: settings.sets, requested: settings.requested)
        Log.note(.info, "reserved", [("addresses", allocations.map { "\($0.address)" }.joined(separator: ","))])
        return CNIResult(
            ips: allocations.map { .init(address: $0.address, gateway: $0.gateway) }, routes: settings.routes, dns: dns)
    }

    func release() throws(Failure) {
        // The runtime's copy of ADD's result only saves time, so a broken one must not stop DEL.
        let previous = try? request.configuration.previousResult()
        try store.release(owner, hints: previous?.ips.map { $0.address.address } ?? [])
        Log.note(.info, "released")
    }

    func check() throws(Failure) {
        let reserved = try store.reservations(of: owner).map { $0.address }
        guard !reserved.isEmpty else {
            throw Failure(
                .checkFailed, "host-local: Failed to find address added by container \(owner.containerID)",
                details: "in \(settings.dataDirectory)/\(request.configuration.name)")
        }
        let ours = try request.configuration.previousResult()?.ips.map { $0.address.address } ?? []
        for address in ours where settings.sets.contains(where: { $0.pools.contains { $0.range.contains(address) } }) {
            guard reserved.contains(address) else {
                throw Failure(
                    .checkFailed, "host-local: address \(address) is not reserved for container \(owner.containerID)")
            }
        }
    }

    func collectGarbage() throws(Failure) {
        _ = try store.collectGarbage(keeping: try request.configuration.validAttachments())
    }

    /// A full range set is only told of: it serves again as soon as a pod ends, and a node that is not ready loses its running pods.
    ///
    /// - Throws: code 50 if the directory cannot be written; if `fullIsNotReady`, also if a range set is full.
    func requireReady() throws(Failure) {
        try requireWritableDirectory()
        let usage = try store.isFull(settings.sets) ? try store.usage(of: settings.sets) : []
        for (set, usage) in zip(settings.sets, usage) where usage.used >= usage.total {
            let text = "no IP addresses available in range set: \(set)"
            let details = "\(usage.used) of \(usage.total) are in use for network \(request.configuration.name)"
            guard !settings.fullIsNotReady else { throw Failure(.notAvailable, text, details: details) }
            request.log("\(text): \(details); the next pod gets none until another one ends")
        }
    }

    /// The least that a few hundred reservations need.
    private static let leastSpace: (octets: UInt64, inodes: UInt64) = (1 << 20, 64)

    /// Not an error: a runtime that is told that its network is not ready deletes running pods, which makes no room.
    private func warnOfFullDisk(_ path: String) {
        guard let space = try? DiskSpace.of(path) else { return }
        let least = AddressStore.leastSpace
        guard space.octets < least.octets || space.inodes < least.inodes else { return }
        let what = space.octets < least.octets ? "\(space.octets) octets" : "\(space.inodes) inodes"
        request.log("data directory \(path): its file system has only \(what) left; ADD needs room for a file")
    }

    private func requireWritableDirectory() throws(Failure) {
        // A missing directory will be created in its nearest existing ancestor.
        var path = "\(settings.dataDirectory)/\(request.configuration.name)"
        while true {
            do throws(Errno) {
                try FileStatus.requireWritable(path)
                return warnOfFullDisk(path)
            } catch {
                guard error == .noSuchFile, let slash = path.lastIndex(of: "/"), path != "/" else {
                    throw Failure(.notAvailable, "write to data directory \(path): \(error)")
                }
                path = slash == path.startIndex ? "/" : String(path[..<slash])
            }
        }
    }
}
