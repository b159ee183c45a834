// swift-tools-version: 6.3
import PackageDescription

// The same rules for every Swift target: Swift 6 mode, unsafe constructs must be marked, warnings are errors.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .strictMemorySafety(), .treatAllWarnings(as: .error),
    .enableUpcomingFeature("InternalImportsByDefault"), .enableUpcomingFeature("ExistentialAny"),
]

// The plugin is Embedded Swift (the Makefile sets this): no runtime to start, a third of the size. Its main module contains
// all the code, and the other objects are empty. Each function has its own section, so the linker can drop unused ones.
let isEmbedded = Context.environment["SWIFTLET_EMBEDDED"] != nil
let main: [SwiftSetting] =
    strict
    + (isEmbedded ? [.enableExperimentalFeature("Embedded"), .unsafeFlags(["-Xfrontend", "-function-sections"])] : [])
let library: [SwiftSetting] = main + (isEmbedded ? [.unsafeFlags(["-Xfrontend", "-emit-empty-object-file"])] : [])

// Tests and their support modules may use Foundation, whose interfaces are not marked for memory safety.
let tested: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]

/// The floors (layers) of Sources, from the bottom up. A module may import only from its own floor and those below, and only
/// what its line here lists: TidyTests checks the code and ARCHITECTURE.md against these lines.
func base(_ name: String, _ uses: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: uses, path: "Sources/Base/\(name)", swiftSettings: library)
}
func kernel(_ name: String, _ uses: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: uses, path: "Sources/Kernel/\(name)", swiftSettings: library)
}
func plugin(_ name: String, _ uses: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: uses, path: "Sources/Plugin/\(name)", swiftSettings: library)
}
/// Ordinary Swift, for the agent.
func cluster(_ name: String, _ uses: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: uses, path: "Sources/Cluster/\(name)", swiftSettings: strict)
}
/// Ordinary Swift, for swiftletctl only.
func tool(_ name: String, _ uses: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: uses, path: "Sources/Tools/\(name)", swiftSettings: strict)
}
func tests(_ floor: String, _ name: String, _ uses: [Target.Dependency] = [], data: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: uses, path: "Tests/\(floor)/\(name)", exclude: data, swiftSettings: tested)
}
/// Modules that tests share.
func support(_ name: String, _ uses: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: uses, path: "Tests/Support/\(name)", swiftSettings: tested)
}
func supportProgram(_ name: String, in folder: String, _ uses: [Target.Dependency] = []) -> Target {
    .executableTarget(name: name, dependencies: uses, path: "Tests/Support/\(folder)", swiftSettings: tested)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioHelpers = Target.Dependency.product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let swiftLog = Target.Dependency.product(name: "Logging", package: "swift-log")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

// The targets of FuzzTests run as ordinary tests, and under libFuzzer with `make fuzz`, as one executable.
let fuzzed: [Target.Dependency] = [
    "Addresses", "Attachments", "CNI", "DBus", "DHCP", "IPAM", "JSON", "Netfilter", "NetlinkCodec", "NftSyntax",
    "Plugins", "TestSupport",
]
let fuzzing: Target =
    Context.environment["SWIFTLET_FUZZ"] == nil
    ? .testTarget(
        name: "FuzzTests", dependencies: fuzzed, path: "Tests/Whole/FuzzTests",
        exclude: ["Engine", "Corpora", "dictionary"], swiftSettings: tested)
    : .executableTarget(
        name: "fuzz", dependencies: fuzzed, path: "Tests/Whole/FuzzTests",
        exclude: ["Corpora", "dictionary", "HostileOctetsTests.swift"],
        sources: ["Engine", "Targets"], swiftSettings: tested)

let package = Package(
    name: "swiftlet",
    products: [
        // Includes the modules whose types appear in its interface.
        .library(name: "CNI", targets: ["CNI", "Addresses", "Attachments", "JSON"]),
        .executable(name: "swiftlet", targets: ["swiftlet"]),
        .executable(name: "swiftletctl", targets: ["swiftletctl"]),
        .executable(name: "swiftlet-agent", targets: ["swiftlet-agent"]),
    ],
    traits: [
        .trait(
            name: "SystemLibmnl",
            description: "Link Debian's libmnl dynamically; without it the shim's own subset is compiled in.")
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "CJansson", path: "Sources/Base/CJansson"),
        .target(
            name: "CKernel", path: "Sources/Base/CKernel",
            cSettings: (isEmbedded ? [.define("SWIFTLET_EMBEDDED")] : []) + [
                .define("SWIFTLET_SYSTEM_LIBMNL", .when(traits: ["SystemLibmnl"])),
                .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
            ],
            linkerSettings: [.linkedLibrary("mnl", .when(traits: ["SystemLibmnl"]))]),
        base("Addresses"),
        base("Attachments"),
        base("Posix", ["CKernel"]),
        base("EventLog", ["Posix"]),
        base("Spelling"),
        base("Files", ["EventLog", "Posix"]),
        base("JSON", ["CJansson", "Posix"]),

        kernel("NetlinkCodec", ["Addresses"]),
        kernel("Kernel", ["Addresses", "CKernel", "Files", "EventLog", "NetlinkCodec", "Posix"]),

        plugin("CNI", ["Addresses", "Attachments", "JSON", "EventLog", "Posix"]),
        plugin("DBus", ["Posix"]),
        plugin("NftSyntax", ["Addresses", "NetlinkCodec"]),
        plugin("IPAM", ["Addresses", "Attachments", "Files", "Posix"]),
        plugin(
            "Netfilter",
            [
                "Addresses", "Attachments", "DBus", "Files", "JSON", "Kernel", "EventLog", "NetlinkCodec", "NftSyntax",
                "Posix",
            ]),
        plugin("DHCP", ["Addresses", "Attachments", "CNI", "Files", "JSON", "Kernel", "NetlinkCodec", "Posix"]),
        plugin(
            "Plugins",
            [
                "Addresses", "Attachments", "CNI", "DHCP", "Files", "IPAM", "JSON", "Kernel", "EventLog", "Netfilter",
                "NetlinkCodec", "NftSyntax", "Posix",
            ]),
        .executableTarget(
            name: "swiftlet", dependencies: ["CNI", "DHCP", "Plugins", "Posix"], path: "Sources/Plugin/swiftlet",
            swiftSettings: main),

        cluster("ClusterState", ["Addresses"]),
        cluster("NodeRoutes", ["Addresses", "ClusterState", "NetlinkCodec"]),
        cluster("ServicePlan", ["Addresses", "ClusterState"]),
        cluster("ServiceReconciler", ["Addresses", "ClusterState", "Kernel", "NetlinkCodec", "Posix", "ServicePlan"]),
        cluster("RouteReconciler", ["Kernel", "NetlinkCodec", "NodeRoutes", "Posix"]),
        cluster(
            "NodeNetwork",
            [
                "Addresses", "ClusterState", "EventLog", "Kernel", "NetlinkCodec", "NodeRoutes", "Posix",
                "RouteReconciler",
            ]),
        cluster(
            "NodeServices",
            [
                "ClusterState", "EventLog", "Kernel", "NetlinkCodec", "NodeNetwork", "Posix", "ServicePlan",
                "ServiceReconciler",
            ]),
        cluster("PluginConfiguration", ["Addresses", "Files", "Posix"]),
        cluster(
            "AgentConfiguration",
            [
                "Addresses", "EngineHTTP", "NodeNetwork", "NodeRoutes", "PluginConfiguration", "Posix", "ServicePlan",
                "Spelling",
                yams,
            ]),
        cluster("AgentStatus", ["ClusterEngine", nioCore, nioHTTP1, nioPosix]),
        .executableTarget(
            name: "swiftlet-agent",
            dependencies: [
                "Addresses", "AgentConfiguration", "AgentStatus", "ClusterEngine", "EngineHTTP", "EtcdEngine",
                "EventLog",
                "Files", "KubernetesEngine", "NodeNetwork", "NodeServices", "PluginConfiguration", "Posix",
                "ServicePlan", argumentParser,
                serviceLifecycle,
                swiftLog,
            ],
            path: "Sources/Cluster/swiftlet-agent", swiftSettings: strict),
        cluster("ClusterEngine", ["Addresses", "ClusterState"]),
        cluster(
            "EngineHTTP",
            ["ClusterEngine", "Posix", asyncHTTPClient, nioCore, nioHTTP1, nioPosix, nioSSL, nioHelpers]),
        cluster("EtcdEngine", ["Addresses", "ClusterEngine", "ClusterState", "EngineHTTP", nioCore]),
        cluster(
            "KubernetesEngine",
            ["Addresses", "ClusterEngine", "ClusterState", "EngineHTTP", nioCore, nioHelpers, yams]),

        .systemLibrary(name: "CLibnftables", path: "Sources/Tools/CLibnftables"),
        tool("Libnftables", ["CLibnftables"]),
        tool(
            "Inventory",
            [
                "Addresses", "Attachments", "CNI", "Files", "IPAM", "JSON", "Kernel", "Netfilter", "NetlinkCodec",
                "Plugins", "Posix",
            ]),
        tool("Presentation", ["Addresses", "Attachments", "Inventory"]),
        tool(
            "Reclaiming",
            [
                "Addresses", "Attachments", "CNI", "IPAM", "Inventory", "JSON", "Kernel", "Netfilter", "Plugins",
                "Posix",
            ]),
        tool("PacketRules", ["Addresses", "Inventory", "Kernel", "NetlinkCodec", "Posix"]),
        tool(
            "Trace",
            [
                "Addresses", "Attachments", "Files", "Inventory", "Kernel", "Netfilter", "NetlinkCodec", "PacketRules",
                "Posix", "Presentation",
            ]),
        tool("ConfigurationFiles", ["Addresses", "CNI", "Files", "JSON", "Plugins", "Posix", "Spelling"]),
        tool(
            "Doctor",
            [
                "Addresses", "CNI", "ConfigurationFiles", "Files", "Inventory", "IPAM", "JSON", "Kernel", "Netfilter",
                "NetlinkCodec", "PacketRules", "Plugins", "Posix", "Presentation", "Reclaiming",
            ]),
        .executableTarget(
            name: "swiftletctl",
            dependencies: [
                "Addresses", "Attachments", "CNI", "ConfigurationFiles", "Doctor", "Files", "Inventory", "Kernel",
                "Libnftables", "Netfilter", "PacketRules", "Plugins", "Posix", "Presentation", "Reclaiming", "Trace",
                argumentParser,
            ],
            path: "Sources/Tools/swiftletctl", swiftSettings: strict),

        // A container runtime that follows section 3 of the specification exactly: for tests, demo and benchmarks.
        .target(name: "CBench", path: "Tests/Support/CBench"),
        support("ContainerRuntime", ["CBench"]),
        support("TestSupport", ["CBench"]),
        support(
            "InventorySupport",
            ["Addresses", "Attachments", "IPAM", "Inventory", "Netfilter", "NetlinkCodec", "Plugins", "Posix"]),
        // Builds rules in the form in which the kernel lists them.
        support("ListedRules", ["NetlinkCodec", "PacketRules"]),
        supportProgram("cnirun", in: "cnirun", ["CBench", "ContainerRuntime", argumentParser]),
        // Runs store operations for tests, which kill it, trace it and run many instances at once.
        supportProgram("ipam-driver", in: "StoreDriver", ["Addresses", "Attachments", "IPAM"]),
        // Writes a file; tests kill it while it does.
        supportProgram("file-driver", in: "FileDriver", ["Files", "Posix"]),
        // Waits for a lock in the same way as a plugin.
        supportProgram("lock-driver", in: "LockDriver", ["Posix"]),
        // Makes a system call of a program fail.
        supportProgram("fault-injector", in: "FaultInjector"),

        tests("Base", "AddressesTests", ["Addresses", "TestSupport"]),
        tests("Base", "AttachmentsTests", ["Attachments", "TestSupport"]),
        tests("Base", "FilesTests", ["Files", "Posix", "fault-injector", "file-driver"]),
        tests("Base", "JSONTests", ["JSON", "Posix", "TestSupport"]),
        tests("Base", "EventLogTests", ["EventLog", "Posix"]),
        tests("Base", "PosixTests", ["Posix", "lock-driver"]),
        tests("Kernel", "NetlinkCodecTests", ["Addresses", "NetlinkCodec", "TestSupport"]),
        tests(
            "Kernel", "KernelTests",
            ["Addresses", "CKernel", "Kernel", "EventLog", "NetlinkCodec", "Posix", "TestSupport"]),
        tests("Plugin", "CNITests", ["Addresses", "CNI", "JSON", "TestSupport"]),
        tests("Plugin", "DBusTests", ["ContainerRuntime", "DBus", "Posix", "TestSupport"]),
        tests("Plugin", "DHCPTests", ["Addresses", "Attachments", "CNI", "DHCP", "JSON", "Posix", "TestSupport"]),
        tests("Plugin", "IPAMTests", ["Addresses", "Attachments", "IPAM", "Posix", "TestSupport", "ipam-driver"]),
        tests(
            "Plugin", "NetfilterTests",
            ["Addresses", "CKernel", "Kernel", "Libnftables", "Netfilter", "NetlinkCodec", "Posix", "TestSupport"]),
        tests(
            "Plugin", "NftSyntaxTests", ["Addresses", "CKernel", "Kernel", "NetlinkCodec", "NftSyntax", "TestSupport"]),
        tests(
            "Plugin", "PluginsTests",
            ["Addresses", "Attachments", "CNI", "JSON", "Kernel", "NetlinkCodec", "Plugins", "Posix", "TestSupport"],
            data: ["Conversations"]),
        tests("Cluster", "ClusterStateTests", ["Addresses", "ClusterState", "TestSupport"]),
        // Its real API server: scripts/build-kubernetes build/kubernetes.
        tests(
            "Cluster", "KubernetesEngineTests",
            [
                "Addresses", "ClusterEngine", "ClusterState", "EngineHTTP", "KubernetesEngine", "TestSupport", nioCore,
                nioHelpers,
            ]),
        tests(
            "Cluster", "NodeRoutesTests", ["Addresses", "ClusterState", "NetlinkCodec", "NodeRoutes", "TestSupport"]),
        tests(
            "Cluster", "RouteReconcilerTests",
            [
                "Addresses", "ClusterState", "Kernel", "NetlinkCodec", "NodeRoutes", "Posix", "RouteReconciler",
                "TestSupport",
            ]),
        tests("Cluster", "ServicePlanTests", ["Addresses", "ClusterState", "ServicePlan", "TestSupport"]),
        tests(
            "Cluster", "ServiceReconcilerTests",
            [
                "Addresses", "ClusterState", "Kernel", "Libnftables", "NetlinkCodec", "Posix", "ServicePlan",
                "ServiceReconciler", "TestSupport",
            ]),
        tests(
            "Cluster", "NodeNetworkTests",
            ["Addresses", "ClusterState", "Kernel", "NodeNetwork", "NodeRoutes", "Posix", "TestSupport"]),
        tests("Cluster", "PluginConfigurationTests", ["Addresses", "PluginConfiguration", "Posix"]),
        tests(
            "Cluster", "AgentConfigurationTests",
            ["Addresses", "AgentConfiguration", "NodeNetwork", "NodeRoutes", "Posix"]),
        tests(
            "Cluster", "EtcdEngineTests",
            ["Addresses", "ClusterEngine", "ClusterState", "EngineHTTP", "EtcdEngine", "TestSupport"]),
        tests(
            "Tools", "ConfigurationFilesTests",
            [
                "Addresses", "CNI", "ConfigurationFiles", "ContainerRuntime", "JSON", "Plugins", "Posix", "TestSupport",
                "swiftletctl",
            ]),
        tests(
            "Tools", "DoctorTests",
            [
                "Addresses", "Attachments", "Doctor", "Inventory", "JSON", "ListedRules", "NetlinkCodec", "PacketRules",
                "Posix", "TestSupport",
            ]),
        tests(
            "Tools", "InventoryTests",
            [
                "Addresses", "Attachments", "IPAM", "Inventory", "InventorySupport", "Netfilter", "NetlinkCodec",
                "Posix",
            ]),
        tests(
            "Tools", "PresentationTests",
            ["Addresses", "Attachments", "Inventory", "InventorySupport", "Netfilter", "Presentation"]),
        tests(
            "Tools", "ReclaimingTests",
            ["Addresses", "Attachments", "IPAM", "Inventory", "InventorySupport", "Posix", "Reclaiming"]),
        tests(
            "Tools", "PacketRulesTests",
            ["Addresses", "Inventory", "ListedRules", "NetlinkCodec", "PacketRules", "TestSupport"]),
        tests(
            "Tools", "TraceTests",
            ["Addresses", "Attachments", "Inventory", "ListedRules", "NetlinkCodec", "PacketRules", "Posix", "Trace"]),
        tests("Whole", "ClientTests", ["ContainerRuntime", "TestSupport"]),
        tests("Whole", "ContainerRuntimeTests", ["ContainerRuntime", "TestSupport"]),
        fuzzing,
        // The built executable against the real kernel, in separate namespaces.
        tests("Whole", "IntegrationTests", ["CBench", "ContainerRuntime", "TestSupport", "fault-injector"]),
        tests("Whole", "TidyTests", ["TestSupport"]),
    ]
)
