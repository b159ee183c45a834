// swift-tools-version: 6.3
import PackageDescription

// One rule set for every Swift target: Swift 6 mode, each unsafe construct marked, no warning let through.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .strictMemorySafety(), .treatAllWarnings(as: .error),
    .enableUpcomingFeature("InternalImportsByDefault"), .enableUpcomingFeature("ExistentialAny"),
]

// The plugin is Embedded Swift (the Makefile sets this): no runtime to start, a third of the size. Its main module has all the
// code, the others' objects are empty, and functions in sections of their own let the linker drop what nobody calls.
let isEmbedded = Context.environment["SWIFTLET_EMBEDDED"] != nil
let main: [SwiftSetting] =
    strict
    + (isEmbedded ? [.enableExperimentalFeature("Embedded"), .unsafeFlags(["-Xfrontend", "-function-sections"])] : [])
let library: [SwiftSetting] = main + (isEmbedded ? [.unsafeFlags(["-Xfrontend", "-emit-empty-object-file"])] : [])

// Tests and what they are made of may use Foundation, whose interfaces are not marked for memory safety.
let tested: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]

// The targets of Tests/FuzzTests run as ordinary tests, and with `make fuzz` under libFuzzer, as one executable.
let fuzzed: [Target.Dependency] = [
    "CNI", "DBus", "DHCP", "IPAM", "JSON", "Net", "Netfilter", "NftSyntax", "Plugins", "TestSupport", "Wire",
]
let fuzzing: Target =
    Context.environment["SWIFTLET_FUZZ"] == nil
    ? .testTarget(
        name: "FuzzTests", dependencies: fuzzed, exclude: ["Engine", "Corpora", "dictionary"], swiftSettings: tested)
    : .executableTarget(
        name: "fuzz", dependencies: fuzzed, path: "Tests/FuzzTests",
        exclude: ["Corpora", "dictionary", "HostileOctetsTests.swift"],
        sources: ["Engine", "Targets"], swiftSettings: tested)

let package = Package(
    name: "swiftlet",
    products: [
        // With the modules whose types are in its interface.
        .library(name: "CNI", targets: ["CNI", "Net", "JSON"]),
        .executable(name: "swiftlet", targets: ["swiftlet"]),
        .executable(name: "swiftletctl", targets: ["swiftletctl"]),
    ],
    traits: [
        .trait(
            name: "SystemLibmnl",
            description: "Link Debian's libmnl dynamically; without it the shim's own subset is compiled in.")
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        .systemLibrary(name: "CJansson"),
        .systemLibrary(name: "CNftables"),
        .target(
            name: "CKernel",
            cSettings: (isEmbedded ? [.define("SWIFTLET_EMBEDDED")] : []) + [
                .define("SWIFTLET_SYSTEM_LIBMNL", .when(traits: ["SystemLibmnl"])),
                .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
            ],
            linkerSettings: [.linkedLibrary("mnl", .when(traits: ["SystemLibmnl"]))]),
        .target(name: "Net", swiftSettings: library),
        .target(name: "JSON", dependencies: ["CJansson", "Posix"], swiftSettings: library),
        .target(name: "Posix", dependencies: ["CKernel"], swiftSettings: library),
        .target(name: "Logging", dependencies: ["Posix"], swiftSettings: library),
        .target(name: "CNI", dependencies: ["Net", "JSON", "Logging", "Posix"], swiftSettings: library),
        .target(name: "Wire", dependencies: ["Net"], swiftSettings: library),
        .target(name: "Kernel", dependencies: ["CKernel", "Logging", "Posix", "Wire", "Net"], swiftSettings: library),
        .target(name: "DBus", dependencies: ["Posix"], swiftSettings: library),
        .target(name: "NftSyntax", dependencies: ["Wire", "Net"], swiftSettings: library),
        .target(name: "IPAM", dependencies: ["Logging", "Posix", "Net"], swiftSettings: library),
        .target(
            name: "Netfilter",
            dependencies: ["Kernel", "NftSyntax", "DBus", "Wire", "Logging", "Posix", "Net", "JSON"],
            swiftSettings: library),
        .target(
            name: "DHCP", dependencies: ["CNI", "Kernel", "Wire", "Posix", "Net", "JSON"], swiftSettings: library),
        .target(name: "Nftables", dependencies: ["CNftables"], swiftSettings: strict),
        .target(
            name: "Plugins",
            dependencies: [
                "CNI", "Kernel", "DBus", "Netfilter", "NftSyntax", "IPAM", "DHCP", "Logging", "Posix", "Net", "JSON",
            ],
            swiftSettings: library),
        // For swiftletctl only: ordinary Swift.
        .target(
            name: "Node",
            dependencies: ["Plugins", "CNI", "Kernel", "Netfilter", "IPAM", "Posix", "Wire", "Net", "JSON"],
            swiftSettings: strict),
        .target(
            name: "Trace", dependencies: ["Node", "Kernel", "Posix", "Wire", "Net"], swiftSettings: strict),
        .executableTarget(
            name: "swiftlet", dependencies: ["Plugins", "DHCP", "CNI", "Posix"], swiftSettings: main),
        // Network configuration files, checked and made: for swiftletctl.
        .target(
            name: "ConfigurationFiles", dependencies: ["Plugins", "CNI", "JSON", "Net", "Posix"],
            swiftSettings: strict),
        // What is wrong with a node: for swiftletctl.
        .target(
            name: "Doctor",
            dependencies: [
                "Node", "ConfigurationFiles", "Plugins", "CNI", "Kernel", "Netfilter", "Nftables", "JSON", "Posix",
                "Wire",
                "Net",
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "swiftletctl",
            dependencies: [
                "Doctor", "Node", "Trace", "ConfigurationFiles", "Plugins", "CNI", "Kernel", "Netfilter", "Nftables",
                "IPAM", "Posix", "Wire", "Net", "JSON",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),

        // A container runtime that does just what section 3 of the specification says: for tests, demo and benchmarks.
        .target(name: "CBench", path: "Tests/Support/CBench"),
        .target(
            name: "ContainerRuntime", dependencies: ["CBench"], path: "Tests/Support/ContainerRuntime",
            swiftSettings: tested),
        .executableTarget(
            name: "cnirun",
            dependencies: [
                "CBench", "ContainerRuntime",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/Support/cnirun", swiftSettings: tested),

        // Uses the store as the tests ask for: to be killed, traced and run many times at once.
        .executableTarget(
            name: "ipam-driver", dependencies: ["IPAM", "Net"], path: "Tests/Support/StoreDriver",
            swiftSettings: tested),
        .testTarget(
            name: "IPAMTests", dependencies: ["IPAM", "Posix", "Net", "ipam-driver"], swiftSettings: tested),
        .testTarget(
            name: "KernelTests", dependencies: ["CKernel", "Posix", "Net", "Wire", "Kernel"], swiftSettings: tested),
        .testTarget(
            name: "NftSyntaxTests", dependencies: ["NftSyntax", "CKernel", "Kernel", "Wire", "Net", "TestSupport"],
            swiftSettings: tested),
        .testTarget(
            name: "NetfilterTests",
            dependencies: ["CKernel", "Posix", "Net", "Wire", "Kernel", "Netfilter", "Nftables"],
            swiftSettings: tested),
        .testTarget(
            name: "NodeTests", dependencies: ["Node", "Plugins", "IPAM", "Netfilter", "Wire", "Net", "Posix"],
            swiftSettings: tested),
        .testTarget(
            name: "ConfigurationFilesTests",
            dependencies: [
                "ConfigurationFiles", "Plugins", "CNI", "JSON", "Net", "Posix", "ContainerRuntime", "TestSupport",
                "swiftletctl",
            ], swiftSettings: tested),
        .testTarget(
            name: "DoctorTests",
            dependencies: ["Doctor", "Node", "JSON", "Net", "Posix"],
            swiftSettings: tested),
        .testTarget(
            name: "TraceTests", dependencies: ["Trace", "Node", "Wire", "Net", "Posix"], swiftSettings: tested),
        .testTarget(name: "PluginsTests", dependencies: ["Plugins"], swiftSettings: tested),
        .testTarget(name: "ClientTests", dependencies: ["ContainerRuntime"], swiftSettings: tested),
        .target(
            name: "TestSupport", dependencies: ["CBench"], path: "Tests/Support/TestSupport", swiftSettings: tested),
        .testTarget(name: "NetTests", dependencies: ["Net", "TestSupport"], swiftSettings: tested),
        .testTarget(name: "JSONTests", dependencies: ["JSON", "Posix", "TestSupport"], swiftSettings: tested),
        .testTarget(name: "WireTests", dependencies: ["Wire", "Net", "TestSupport"], swiftSettings: tested),
        .testTarget(
            name: "DBusTests", dependencies: ["DBus", "Posix", "ContainerRuntime", "TestSupport"],
            swiftSettings: tested),
        .testTarget(
            name: "DHCPTests", dependencies: ["DHCP", "CNI", "JSON", "Posix", "Net", "TestSupport"],
            swiftSettings: tested),
        .testTarget(name: "CNITests", dependencies: ["CNI", "JSON", "Net", "TestSupport"], swiftSettings: tested),
        .testTarget(name: "LoggingTests", dependencies: ["Logging", "Posix"], swiftSettings: tested),
        .testTarget(name: "TidyTests", swiftSettings: tested),
        fuzzing,
        .testTarget(name: "ContainerRuntimeTests", dependencies: ["ContainerRuntime"], swiftSettings: tested),
        // Lets a system call of a plugin go wrong.
        .executableTarget(name: "fault-injector", path: "Tests/Support/FaultInjector"),
        // The built executable against the real kernel, in namespaces of their own.
        .testTarget(
            name: "IntegrationTests", dependencies: ["CBench", "ContainerRuntime", "TestSupport", "fault-injector"],
            swiftSettings: tested),
    ]
)
