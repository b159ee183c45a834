internal import Inventory
internal import Presentation

extension Check {
    static let leftovers = [
        Check("leftovers", .warning, "pods that are gone have left nothing") { seen in
            seen.reclaim.chosen.map { orphan in
                let isOld = orphan.reason == .earlierBoot
                return Symptom(
                    orphan.title, "\(orphan.reason.text); left are \(orphan.remains)",
                    run: isOld ? [] : ["swiftletctl gc"], advice: isOld ? "nothing needs to be done" : "",
                    severity: isOld ? .note : nil, fix: .free(orphan))
            }
                + seen.reclaim.recent.map { orphan in
                    Symptom(
                        "\(orphan.id!)",
                        "\(orphan.reason.text), or is being made right now; there are \(orphan.remains)",
                        advice: "look again in a minute", severity: .note)
                }
        },
        Check("cut-off", .warning, "every pod has everything that ADD gave it") { seen in
            seen.snapshot.orphans.filter { !$0.isGone }.map { orphan in
                guard orphan.unreserved.isEmpty else {
                    return Symptom(
                        orphan.title, "\(orphan.reason.text): \(orphan.lostAddresses)", run: ["swiftletctl gc"],
                        severity: .problem, fix: .putBack(orphan))
                }
                return Symptom(
                    orphan.title,
                    "\(orphan.reason.text); there are \(orphan.remains)",
                    advice: orphan.wayOut,
                    severity: orphan.reason == .namespaceHasNoName ? .note : nil)
            }
        },
        Check("rules-damaged", .problem, "the packet rules of every pod are complete") { seen in
            seen.damagedRules
                + seen.facts.unreadableRecords.map { owner in
                    Symptom(
                        owner,
                        "its record in /run/swiftlet cannot be read: when its rules are lost, nothing can put them back",
                        advice: "delete the pod, so that it is attached again: its DEL removes the record")
                }
        },
        Check("empty-namespaces", .note, "no namespace is left that a killed engine has made for a pod") { seen in
            seen.emptyNamespaces
        },
        Check("two-runtimes", .warning, "each network is used by one container runtime only") { $0.rivals },
    ]
}

extension Orphan {
    /// What to do about an orphan that is not gone.
    fileprivate var wayOut: String {
        switch reason {
        case .namespaceHasNoName: "see which program holds it: lsns -t net"
        case .isNoFile:
            "look at it, and remove it: ls -ld \(reserved.map { "\(store ?? "")/\($0.address)" }.joined(separator: " "))"
        default: "delete the pod, so that it is attached again"
        }
    }

    fileprivate var remains: String {
        var words: [String] = []
        if !reserved.isEmpty { words.append(list(reserved.map { "\($0.address)" })) }
        words += interfaces
        if elements > 0 { words.append(Words.count(elements, "element") + " of packet rules") }
        if !recordedBy.isEmpty { words.append("records of \(recordedBy.joined(separator: ", "))") }
        return words.joined(separator: "; ")
    }
}

extension Examination {
    /// One cause, such as `nft flush ruleset`, damages the rules of all pods: that is one finding.
    fileprivate var damagedRules: [Symptom] {
        func symptom(_ subject: String, _ text: String) -> Symptom {
            Symptom(subject, text, run: ["swiftletctl repair"], fix: .repairRules)
        }
        guard facts.damagedRules.count > 3 else { return facts.damagedRules.map { symptom($0.owner, $0.text) } }
        return [
            symptom(
                "packet rules",
                "those of \(Words.count(facts.damagedRules.count, "pod")) are damaged: "
                    + list(facts.damagedRules.map { "\($0.owner): \($0.text)" }, limit: 3, separator: "; "))
        ]
    }

    /// One finding for each runtime.
    fileprivate var emptyNamespaces: [Symptom] {
        let old = snapshot.emptyNamespaces.filter { snapshot.time - ($0.since ?? 0) >= grace }
        return Dictionary(grouping: old) { $0.runtime }.sorted { $0.key < $1.key }.map { runtime, empty in
            let ages = empty.compactMap { $0.since }.min().map { ", the oldest for \(Words.age(snapshot.time - $0))" }
            return Symptom(
                runtime,
                "\(Words.count(empty.count, "network namespace")) with a name that \(runtime) gives, no process and "
                    + "nothing but lo\(ages ?? ""): \(list(empty.map { $0.path }, limit: 3))",
                run: ["swiftletctl gc --empty-namespaces"],
                advice: "if \(runtime) does not want them any more: it leaves such when it is killed")
        }
    }

    /// Namespace names tell which runtime made them; names that do not are ignored.
    fileprivate var rivals: [Symptom] {
        snapshot.networks.compactMap { network in
            let makers = Set(
                snapshot.attachments(of: network.name).compactMap {
                    $0.namespace.flatMap { NamespaceNames.runtime(of: $0.path) }
                })
            guard makers.count > 1 else { return nil }
            return Symptom(
                network.name,
                "its pods belong to \(makers.sorted().joined(separator: " and ")): the GC of each takes the other's pods "
                    + "for garbage",
                advice: "give each runtime a network of its own, with another name, bridge and subnet")
        }
    }
}
