internal import Inventory

extension Check {
    static let configuration = [
        Check("configuration-invalid", .problem, "every file of the configuration directory is valid") {
            $0.invalid
        },
        Check("configuration-shadowed", .warning, "no file is hidden by another") { $0.shadowed },
        Check("plugin-missing", .problem, "the plugins that configurations name are installed and executable") {
            $0.missingPlugins
        },
        Check("plugin-not-ready", .problem, "each plugin's STATUS says that it is ready") { $0.unready },
    ]
}

extension Examination {
    fileprivate var invalid: [Symptom] {
        facts.files.flatMap { file in
            file.problem.map {
                [Symptom(file.path, "it is not a network configuration: \($0)", advice: "correct it, or move it away")]
            }
                ?? file.mistakes.map {
                    Symptom(file.path, $0, advice: "correct it; swiftletctl conf validate \(file.path) says more")
                }
        }
    }

    fileprivate var shadowed: [Symptom] {
        var found: [Symptom] = []
        let usable = facts.files.filter { $0.problem == nil }
        for (position, file) in usable.enumerated() {
            if let first = usable[..<position].first(where: { $0.network == file.network }) {
                found.append(
                    Symptom(
                        file.path,
                        "network \(file.network ?? "") is already configured by \(first.name), which runtimes use",
                        advice: "keep one of the two"))
            } else if position == 1 {
                let others = list(usable[1...].map { $0.name })
                found.append(
                    Symptom(
                        file.path,
                        "containerd and CRI-O take the first file only, which is \(usable[0].name); not \(others)",
                        advice: "leave it so where podman, nerdctl or Multus use the others; else move them away",
                        severity: .note))
            }
        }
        return found
    }

    fileprivate var missingPlugins: [Symptom] {
        var found: [Symptom] = []
        for file in facts.files where file.problem == nil {
            let missing = file.types.filter { facts.programs[$0] == .missing }
            if !missing.isEmpty {
                found.append(
                    Symptom(
                        file.path,
                        "it names \(list(missing)), which \(facts.binaries) does not have: no pod can be attached",
                        advice: "install what is missing, or give the runtime's plugin directory by --bin-dir"))
            }
            for type in file.types where facts.programs[type] == .notExecutable {
                found.append(
                    Symptom(
                        file.path, "\(facts.binaries)/\(type), which it names, cannot be executed",
                        advice: "chmod 755 \(facts.binaries)/\(type), or install it again"))
            }
        }
        return found
    }

    fileprivate var unready: [Symptom] {
        let gateways = missingGateways
        return facts.notReady.filter { answer in
            // Each of these has its own check: foreign firewalls, full pools, missing plugins, a gateway's address that is another.
            !gateways.contains { answer.text.hasPrefix("\"\($0.subject)\" already has an IP address") }
                && answer.code != 51 && !answer.text.hasPrefix("no IP addresses available")
                && facts.files.first { $0.path == answer.file }?.types.contains { facts.programs[$0] == .missing }
                    != true
        }.map { answer in
            Symptom(
                answer.file, "its plugin \(answer.type) is not ready: \(answer.text)",
                advice: "correct that; until then ADD fails")
        }
    }
}
