internal import Addresses
internal import DBus
internal import Posix

/// Zones of firewalld: it drops what comes from or goes to addresses that are in none that it trusts.
extension NodeRules {
    private func sources(_ passage: Passage) -> [String] {
        passage.addresses.map { CIDR.host($0).description }
    }

    /// Puts the pod's addresses into the zone, where firewalld runs.
    func enterZone(_ passage: Passage) throws(Failure) {
        try asking { () throws(FirewalldError) in
            guard var firewalld = try Firewalld.connect() else { return }
            for source in sources(passage) { try firewalld.add(source: source, zone: passage.zone) }
        }
    }

    /// Takes them out again. That firewalld has forgotten them, or runs no more, is no error.
    func leaveZone(_ passage: Passage) throws(Failure) {
        try asking { () throws(FirewalldError) in
            guard var firewalld = try Firewalld.connect() else { return }
            for source in sources(passage) { try firewalld.remove(source: source, zone: passage.zone) }
        }
    }

    func deviations(ofZone passage: Passage) throws(Failure) -> [String] {
        try asking { () throws(FirewalldError) in
            guard var firewalld = try Firewalld.connect() else { return [] }
            var found: [String] = []
            for source in sources(passage) where try !firewalld.holds(source: source, zone: passage.zone) {
                found.append("\(source) is missing from zone \(passage.zone) of firewalld")
            }
            return found
        }
    }

    private func asking<Answer>(_ firewalld: () throws(FirewalldError) -> Answer) throws(Failure) -> Answer {
        do throws(FirewalldError) { return try firewalld() } catch {
            let kind: Failure.Kind =
                switch (error.cause, error.code) {
                // It may own its name before it answers, while it starts.
                case (.timedOut, _): .tryAgainLater
                case (_, "INVALID_ZONE"): .invalidConfiguration
                default: .inputOutput
                }
            throw Failure(
                kind, "\(error)", details: "firewalldZone says which zone; firewall-cmd --get-zones lists them")
        }
    }
}
