import ContainerRuntime
import Foundation

/// The time that every plugin takes to start and answer: VERSION, and an ADD with nothing to do. Our plugins and the
/// reference's run alternately.
struct Starts {
    /// The plugins that exist in both.
    static let types = [
        "bandwidth", "bridge", "dhcp", "dummy", "firewall", "host-device", "host-local", "ipvlan", "loopback",
        "macvlan",
        "portmap", "ptp", "sbr", "static", "tap", "tuning", "vlan", "vrf",
    ]

    /// With these keys, after a plugin that has attached the pod, an ADD changes nothing.
    static let idle: [String: JSONValue] = [
        "bandwidth": [:], "loopback": [:], "portmap": ["capabilities": ["portMappings": true]], "tuning": [:],
        "static": ["ipam": ["type": "static", "addresses": [["address": "10.1.0.5/16"]]]],
    ]

    private let machine: Machine
    private let systems: [(name: String, bin: String)]
    private var measurements = Measurements()

    init(_ machine: Machine, ours: String?, reference: String) {
        self.machine = machine
        systems = (ours.map { [(Contenders.chain, $0)] } ?? []) + [(Contenders.reference, reference)]
    }

    mutating func run(rounds: Int) throws {
        let netns = try machine.create("starts")
        defer { machine.remove(netns) }
        for round in 0...rounds {
            for type in Starts.types.shuffled() {
                for (system, bin) in systems.shuffled()
                where FileManager.default.isExecutableFile(atPath: "\(bin)/\(type)") {
                    for verb in [Verb.version, .add] {
                        guard let outcome = try start("\(bin)/\(type)", type, verb, netns), round > 0 else { continue }
                        // The first round loads the executables into memory.
                        measurements.add(
                            Sample(
                                round: round, subject: Subject(system: system, conf: type, pods: 0), verb: verb,
                                wall: outcome.wall, user: outcome.user, kernel: outcome.system))
                    }
                }
            }
        }
    }

    /// - Returns: nil if the plugin's ADD would have something to do.
    private func start(_ path: String, _ type: String, _ verb: Verb, _ netns: String) throws -> ProcessOutcome? {
        var input: JSONValue = ["cniVersion": "1.0.0"]
        if verb == .add {
            guard let keys = Starts.idle[type] else { return nil }
            let previous: JSONValue = [
                "cniVersion": "1.0.0", "interfaces": [["name": "lo", "sandbox": .string(netns)]],
                "ips": [["address": "10.1.0.5/16", "interface": 0]],
            ]
            let common: [String: JSONValue] = [
                "cniVersion": "1.0.0", "name": "starts", "type": .string(type), "prevResult": previous,
            ]
            input = .object(common.merging(keys.object ?? [:]) { _, own in own })
        }
        let outcome = try Launcher().run(
            path,
            environment: [
                "CNI_COMMAND": verb.rawValue, "CNI_CONTAINERID": "starts", "CNI_NETNS": netns, "CNI_IFNAME": "lo",
                "CNI_PATH": URL(fileURLWithPath: path).deletingLastPathComponent().path, "PATH": "/usr/sbin:/usr/bin",
            ],
            stdin: input.bytes)
        guard outcome.exit.isSuccess else {
            throw VerificationError("\(verb.rawValue) of \(path): \(String(decoding: outcome.stdout, as: UTF8.self))")
        }
        return outcome
    }

    var samples: [Sample] { measurements.samples }

    /// The aim: at most this multiple of the reference's time.
    private static let wanted = 0.8

    var markdown: [String] {
        let columns = [Verb.version, .add]
        var lines = [
            "The start of every plugin: VERSION, and an ADD that has nothing to do; medians in ms. The aim is at most "
                + "\(Starts.wanted) times the reference.", "",
            "| plugin | VERSION | reference | times | ADD | reference | times | |", "|---|--:|--:|--:|--:|--:|--:|---|",
        ]
        for type in Starts.types {
            let (mine, theirs) = (
                Subject(system: Contenders.chain, conf: type, pods: 0),
                Subject(system: Contenders.reference, conf: type, pods: 0)
            )
            let ratios = columns.map { measurements.ratio(mine, to: theirs, $0) }
            let cells = zip(columns, ratios).flatMap { verb, ratio in
                [measurements.median(mine, verb)?.cell, measurements.median(theirs, verb)?.cell]
                    .map { $0 ?? "" } + [ratio.map { String(format: "%.2f", $0) } ?? ""]
            }
            let known = ratios.compactMap(\.self)
            let verdict = known.isEmpty ? "" : known.allSatisfy { $0 <= Starts.wanted } ? "met" : "**not met**"
            lines.append("| `\(type)` | \(cells.joined(separator: " | ")) | \(verdict) |")
        }
        return lines + [""]
    }
}
