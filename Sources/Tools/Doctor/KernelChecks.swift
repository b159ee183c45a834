internal import Addresses

extension Check {
    static let kernel = [
        Check("neighbour-table", .warning, "the neighbour table has room") { seen in
            IPFamily.allCases.compactMap { seen.neighbours($0) }
        },
        Check("conntrack-table", .warning, "the connection tracking table has room") { $0.connections },
    ]
}

extension Examination {
    fileprivate func neighbours(_ family: IPFamily) -> Symptom? {
        let parameter = "ip\(family)/neigh/default/gc_thresh3"
        guard let entries = facts.neighbours[family], let limit = number(parameter), limit > 0,
            Double(entries) > 0.8 * Double(limit)
        else { return nil }
        return Symptom(
            sysctlName(parameter),
            "\(entries) of \(limit) \(family.title) neighbours are known, those of all pods included: beyond that the "
                + "kernel refuses new ones (\"neighbour table overflow\"), and packets are dropped",
            run: ["sysctl -w \(sysctlName(parameter))=\(limit * 4)"],
            advice: "gc_thresh2 to half of it; keep it in /etc/sysctl.d",
            severity: entries >= limit ? .problem : nil)
    }

    fileprivate var connections: [Symptom] {
        let parameter = "netfilter/nf_conntrack_max"
        guard let entries = number("netfilter/nf_conntrack_count"), let limit = number(parameter), limit > 0,
            Double(entries) > 0.9 * Double(limit)
        else { return [] }
        return [
            Symptom(
                sysctlName(parameter),
                "\(entries) of \(limit) connections are tracked: when it is full, packets of new ones are dropped",
                run: ["sysctl -w \(sysctlName(parameter))=\(limit * 2)"],
                advice: "see whose they are: conntrack -L",
                severity: entries >= limit ? .problem : nil)
        ]
    }
}
