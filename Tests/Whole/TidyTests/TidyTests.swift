import Foundation
import TestSupport
import Testing

private let root = repository

/// The files of the repository below a folder, by their path from the root.
private func files(_ folder: String, _ ending: String) throws -> [(path: String, text: String)] {
    let base = root.appending(path: folder)
    return try (FileManager.default.subpathsOfDirectory(atPath: base.path)).filter { $0.hasSuffix(ending) }.sorted()
        .map { (folder + "/" + $0, try String(contentsOf: base.appending(path: $0), encoding: .utf8)) }
}

/// Rules of the house that no compiler knows.
@Suite struct TidyTests {
    /// What stands in Package.swift of one module under Sources: its folder, and what it may import of ours.
    struct Module {
        let path: String
        let uses: Set<String>
    }

    /// The graph of imports, as Package.swift has it: lines such as `kernel("NAME", ["A", "B"])`, of one floor each.
    static let modules: [String: Module] = {
        let manifest = try! String(contentsOf: root.appending(path: "Package.swift"), encoding: .utf8)
        var modules: [String: Module] = [:]
        // `let nioCore = Target.Dependency.product(name: "NIOCore", ...)`
        let products = Dictionary(
            uniqueKeysWithValues: manifest.matches(of: /let (\w+) = Target\.Dependency\.product\(name: "(\w+)"/).map {
                ($0.1, String($0.2))
            })
        let names = { (list: Substring) in
            Set(list.matches(of: /"([A-Za-z]+)"|(\w+)/).compactMap { $0.1.map(String.init) ?? products[$0.2!] })
        }
        for match in manifest.matches(of: /\b(base|kernel|plugin|cluster|tool)\(\s*"(\w+)"(?:,\s*\[([^\]]*)\])?\s*\)/) {
            let floor = match.1 == "tool" ? "Tools" : match.1.capitalized
            modules[String(match.2)] = Module(path: "Sources/\(floor)/\(match.2)", uses: names(match.3 ?? ""))
        }
        let program = /executableTarget\(\s*name: "([\w-]+)",\s*dependencies: \[([^\]]*)\],\s*path: "(Sources[\w\/-]*)"/
        for match in manifest.matches(of: program) {
            modules[String(match.1)] = Module(path: String(match.3), uses: names(match.2))
        }
        return modules
    }()

    /// What comes with the toolchain, and who may use it.
    static func isOfTheToolchain(_ name: String, in module: Module) -> Bool {
        // Atomics, which Embedded Swift has too.
        if name == "Synchronization", module.path.hasPrefix("Sources/Base/") || module.path.hasPrefix("Sources/Kernel/")
        {
            return true
        }
        if module.path.hasPrefix("Sources/Cluster/") {
            return ["Foundation", "FoundationEssentials", "Synchronization"].contains(name)
        }
        guard module.path.hasPrefix("Sources/Tools/") else { return false }
        return ["FoundationEssentials", "Glibc", "Synchronization"].contains(name)
    }

    private func imports(_ text: String) -> Set<String> {
        Set(
            text.split(separator: "\n").compactMap { line in
                let words = line.split(separator: " ")
                guard let position = words.firstIndex(of: "import"), position <= 2, words.count > position + 1,
                    words[..<position].allSatisfy({ ["public", "package", "internal", "@testable"].contains($0) })
                else { return nil }
                return String(words[position + 1])
            })
    }

    @Test(arguments: modules.keys.sorted())
    func whatIsDeclaredIsUsedAndWhatIsUsedIsDeclared(_ name: String) throws {
        let module = Self.modules[name]!
        let sources = try files(module.path, ".swift")
        #expect(!sources.isEmpty)
        var used: Set<String> = []
        for source in sources {
            let imported = imports(source.text).filter { !Self.isOfTheToolchain($0, in: module) }
            used.formUnion(imported)
            #expect(imported.isSubset(of: module.uses), "\(source.path) imports \(imported.subtracting(module.uses))")
        }
        #expect(used == module.uses, "Package.swift has more for \(name): \(module.uses.subtracting(used))")
    }

    @Test func importsPointDown() throws {
        let floors = ["Base", "Kernel", "Plugin", "Cluster", "Tools"]
        let height = { (module: Module) in floors.firstIndex { module.path.hasPrefix("Sources/\($0)/") }! }
        for (name, module) in Self.modules {
            for used in module.uses.compactMap({ Self.modules[$0] }) where height(used) > height(module) {
                Issue.record("\(name) imports from a floor above: \(used.path)")
            }
        }
    }

    @Test func everyFolderOfSourcesIsAModuleOfItsFloor() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: root.appending(path: "Sources").path)
            .flatMap { floor in
                try FileManager.default.contentsOfDirectory(atPath: root.appending(path: "Sources/\(floor)").path)
                    .map { "Sources/\(floor)/\($0)" }
            }
        let ofC = ["Sources/Base/CKernel", "Sources/Base/CJansson", "Sources/Tools/CLibnftables"]
        #expect(Set(folders).subtracting(ofC) == Set(Self.modules.values.map(\.path)))
    }

    /// ARCHITECTURE.md draws the floors with a line for each module.
    @Test func theDrawingOfTheArchitectureNamesEveryModule() throws {
        let drawing = try String(contentsOf: root.appending(path: "ARCHITECTURE.md"), encoding: .utf8)
            .components(separatedBy: "```")[1]
        let drawn = drawing.matches(of: #/(?m)^    ([\w-]+)/ /#).map { String($0.1) }
        #expect(Set(drawn) == Set(Self.modules.keys).union(["CKernel", "CJansson", "CLibnftables"]))
        #expect(drawn.count == Set(drawn).count)
    }

    @Test func cAndUnsafeCodeStayInTheirRooms() throws {
        let allowed = [
            "Sources/Base/Posix/", "Sources/Kernel/Kernel/", "Sources/Base/JSON/Jansson.swift",
            "Sources/Tools/Libnftables/", "Sources/Base/EventLog/Log.swift",
            // An actor names its executor.
            "Sources/Cluster/NodeNetwork/KernelThread.swift", "Sources/Cluster/NodeNetwork/NodeNetwork.swift",
            "Sources/Cluster/NodeServices/NodeServices.swift",
        ]
        for source in try files("Sources", ".swift")
        where source.text.contains(/\bunsafe\b[ (]|\bnonisolated\(unsafe\)|@unchecked\b|@safe\b/) {
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
