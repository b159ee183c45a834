internal import Addresses
internal import Attachments
internal import CNI
internal import IPAM
public import Inventory
internal import JSON
internal import Kernel
internal import Netfilter
internal import Plugins
public import Posix
internal import Synchronization

/// Frees what vanished pods have left behind, using the plugins' own code.
///
/// Each orphan gets the DEL that its runtime never sent. GC with a list of live attachments would do the same, but that list
/// would miss a pod attached after it was made.
public struct Reclaim: Sendable {
    /// Orphans that are certainly gone, and old enough that no ADD can still be working on them.
    public let chosen: [Orphan]
    /// Orphans that are gone, but so recent that their ADD may still be running.
    public let recent: [Orphan]
    /// Pods that live, with addresses that are not reserved for them.
    public let unreserved: [Orphan]
    /// Namespaces that nobody uses, and that are old enough.
    public let empty: [EmptyNamespace]
    /// Networks with at least one attachment.
    private let living: Set<String>

    /// - Parameter grace: the minimum age of the most recent leftover, in seconds.
    public init(_ snapshot: Snapshot, grace: Int) {
        let gone = snapshot.orphans.filter { $0.isGone && $0.id != nil }
        let isOld = { (orphan: Orphan) in orphan.since.map { snapshot.time - $0 >= grace } ?? true }
        chosen = gone.filter(isOld)
        empty = snapshot.emptyNamespaces.filter { $0.since.map { snapshot.time - $0 >= grace } ?? false }
        unreserved = snapshot.orphans.filter { !$0.unreserved.isEmpty }
        recent = gone.filter { !isOld($0) }
        living = Set(snapshot.attachments.map(\.id.network) + recent.compactMap { $0.id?.network })
    }

    /// The result for one orphan.
    public struct Outcome: Sendable, Encodable {
        public var orphan: Orphan
        /// Nil if everything was freed or put back.
        public var error: String?
    }

    /// Reserves the addresses of ``unreserved`` for their pods again; continues after errors.
    public func putBack() -> [Outcome] {
        unreserved.map { orphan in
            var outcome = Outcome(orphan: orphan)
            do throws(Failure) {
                guard let id = orphan.id, let store = try Reclaim.store(of: orphan) else { return outcome }
                for lost in orphan.unreserved {
                    try store.putBack(lost.address, of: id.attachment, insteadOf: lost.namedOwner?.attachment)
                }
            } catch { outcome.error = "\(error)" }
            return outcome
        }
    }

    /// Removes a namespace of ``empty``, if it still is.
    public static func remove(_ empty: EmptyNamespace) throws(Failure) {
        guard let slash = empty.path.lastIndex(of: "/") else { return }
        let attempt = "remove network namespace \(empty.path)"
        // A container may have been started in it meanwhile.
        guard try Snapshot.isEmptyNamespace(empty) else { throw Failure(.conflict, "\(attempt): it is in use now") }
        let names = NamedNamespaces(directory: String(empty.path[..<slash]))
        try names.delete(String(empty.path[empty.path.index(after: slash)...]))
    }

    /// Frees everything in ``chosen``; continues after errors.
    ///
    /// - Parameter progress: called after each orphan with its number, from 1.
    public func run(progress: (Int) -> Void = { _ in }) -> [Outcome] {
        var outcomes = chosen.map { Outcome(orphan: $0, error: nil) }
        for network in Set(chosen.compactMap { $0.id?.network }).sorted() {
            let gone = Set(chosen.compactMap(\.id).filter { $0.network == network })
            do throws(Failure) { try freeRules(of: gone, in: network) } catch {
                for position in outcomes.indices where outcomes[position].orphan.id?.network == network {
                    outcomes[position].error = "\(error)"
                }
            }
        }
        for position in outcomes.indices {
            if let error = Reclaim.detach(outcomes[position].orphan) { outcomes[position].error = error }
            progress(position + 1)
        }
        return outcomes
    }

    /// Removes the rules of every plugin, whether or not there is a record of them.
    private func freeRules(of gone: Set<AttachmentName>, in network: String) throws(Failure) {
        try NodeRules.collectGarbage(network: network, isOver: !living.contains(network)) {
            !gone.contains(AttachmentName(network: network, $0))
        }
    }

    /// - Returns: what went wrong; nil if nothing did.
    private static func detach(_ orphan: Orphan) -> String? {
        guard let id = orphan.id else { return nil }
        guard orphan.reason != .namesNobody else { return tidy(orphan) }
        var configuration = JSON.Object()
        configuration["cniVersion"] = .string(SpecVersion.latest.rawValue)
        configuration["name"] = .string(id.network)
        configuration["type"] = "swiftlet"
        if let store = orphan.store, let slash = store.lastIndex(of: "/") {
            configuration["dataDir"] = .string(String(store[..<slash]))
        }
        // The index does not lead to a file that somebody else has written; the addresses do.
        var previous = JSON.Object()
        previous["cniVersion"] = .string(SpecVersion.latest.rawValue)
        previous["ips"] = .array(
            orphan.reserved.filter { $0.hostBits == 0 }.map { unit in
                var ip = JSON.Object()
                ip["address"] = .string("\(unit)")
                return .object(ip)
            })
        configuration["prevResult"] = .object(previous)
        let document = JSON.object(configuration).serialized(pretty: false)
        // Old releases of the reference plugin did not store the interface; in that case any name matches the container.
        let environment = Environment([
            "CNI_COMMAND=DEL", "CNI_CONTAINERID=\(id.containerID)",
            "CNI_IFNAME=\(id.ifname.isEmpty ? "eth0" : id.ifname)",
        ])
        let answer = Answer()
        let streams = Dispatcher.Streams(
            read: { () throws(Failure) in document },
            write: { octets throws(Failure) in answer.octets.withLock { $0 = octets } },
            log: { _ in })
        guard Dispatcher(Registry.plugins).run(as: "swiftlet", environment, streams) == 0 else { return answer.text }
        return whatIsStillReserved(orphan)
    }

    private static func store(of orphan: Orphan) throws(Failure) -> Store? {
        guard let directory = orphan.store, let slash = directory.lastIndex(of: "/"), let id = orphan.id else {
            return nil
        }
        return Store(
            dataDirectory: String(directory[..<slash]), network: id.network, bootID: try NodeFiles.bootID())
    }

    /// - Returns: nil if none of its reservations is left.
    private static func whatIsStillReserved(_ orphan: Orphan) -> String? {
        do throws(Failure) {
            let left = try store(of: orphan)?.all().filter {
                $0.owner == orphan.id?.attachment && orphan.reserved.contains($0.unit)
            }
            guard let unit = left?.first?.unit else { return nil }
            return "\(unit.address) is still reserved for it in \(orphan.store ?? "")"
        } catch { return "\(error)" }
    }

    /// Opening a store recovers it after a crash, so freeing what nobody owns is enough.
    private static func tidy(_ orphan: Orphan) -> String? {
        do throws(Failure) {
            guard let reservations = try store(of: orphan), let store = orphan.store else { return nil }
            try reservations.release(.init(containerID: "", ifname: ""))
            let isLeft = try reservations.all().contains { $0.owner == nil && orphan.reserved.contains($0.unit) }
            return isLeft ? "it is still there: see what it is, and remove it from \(store)" : nil
        } catch { return "\(error)" }
    }

    /// What a plugin has written to standard output.
    private final class Answer: Sendable {
        let octets = Mutex<[UInt8]>([])

        /// The error's message and details.
        var text: String {
            let octets = octets.withLock { $0 }
            guard let document = try? JSON(parsing: octets), case .object(let error) = document,
                case .string(let message)? = error["msg"]
            else { return String(decoding: octets, as: UTF8.self) }
            guard case .string(let details)? = error["details"], !details.isEmpty else { return message }
            return "\(message) (\(details))"
        }
    }
}
