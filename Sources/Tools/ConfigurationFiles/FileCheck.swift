internal import Addresses
internal import CNI
internal import JSON
internal import Plugins
internal import Posix

/// Checks one file: whether a runtime can read it, and then each of its plugins.
struct FileCheck {
    let validator: Validator
    let text: [UInt8]
    var findings: Findings

    private var name: String?
    private var version: SpecVersion?
    private var types: [String] = []
    private var subnets: [CIDR] = []

    /// The keys of a list besides `plugins`.
    private static let listKeys = [
        "cniVersion", "cniVersions", "name", "plugins", "disableCheck", "disableGC", "loadOnlyInlinedPlugins", "args",
    ]

    init(_ text: [UInt8], file: String, validator: Validator) {
        self.text = text
        self.validator = validator
        findings = Findings(file: file, map: SourceMap(text))
    }

    var network: Validator.Network {
        let configured = try? ConfiguredNetwork(text)
        return .init(
            file: findings.file, name: name, plugins: types, cniVersion: version?.rawValue, subnets: subnets,
            bridge: configured?.bridge, gatewayInterface: configured?.gatewayInterface)
    }

    mutating func run() {
        let document: JSON
        do throws(Failure) { document = try JSON(parsing: text) } catch {
            let line = error.message.firstMatch(of: /\(line ([0-9]+)/).flatMap { Int($0.1) }
            return findings.add(.error, at: "", "it is not JSON: \(error.message)", line: line)
        }
        guard case .object = document else {
            return findings.add(.error, at: "", "it must be an object, but is \(document.kind)")
        }
        for key in findings.map.repeated {
            findings.add(
                .warning, at: key.path, "the key occurs more than once", "the last one counts: remove the others")
        }
        let reader = JSONReader(document)
        readName(reader)
        readVersion(reader)
        let isList = (try? reader.member("plugins")) ?? nil != nil
        checkExtension(isList: isList)
        if isList { checkList(reader) } else { check([reader]) }
    }

    private mutating func readName(_ reader: JSONReader) {
        // The plugin's own check of the name, which is the same for all plugins.
        var object = JSON.Object()
        object["cniVersion"] = .string(SpecVersion.latest.rawValue)
        object["name"] = ((try? reader.member("name")) ?? nil)?.value
        do throws(Failure) { name = try Configuration(JSON.object(object).serialized(pretty: false)).name } catch {
            findings.add(.error, at: "name", error.message, error.details)
        }
    }

    private mutating func readVersion(_ reader: JSONReader) {
        do throws(Failure) {
            let listed = try reader.list("cniVersions") { version throws(Failure) in try version.string() }
            let single = try reader.nonEmpty("cniVersion")
            if single == nil, listed.isEmpty {
                findings.add(
                    .warning, at: "cniVersion",
                    "cniVersion is missing, which means 0.1.0: no CHECK, one address per family",
                    "set it to 1.0.0, and with \"cniVersions\": [\"1.0.0\", \"1.1.0\"] runtimes choose")
            }
            let versions = listed + [single ?? (listed.isEmpty ? "0.1.0" : nil)].compactMap { $0 }
            version = SpecVersion.allCases.last { versions.contains($0.rawValue) }
            guard version == nil else { return }
            var object = JSON.Object()
            object["cniVersion"] = .string(versions[0])
            object["name"] = "network"
            _ = try Configuration(JSON.object(object).serialized(pretty: false))
        } catch { findings.add(.error, at: "cniVersion", error.message, error.details) }
    }

    private mutating func checkExtension(isList: Bool) {
        let file = findings.file
        if isList, file.hasSuffix(".conf") || file.hasSuffix(".json") {
            findings.add(
                .error, at: "plugins", "a list of plugins in a file that is not called .conflist is not read as one",
                "rename it: runtimes read .conf and .json as a single plugin's configuration")
        } else if !isList, file.hasSuffix(".conflist") {
            findings.add(
                .error, at: "", "plugins is missing: a .conflist has a list of plugins",
                "put the plugin's object into \"plugins\": [...], or call the file .conf")
        }
    }

    private mutating func checkList(_ reader: JSONReader) {
        for key in ["disableCheck", "disableGC", "loadOnlyInlinedPlugins"] {
            guard let value = ((try? reader.member(key)) ?? nil)?.value else { continue }
            guard ![.bool(true), .bool(false), "true", "false"].contains(value) else { continue }
            findings.add(.error, at: key, "it must be true or false, but is \(value.kind)")
        }
        if case .object(let object) = reader.value {
            for member in object.members where !Hints.isKnown(member.key, Self.listKeys) {
                // Programs that write such files put remarks of their own here.
                let hint = Hints.listKey(member.key, Self.listKeys)
                findings.add(
                    hint.isEmpty ? .note : .warning, at: member.key, "runtimes do not know this key, and ignore it",
                    hint)
            }
        }
        do throws(Failure) {
            let plugins = try reader.required("plugins").elements()
            guard !plugins.isEmpty else {
                return findings.add(.error, at: "plugins", "plugins is empty: a network has one plugin at least")
            }
            check(plugins)
        } catch { findings.add(.error, at: "plugins", error.message) }
    }

    private mutating func check(_ plugins: [JSONReader]) {
        var earlier: [PluginCheck] = []
        for block in plugins {
            do throws(Failure) {
                guard case .object = block.value else {
                    throw Failure(.type, path: block.path, expected: "an object", found: block.value.kind)
                }
                let type = try block.nonEmpty("type")
                guard let type else { throw block.missing("type") }
                guard Attachment.isIdentifier(type) else {
                    throw try block.required("type").wrong("a plugin's name: invalid plugin name")
                }
                types.append(type)
                let check = PluginCheck(
                    block, type, network: name ?? "network", version: version ?? .latest, validator: validator)
                check.run(behind: earlier, &findings)
                subnets += check.subnets
                earlier.append(check)
            } catch { findings.add(.error, at: block.path, error.message) }
        }
    }
}
