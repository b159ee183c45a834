internal import Addresses
internal import ConfigurationFiles
internal import Files
internal import IPAM
internal import JSON
internal import Plugins
internal import Posix

extension Facts {
    mutating func readFiles(_ directory: String) {
        let names = noting([]) { () throws(Failure) in
            try storing("list \(directory)") { () throws(Errno) in try Directory.names(directory).sorted() }
        }
        // The extensions that libcni looks for (ConfFiles).
        for name in names where [".conf", ".conflist", ".json"].contains(where: name.hasSuffix) {
            let path = "\(directory)/\(name)"
            do throws(Errno) {
                files.append(
                    ConfigurationFile(path: path, try File.content(path, limit: ConfiguredNetwork.maximumSize)))
            } catch {
                var file = ConfigurationFile(path: path)
                file.problem = "\(error)"
                files.append(file)
            }
        }
        for type in Set(files.flatMap { $0.types }) { programs[type] = Program(type, in: binaries) }
    }

    /// Sends STATUS to each plugin of ours that a file names, by calling its code in this process.
    mutating func askPlugins() {
        var known: Set<String> = []
        for file in files where file.problem == nil && file.mistakes.isEmpty {
            // Only the first file with a given name is ever used.
            guard let network = file.network, known.insert(network).inserted else { continue }
            for plugin in file.plugins where isOwn(plugin.type) && plugin.ipam.map(isOwn) ?? true {
                let variables = ["CNI_COMMAND=STATUS", "CNI_PATH=\(binaries)"]
                guard let error = OwnPlugin.call(plugin.type, variables, plugin.configuration) else { continue }
                notReady.append(NotReady(file: file.path, type: plugin.type, code: error.code, text: error.text))
            }
        }
    }

    /// Other plugins are left out: not all of them support STATUS.
    private func isOwn(_ type: String) -> Bool { programs[type] == .own && OwnPlugin.exists(type) }
}

extension Program {
    fileprivate init(_ type: String, in directory: String) {
        guard let status = try? FileStatus.of("\(directory)/\(type)") else {
            self = .missing
            return
        }
        guard status.kind == .file, status.mode & 0o111 != 0 else {
            self = .notExecutable
            return
        }
        // All names of our plugins lead to the same file.
        let own = try? FileStatus.of("\(directory)/swiftlet")
        self = own?.isSameFile(as: status) ?? false ? .own : .foreign
    }
}

extension ConfigurationFile {
    /// - Parameter content: the file's content.
    init(path: String, _ content: [UInt8]) {
        self.init(path: path)
        let errors = Validator(binDirectory: nil).check(content, file: path).findings
            .filter { $0.severity == .error }
            .map { finding in finding.line.map { "line \($0): \(finding.message)" } ?? finding.message }
        do throws(Failure) {
            let network = try ConfiguredNetwork(content)
            try read(JSONReader(try JSON(parsing: content)), network)
            mistakes = errors
        } catch { problem = errors.first ?? "\(error)" }
    }

    private mutating func read(_ reader: JSONReader, _ configured: ConfiguredNetwork) throws(Failure) {
        network = configured.name
        let members = try reader.member("plugins")?.elements()
        guard path.hasSuffix(".conflist") == (members != nil) else {
            throw members == nil
                ? reader.missing("plugins")
                : Failure(.invalidConfiguration, "it has a list of plugins, so its name must end in .conflist")
        }
        guard members?.isEmpty != true else {
            throw Failure(.invalidConfiguration, "plugins is empty: no plugins are configured")
        }
        for (position, plugin) in (members ?? [reader]).enumerated() {
            let type = try plugin.required("type").string()
            types.append(type)
            let ipam = try plugin.member("ipam")?.nonEmpty("type")
            if let ipam { types.append(ipam) }
            if position == 0 { try readGateway(plugin, type, configured) }
            guard case .object(var object) = plugin.value else { continue }
            object["name"] = .string(configured.name)
            // The first version that has STATUS.
            object["cniVersion"] = "1.1.0"
            plugins.append(Plugin(type: type, ipam: ipam, configuration: .object(object)))
        }
        types = types.reduce(into: []) { seen, type in if !seen.contains(type) { seen.append(type) } }
    }

    private mutating func readGateway(_ plugin: JSONReader, _ type: String, _ configured: ConfiguredNetwork)
        throws(Failure)
    {
        guard let traits = PluginTraits.of(type) else { return }
        isRouted = try traits.isGateway(plugin)
        guard isRouted, traits.usesBridge, try plugin.member("vlan")?.integer() ?? 0 == 0 else { return }
        gateways = configured.ranges.flatMap { $0.pools }.compactMap { pool in
            (pool.gateway ?? pool.subnet.first.advanced(by: 1)).map { CIDR($0, pool.subnet.prefixLength) }
        }
    }
}
