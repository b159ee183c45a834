import Foundation

/// The commands of a plugin.
public enum Command: String, Sendable, CaseIterable {
    case add = "ADD"
    case del = "DEL"
    case check = "CHECK"
    case gc = "GC"
    case status = "STATUS"
    case version = "VERSION"
}

/// One execution of one plugin, with all its input and output.
public struct PluginRun: Sendable {
    public var plugin: String
    public var command: Command
    public var executable: String
    public var environment: [String: String]
    public var stdin: [UInt8]
    public var outcome: ProcessOutcome
}

/// A result of ADD.
public struct AddResult: Sendable {
    public var result: JSONValue
    /// As the last plugin printed it.
    public var raw: [UInt8]
    public var runs: [PluginRun]
}

/// A plugin's answer to VERSION.
public struct PluginVersions: Sendable {
    public var plugin: String
    public var cniVersion: String?
    public var supported: [String]
    public var run: PluginRun
}

/// Executes network configurations according to CNI spec 1.1.0, section 3.
public struct CNIRuntime: Sendable {
    /// Where plugins are searched for, in order; also their CNI_PATH.
    public var path: [String]
    /// Where results of ADD are stored for CHECK and DEL; nil to store none.
    public var cacheDirectory: String?
    public var launcher: Launcher
    /// Variables for plugins in addition to CNI_* and PATH.
    public var environment: [String: String] = [:]
    /// Whether plugins' stderr is copied to ours.
    public var relaysStandardError = true
    /// Called after each plugin, whether it succeeded or not.
    public var onRun: (@Sendable (PluginRun) -> Void)?

    public init(path: [String], cacheDirectory: String? = nil, launcher: Launcher = Launcher()) {
        self.path = path
        self.cacheDirectory = cacheDirectory
        self.launcher = launcher
    }

    /// Runs the plugins in order, each with the previous one's result, and stores the last result.
    ///
    /// Stops at the first error and undoes nothing: the spec leaves DEL to the caller. `addOrUndo` does both.
    public func add(_ list: NetworkList, _ attachment: Attachment) throws -> AddResult {
        var runs: [PluginRun] = []
        var result: JSONValue?
        for plugin in list.plugins {
            let run = try run(.add, plugin, in: list, attachment, prevResult: result)
            guard let printed = try? JSONValue(parsing: run.outcome.stdout), printed.object != nil else {
                throw RuntimeError.undecodableOutput(run)
            }
            result = printed
            runs.append(run)
        }
        guard let result, let last = runs.last else { preconditionFailure("a network list has at least one plugin") }
        try cache?.store(result, network: list.name, attachment)
        return AddResult(result: result, raw: last.outcome.stdout, runs: runs)
    }

    /// ADD; if it fails, runs DEL of the whole list before throwing the error.
    public func addOrUndo(_ list: NetworkList, _ attachment: Attachment) throws -> AddResult {
        do { return try add(list, attachment) } catch let failure {
            do { try del(list, attachment) } catch { throw RuntimeError.undoFailed(add: failure, del: error) }
            throw failure
        }
    }

    /// Runs the plugins in reverse order, each with the final result of the ADD, if known. Stops at the first error.
    /// `prevResult` overrides the cache.
    @discardableResult
    public func del(_ list: NetworkList, _ attachment: Attachment, prevResult: JSONValue? = nil) throws -> [PluginRun] {
        var previous = prevResult
        if list.isAtLeast("0.4.0"), previous == nil {
            previous = try cache?.load(network: list.name, attachment)
        }
        let runs = try list.plugins.reversed().map {
            try run(.del, $0, in: list, attachment, prevResult: previous)
        }
        cache?.remove(network: list.name, attachment)
        return runs
    }

    /// Runs the plugins in order, each with the final result of the ADD. Stops at the first error. Runs nothing if the list
    /// sets `disableCheck`. `prevResult` overrides the cache.
    @discardableResult
    public func check(_ list: NetworkList, _ attachment: Attachment, prevResult: JSONValue? = nil) throws -> [PluginRun]
    {
        if list.disableCheck { return [] }
        guard let previous = try prevResult ?? cache?.load(network: list.name, attachment) else {
            throw RuntimeError.noCachedResult(
                network: list.name, containerID: attachment.containerID, ifname: attachment.ifname)
        }
        return try list.plugins.map { try run(.check, $0, in: list, attachment, prevResult: previous) }
    }

    /// Tells every plugin which attachments are still valid. Continues after errors and throws all of them. Runs nothing if the
    /// list sets `disableGC` or its version lacks GC.
    @discardableResult
    public func gc(_ list: NetworkList, valid: [ValidAttachment]) throws -> [PluginRun] {
        if list.disableGC || !list.isAtLeast("1.1.0") { return [] }
        let attachments = JSONValue.array(valid.map(\.json))
        // The second key is not in the spec, but libcni sends both.
        let extra = ["cni.dev/valid-attachments": attachments, "cni.dev/attachments": attachments]
        var runs: [PluginRun] = []
        var errors: [any Error] = []
        for plugin in list.plugins {
            do { runs.append(try run(.gc, plugin, in: list, inserting: extra)) } catch { errors.append(error) }
        }
        if errors.count > 1 { throw RuntimeError.several(errors) }
        if let error = errors.first { throw error }
        return runs
    }

    /// Asks every plugin whether it is ready. Stops at the first that is not. Runs nothing if the list's version lacks STATUS.
    @discardableResult
    public func status(_ list: NetworkList) throws -> [PluginRun] {
        guard list.isAtLeast("1.1.0") else { return [] }
        return try list.plugins.map { try run(.status, $0, in: list) }
    }

    /// Asks every plugin which versions it supports.
    public func version(_ list: NetworkList) throws -> [PluginVersions] {
        try list.plugins.map { plugin in
            let run = try execute(.version, plugin, stdin: ["cniVersion": .string(list.version)])
            guard let printed = try? JSONValue(parsing: run.outcome.stdout),
                let supported = printed["supportedVersions"]?.array
            else { throw RuntimeError.undecodableOutput(run) }
            return PluginVersions(
                plugin: run.plugin, cniVersion: printed["cniVersion"]?.string,
                supported: supported.compactMap(\.string),
                run: run)
        }
    }

    /// The list with the highest version that all its plugins also support, according to VERSION.
    public func negotiate(_ list: NetworkList) throws -> NetworkList {
        var list = list
        let answers = try version(list)
        try list.select(
            from: NetworkList.supportedVersions.filter { version in
                answers.allSatisfy { $0.supported.contains(version) }
            })
        return list
    }

    /// Runs one command of one plugin in a list; all functions above consist of such steps.
    public func run(
        _ command: Command, _ plugin: JSONValue, in list: NetworkList, _ attachment: Attachment? = nil,
        prevResult: JSONValue? = nil, inserting extra: [String: JSONValue] = [:]
    ) throws -> PluginRun {
        let request = list.request(
            for: plugin, runtimeConfig: attachment?.capabilityArgs ?? [:], prevResult: prevResult, inserting: extra)
        return try execute(command, plugin, attachment, stdin: request)
    }

    private var cache: ResultCache? { cacheDirectory.map(ResultCache.init) }

    private func execute(
        _ command: Command, _ plugin: JSONValue, _ attachment: Attachment? = nil, stdin: JSONValue
    ) throws -> PluginRun {
        let type = plugin["type"]?.string ?? ""
        let executable = try find(type)
        var variables = environment
        variables["PATH"] = ProcessInfo.processInfo.environment["PATH"]
        variables["CNI_COMMAND"] = command.rawValue
        variables["CNI_PATH"] = path.joined(separator: ":")
        if let attachment { variables.merge(attachment.environment) { _, new in new } }

        let input = stdin.bytes
        let outcome = try launcher.run(executable, environment: variables, stdin: input)
        let run = PluginRun(
            plugin: type, command: command, executable: executable, environment: variables, stdin: input,
            outcome: outcome)
        if relaysStandardError, !outcome.stderr.isEmpty { FileHandle.standardError.write(Data(outcome.stderr)) }
        onRun?(run)
        guard outcome.exit.isSuccess else { throw PluginError(run) }
        return run
    }

    private func find(_ type: String) throws -> String {
        // A type is a file name, never a path (section 2).
        guard !type.isEmpty, !type.contains("/") else { throw RuntimeError.pluginNotFound(type: type, path: path) }
        for directory in path {
            let candidate = directory + "/" + type
            var isDirectory: ObjCBool = false
            if FileManager.default.fileExists(atPath: candidate, isDirectory: &isDirectory), !isDirectory.boolValue {
                return candidate
            }
        }
        throw RuntimeError.pluginNotFound(type: type, path: path)
    }
}
