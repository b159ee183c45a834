internal import Attachments
internal import CNI
internal import IPAM
public import Inventory
internal import JSON
internal import Netfilter
internal import Plugins
internal import Posix
internal import Synchronization

/// Frees what pods that are gone have left, by the plugins' own code.
///
/// Each orphan gets the DEL that its runtime never sent. GC with a list of what lives would do the same, but a pod that is
/// attached after the list was made is not on it.
public struct Reclaim: Sendable {
    /// Those that are gone for certain, and have been left alone for long enough that no ADD can be at work on them.
    public let chosen: [Orphan]
    /// Those that are gone, but were made so recently that their ADD may still be under way.
    public let recent: [Orphan]
    /// Networks that somebody is attached to.
    private let living: Set<String>

    /// - Parameter grace: how old the latest of what is left must be, in seconds.
    public init(_ snapshot: Snapshot, grace: Int) {
        let gone = snapshot.orphans.filter { $0.isGone && $0.id != nil }
        let isOld = { (orphan: Orphan) in orphan.since.map { snapshot.time - $0 >= grace } ?? true }
        chosen = gone.filter(isOld)
        recent = gone.filter { !isOld($0) }
        living = Set(snapshot.attachments.map(\.id.network) + recent.compactMap { $0.id?.network })
    }

    /// What came of one orphan.
    public struct Outcome: Sendable, Encodable {
        public var orphan: Orphan
        /// Nil when everything was freed.
        public var error: String?
    }

    /// Frees everything that was chosen; goes on past errors.
    ///
    /// - Parameter progress: is told after each, from 1 on.
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

    /// Whatever plugin has made them, with a record or without one.
    private func freeRules(of gone: Set<AttachmentName>, in network: String) throws(Failure) {
        try NodeRules.collectGarbage(network: network, isOver: !living.contains(network)) {
            !gone.contains(AttachmentName(network: network, $0))
        }
    }

    /// - Returns: what went wrong; nil for nothing.
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
        // Old releases of the reference plugin wrote no interface down; then any finds the container's.
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

    /// Whoever opens a store that somebody was killed in puts it in order, so it is enough to free what nobody has.
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

    /// What a plugin has written.
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
