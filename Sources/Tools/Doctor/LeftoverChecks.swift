internal import Inventory
internal import Presentation

extension Check {
    static let leftovers = [
        Check("leftovers", .warning, "pods that are gone have left nothing") { seen in
            seen.reclaim.chosen.map { orphan in
                let isOld = orphan.reason == .earlierBoot
                return Symptom(
                    orphan.title, "\(orphan.reason.text); left are \(orphan.remains)",
                    advice: isOld ? "nothing needs to be done" : "swiftletctl gc",
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
                Symptom(
                    orphan.title,
                    "\(orphan.reason.text); there are \(orphan.remains)",
                    advice: orphan.wayOut,
                    severity: orphan.reason == .namespaceHasNoName ? .note : nil)
            }
        },
        Check("rules-damaged", .problem, "the packet rules of every pod are complete") { seen in
            seen.facts.damagedRules.map { owner, text in
                Symptom(owner, text, advice: "swiftletctl repair", fix: .repairRules)
            }
                + seen.facts.unreadableRecords.map { owner in
                    Symptom(
                        owner,
                        "its record in /run/swiftlet cannot be read: when its rules are lost, nothing can put them back",
                        advice: "delete the pod, so that it is attached again: its DEL removes the record")
                }
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
    /// Namespace names tell which runtime made them; names that do not are ignored.
    fileprivate var rivals: [Symptom] {
        snapshot.networks.compactMap { network in
            let makers = Set(
                snapshot.attachments(of: network.name).compactMap { $0.namespace.flatMap { runtime($0.path) } })
            guard makers.count > 1 else { return nil }
            return Symptom(
                network.name,
                "its pods belong to \(makers.sorted().joined(separator: " and ")): the GC of each takes the other's pods "
                    + "for garbage",
                advice: "give each runtime a network of its own, with another name, bridge and subnet")
        }
    }

    private func runtime(_ path: String) -> String? {
        guard let name = path.split(separator: "/").last else { return nil }
        if path.hasPrefix("/run/docker/") || path.hasPrefix("/var/run/docker/") { return "Docker" }
        guard path.hasPrefix("/run/netns/") || path.hasPrefix("/var/run/netns/") else { return nil }
        if name.hasPrefix("cni-"), isUUID(name.dropFirst(4)) { return "containerd" }
        if name.hasPrefix("netns-"), isUUID(name.dropFirst(6)) { return "podman" }
        return isUUID(name) ? "CRI-O" : nil
    }

    private func isUUID(_ text: Substring) -> Bool {
        let groups = text.split(separator: "-", omittingEmptySubsequences: false)
        return groups.map { $0.count } == [8, 4, 4, 4, 12] && groups.joined().allSatisfy { $0.isHexDigit }
    }
}
