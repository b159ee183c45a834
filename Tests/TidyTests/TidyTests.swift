import Foundation
import Testing

private let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

/// The files of the repository below a folder, by their path from the root.
private func files(_ folder: String, _ ending: String) throws -> [(path: String, text: String)] {
    let base = root.appending(path: folder)
    return try (FileManager.default.subpathsOfDirectory(atPath: base.path)).filter { $0.hasSuffix(ending) }.sorted()
        .map { (folder + "/" + $0, try String(contentsOf: base.appending(path: $0), encoding: .utf8)) }
}

/// Rules of the house that no compiler knows.
@Suite struct TidyTests {
    /// What each module may import of ours: ARCHITECTURE.md's list. Imports point down it only.
    static let layers: [String: Set<String>] = [
        "Posix": ["CKernel"], "Net": [], "JSON": ["CJansson", "Posix"], "CNI": ["Logging", "Posix", "Net", "JSON"],
        "Logging": ["Posix"],
        "Wire": ["Net"],
        "Kernel": ["CKernel", "Logging", "Posix", "Wire", "Net"], "DBus": ["Posix"], "NftSyntax": ["Wire", "Net"],
        "Netfilter": ["Kernel", "NftSyntax", "DBus", "Wire", "Logging", "Posix", "Net", "JSON"],
        "IPAM": ["Logging", "Posix", "Net"],
        "DHCP": ["CNI", "Kernel", "Wire", "Posix", "Net", "JSON"],
        "Plugins": [
            "CNI", "Kernel", "DBus", "Netfilter", "NftSyntax", "IPAM", "DHCP", "Logging", "Posix", "Wire", "Net",
            "JSON",
        ],
        "Nftables": ["CNftables", "Glibc"],
        "Trace": ["Node", "Kernel", "Posix", "Wire", "Net"],
        "Node": ["Plugins", "CNI", "Kernel", "Netfilter", "IPAM", "Posix", "Wire", "Net", "JSON"],
        "Doctor": [
            "Node", "ConfigurationFiles", "Plugins", "CNI", "Kernel", "Netfilter", "Nftables", "IPAM", "JSON", "Posix",
            "Wire", "Net", "Synchronization",
        ],
        "swiftlet": ["Plugins", "DHCP", "CNI", "Posix"],
        "ConfigurationFiles": ["Plugins", "CNI", "JSON", "Net", "Posix", "Synchronization"],
        "swiftletctl": [
            "Doctor", "Node", "Trace", "ConfigurationFiles", "Plugins", "CNI", "Kernel", "Netfilter", "Nftables",
            "IPAM", "Posix",
            "Wire", "Net", "JSON",
            "ArgumentParser", "FoundationEssentials",
        ],
    ]

    private func imports(_ text: String) -> Set<String> {
        Set(
            text.split(separator: "\n").compactMap { line in
                let words = line.split(separator: " ")
                guard let position = words.firstIndex(of: "import"), position <= 2, words.count > position + 1,
                    words[..<position].allSatisfy({ ["public", "internal", "@testable"].contains($0) })
                else { return nil }
                return String(words[position + 1])
            })
    }

    @Test(arguments: layers.keys.sorted())
    func importsPointDown(_ module: String) throws {
        let sources = try files("Sources/\(module)", ".swift")
        #expect(!sources.isEmpty)
        for source in sources {
            let foreign = imports(source.text).subtracting(Self.layers[module]!)
            #expect(foreign.isEmpty, "\(source.path) imports \(foreign.sorted())")
        }
    }

    @Test func everyModuleHasItsLayer() throws {
        let modules = try FileManager.default.contentsOfDirectory(atPath: root.appending(path: "Sources").path)
        #expect(Set(modules).subtracting(["CKernel", "CJansson", "CNftables"]) == Set(Self.layers.keys))
    }

    @Test func cAndUnsafeCodeStayInTheirRooms() throws {
        let allowed = [
            "Sources/Posix/", "Sources/Kernel/", "Sources/JSON/Jansson.swift", "Sources/Nftables/",
            "Sources/Logging/Log.swift",
        ]
        for source in try files("Sources", ".swift") where source.text.contains("unsafe ") {
            #expect(allowed.contains { source.path.hasPrefix($0) }, "\(source.path) has unsafe code")
        }
    }

    @Test func filesStaySmall() throws {
        for source in try files("Sources", ".swift") {
            let lines = source.text.split(separator: "\n", omittingEmptySubsequences: false).count
            #expect(lines <= 400, "\(source.path) has \(lines) lines")
        }
    }

    @Test func linksInDocumentsLeadSomewhere() throws {
        let documents =
            try files("docs", ".md") + files("cni-conf", ".md") + files("Benchmarks", ".md")
            + ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md"].map {
                ($0, try String(contentsOf: root.appending(path: $0), encoding: .utf8))
            }
        for document in documents {
            for match in document.text.matches(of: /\]\(([^)#\s]+)[^)]*\)/) where !match.1.hasPrefix("http") {
                let target = root.appending(path: document.path).deletingLastPathComponent()
                    .appending(path: String(match.1))
                #expect(FileManager.default.fileExists(atPath: target.path), "\(document.path) links to \(match.1)")
            }
        }
    }

    /// What the README tells people to type is a target of the Makefile.
    @Test func commandsInTheReadmeExist() throws {
        let makefile = try String(contentsOf: root.appending(path: "Makefile"), encoding: .utf8)
        let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        let targets = readme.matches(of: /(?m)^(?:sudo )?make ([a-z-]+)/).map { String($0.1) }
        #expect(Set(targets).isSuperset(of: ["demo", "test", "install"]))
        for target in targets { #expect(makefile.contains("\n\(target):"), "make \(target)") }
    }
}
