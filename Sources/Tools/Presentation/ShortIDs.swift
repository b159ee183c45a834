internal import Inventory

extension Snapshot {
    /// Container IDs shortened as other programs show them: to 12 characters, or as many more as it takes to tell them apart.
    var shortIDs: [String: String] {
        let ids = Set(attachments.map { $0.id.containerID } + orphans.compactMap { $0.id?.containerID }).sorted()
        var short: [String: String] = [:]
        for (position, id) in ids.enumerated() {
            var length = 12
            for neighbour in [position - 1, position + 1] where ids.indices.contains(neighbour) {
                length = max(length, zip(id, ids[neighbour]).prefix { $0 == $1 }.count + 1)
            }
            // Cutting off a single character gains nothing.
            short[id] = id.count <= length + 1 ? id : String(id.prefix(length))
        }
        return short
    }
}
