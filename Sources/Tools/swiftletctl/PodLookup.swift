import Addresses
import Inventory
import Posix

extension Snapshot {
    /// The attachments of a pod, given by its container ID or the beginning of one, NETWORK/ID/IFNAME, an address, or its
    /// namespace's name.
    ///
    /// - Throws: when there is no such pod, or more than one; if the pod is gone, the error says what is left of it.
    func pod(_ name: String) throws(Failure) -> [Attachment] {
        let attempt = "find pod \(name)"
        guard let found = attachments(named: name) else {
            throw Failure(
                .invalidConfiguration, "\(attempt): the IDs of several containers begin like that",
                details: "give more characters; swiftletctl status lists them")
        }
        guard found.isEmpty else { return found }
        let left = orphans.first { orphan in
            orphan.id.map { $0.containerID.hasPrefix(name) || $0.description == name } ?? false
                || orphan.reserved.contains { $0.address == IPAddress(name) }
        }
        guard let left else {
            throw Failure(
                .unknownContainer, "\(attempt): no pod has that name or address",
                details: "swiftletctl status lists all pods")
        }
        throw Failure(
            .unknownContainer, "\(attempt): \(left.reason.text); what is left: \(left.leftovers)",
            details: left.isGone ? "swiftletctl gc frees it" : "its runtime's DEL frees it")
    }
}
