internal import Addresses
internal import DBus
internal import Posix

/// firewalld zones: firewalld drops traffic from or to addresses that are not in a zone it trusts.
extension NodeRules {
    private func sources(_ passage: Passage) -> [String] {
        passage.addresses.map { CIDR.host($0).description }
    }

    /// Adds the pod's addresses to the zone if firewalld is running.
    ///
    /// - Returns: whether it is.
    func enterZone(_ passage: Passage) throws(Failure) -> Bool {
        try asking { () throws(FirewalldError) in
            guard var firewalld = try Firewalld.connect() else { return false }
            for source in sources(passage) { try firewalld.add(source: source, zone: passage.zone) }
            return true
        }
    }

    /// Removes them again. It is no error if firewalld has forgotten them or is no longer running.
    func leaveZone(_ passage: Passage) throws(Failure) {
        try asking { () throws(FirewalldError) in
            guard var firewalld = try Firewalld.connect() else { return }
            for source in sources(passage) { try firewalld.remove(source: source, zone: passage.zone) }
        }
    }

    /// - Returns: nil if firewalld is not running.
    func deviations(ofZone passage: Passage) throws(Failure) -> [String]? {
        try asking { () throws(FirewalldError) in
            guard var firewalld = try Firewalld.connect() else { return nil }
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
                // While firewalld starts, it may own its bus name before it answers.
                case (.timedOut, _): .tryAgainLater
                case (_, "INVALID_ZONE"): .invalidConfiguration
                default: .inputOutput
                }
            throw Failure(
                kind, "\(error)", details: "firewalldZone says which zone; firewall-cmd --get-zones lists them")
        }
    }
}
