import ContainerRuntime
import Foundation
import TestSupport
import Testing

/// What these tests need of the machine, and where they find what was built.
enum Requirements {
    static let packageRoot = repository.path

    /// Where `make` leaves the plugin and its other names.
    static let bin = ProcessInfo.processInfo.environment["SWIFTLET_BIN_DIR"] ?? packageRoot + "/build/bin"
    /// Where `make LINK=system` does.
    static let systemBin =
        ProcessInfo.processInfo.environment["SWIFTLET_SYSTEM_BIN_DIR"] ?? packageRoot + "/build/system/bin"
    static let referenceBin = referencePlugins
    /// Of the specification, that those speak.
    static let referenceVersions: [String] = {
        let outcome = try? Launcher().run("\(referenceBin)/host-local", environment: ["CNI_COMMAND": "VERSION"])
        return outcome?.json?["supportedVersions"]?.array?.compactMap(\.string) ?? []
    }()
    /// The newest of these.
    static let referenceVersion = referenceVersions.last ?? "1.0.0"

    /// Why the tests cannot run here, in words for whoever started them; nil when they can.
    static let problem: String? = {
        guard geteuid() == 0 else {
            return "the integration tests make network namespaces and need root: sudo make test"
        }
        for name in ["swiftlet", "bridge", "host-local", "loopback"] where !isExecutable("\(bin)/\(name)") {
            return "\(bin)/\(name) is missing: run make first, or set SWIFTLET_BIN_DIR"
        }
        let tools = [
            "ip", "nsenter", "unshare", "ping", "strace", "readelf", "make", "gcc", "nft", "iptables-nft", "conntrack",
            "dnsmasq",
            "tc",
            "iperf3",
        ]
        let missing = tools.filter { tool in
            !["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin"].contains { isExecutable("\($0)/\(tool)") }
        }
        guard missing.isEmpty else { return "missing: \(missing.joined(separator: ", ")): run scripts/setup test" }
        guard isExecutable("\(referenceBin)/bridge") else {
            return "\(referenceBin) lacks the reference plugins: run scripts/setup test"
        }
        return nil
    }()

    static func isExecutable(_ path: String) -> Bool { access(path, X_OK) == 0 }
}

extension Trait where Self == ConditionTrait {
    /// For every suite here; ``RequirementTests`` says once what is wrong where it is not met.
    static var realKernel: Self { .enabled(if: Requirements.problem == nil, "see RequirementTests") }

    /// For what measures rates and times: scripts/test runs these again, one at a time and with nothing beside them.
    static var alone: Self {
        .enabled(
            if: ProcessInfo.processInfo.environment["SWIFTLET_ALONE"] == "1", "measures; scripts/test runs it alone")
    }
}

@Suite struct RequirementTests {
    @Test func rootTheBuiltPluginAndTheToolsAreHere() {
        if let problem = Requirements.problem { Issue.record("\(problem)") }
    }
}
