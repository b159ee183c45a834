internal import DBus
internal import Net

/// Zones of firewalld: it drops what comes from or goes to addresses that are in none that it trusts.
extension NodeRules {
    private func sources(_ passage: Passage) -> [String] {
        passage.addresses.map { CIDR.host($0).description }
    }

    /// Puts the pod's addresses into the zone, where firewalld runs.
    func enterZone(_ passage: Passage) throws {
        guard var firewalld = try Firewalld.connect() else { return }
        for source in sources(passage) { try firewalld.add(source: source, zone: passage.zone) }
    }

    /// Takes them out again. That firewalld has forgotten them, or runs no more, is no error.
    func leaveZone(_ passage: Passage) throws {
        guard var firewalld = try Firewalld.connect() else { return }
        for source in sources(passage) { try firewalld.remove(source: source, zone: passage.zone) }
    }

    func deviations(ofZone passage: Passage) throws -> [String] {
        guard var firewalld = try Firewalld.connect() else { return [] }
        var found: [String] = []
        for source in sources(passage) where try !firewalld.holds(source: source, zone: passage.zone) {
            found.append("\(source) is missing from zone \(passage.zone) of firewalld")
        }
        return found
    }
}
