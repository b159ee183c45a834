internal import Attachments
internal import CNI
internal import IPAM
public import Inventory
internal import JSON
internal import Netfilter
internal import Plugins
internal import Posix
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
    /// Networks with at least one attachment.
    private let living: Set<String>

    /// - Parameter grace: the minimum age of the most recent leftover, in seconds.
    public init(_ snapshot: Snapshot, grace: Int) {
        let gone = snapshot.orphans.filter { $0.isGone && $0.id != nil }
        let isOld = { (orphan: Orphan) in orphan.since.map { snapshot.time - $0 >= grace } ?? true }
        chosen = gone.filter(isOld)
        recent = gone.filter { !isOld($0) }
        living = Set(snapshot.attachments.map(\.id.network) + recent.compactMap { $0.id?.network })
    }

    /// The result for one orphan.
    public struct Outcome: Sendable, Encodable {
        public var orphan: Orphan
        /// Nil if everything was freed.
        public var error: String?
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
        guard orphan.reason != .namesNobody else { return tidy(orphan, network: id.network) }
        var configuration = JSON.Object()
        configuration["cniVersion"] = .string(SpecVersion.latest.rawValue)
        configuration["name"] = .string(id.network)
        configuration["type"] = "swiftlet"
        if let store = orphan.store, let slash = store.lastIndex(of: "/") {
            configuration["dataDir"] = .string(String(store[..<slash]))
        }
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
        guard Dispatcher(Registry.plugins).run(as: "swiftlet", environment, streams) != 0 else { return nil }
        return answer.text
    }

    /// Opening a store recovers it after a crash, so freeing what nobody owns is enough.
    private static func tidy(_ orphan: Orphan, network: String) -> String? {
        guard let store = orphan.store, let slash = store.lastIndex(of: "/") else { return nil }
        do throws(Failure) {
            let bootID = try NodeFiles.bootID()
            let reservations = Store(dataDirectory: String(store[..<slash]), network: network, bootID: bootID)
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
