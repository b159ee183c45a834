import Foundation

/// What is wanted of the rules, judged by the samples of one run.
struct Aims {
    private let measurements: Measurements

    init(_ measurements: Measurements) { self.measurements = measurements }

    /// A table, or nothing where the run had nothing to do with them.
    var markdown: [String] {
        let rows = rulesCost + growth + lead
        if rows.isEmpty { return [] }
        return ["Aims:", "", "| aim | wanted | measured | |", "|---|--:|--:|---|"] + rows + [""]
    }

    private func subject(_ system: String, _ conf: String, _ pods: Int = 0) -> Subject {
        Subject(system: system, conf: conf, pods: pods)
    }

    private func row(_ aim: String, _ wanted: String, _ measured: String, _ isMet: Bool) -> String {
        "| \(aim) | \(wanted) | \(measured) | \(isMet ? "met" : "**not met**") |"
    }

    private var rulesCost: [String] {
        let system = Contenders.swiftlet
        guard let cost = measurements.difference(subject(system, "ports"), minus: subject(system, "plain"), .add) else {
            return []
        }
        let aim = "ADD of \(system) with masquerade and two ports, more than without, in ms"
        return [row(aim, "at most 0.4", cost.cell, cost <= .microseconds(400))]
    }

    private var growth: [String] {
        let sizes = measurements.unique(\.pods) { $0.conf == "ports" && $0.pods > 0 }.sorted()
        guard let few = sizes.first, let many = sizes.last, few < many else { return [] }
        var rows: [String] = []
        for system in [Contenders.swiftlet, Contenders.chain] {
            for verb in [Verb.add, .del] {
                let (small, large) = (subject(system, "ports", few), subject(system, "ports", many))
                guard let ratio = measurements.ratio(large, to: small, verb) else { continue }
                let aim =
                    "\(verb.rawValue) of \(system) beside \(many) pods and foreign rules, times that beside \(few)"
                rows.append(row(aim, "at most 1.2", String(format: "%.2f", ratio), ratio <= 1.2))
            }
        }
        return rows
    }

    private var lead: [String] {
        var rows: [String] = []
        for (system, wanted) in [(Contenders.chain, 12.0), (Contenders.swiftlet, 20.0)] {
            for verb in [Verb.add, .del] {
                let (mine, theirs) = (subject(system, "ports"), subject(Contenders.reference, "ports"))
                guard let ratio = measurements.ratio(theirs, to: mine, verb) else { continue }
                let aim = "\(verb.rawValue) of \(system) with masquerade and two ports, times faster than the reference"
                rows.append(row(aim, "at least \(Int(wanted))", String(format: "%.1f", ratio), ratio >= wanted))
            }
        }
        return rows
    }
}
