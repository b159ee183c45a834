import ContainerRuntime
import Foundation

/// The systems of one session, each with its own data directory, and what is missing of them.
struct Contenders {
    static let reference = "reference (Go)"
    static let floor = "floor (C, raw netlink)"
    private(set) var systems: [any System] = []
    private(set) var missing: Set<String> = []

    init(bench: Bench, reservations: Int, machine: Machine) {
        let files = FileManager.default
        func add(_ name: String, _ needed: String?, _ make: (String) throws -> any System) {
            guard let needed, files.isExecutableFile(atPath: needed) else {
                let reason = needed.map { "no \(URL(fileURLWithPath: $0).lastPathComponent) where it was looked for" }
                missing.insert("\(name): \(reason ?? "not given")")
                return
            }
            let data = "\(machine.directory)/data-\(reservations)-\(systems.count)"
            do {
                let system = try make(data)
                try Reservations.fill(system.store, count: reservations)
                systems.append(system)
            } catch {
                missing.insert("\(name): \(error)")
            }
        }
        func plugin(_ name: String, _ bin: String?, _ executable: String, _ conf: String) {
            add(name, bin.map { "\($0)/\(executable)" }) { data in
                try PluginSystem(name: name, bin: absolute(bin ?? ""), conf: "\(bench.conf)/\(conf)", data: data)
            }
        }
        plugin("swiftlet", bench.swiftlet, "swiftlet", "swiftlet.conflist")
        plugin("swiftlet as bridge + host-local", bench.dropIn, "bridge", "bridge.conflist")
        plugin(Self.reference, bench.reference, "bridge", "bridge.conflist")
        add(Self.floor, bench.floor) { data in
            try FloorSystem(program: bench.floor, data: data, reservations: reservations)
        }
    }
}
