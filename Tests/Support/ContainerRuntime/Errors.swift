import Foundation

/// A plugin ran and did not succeed.
///
/// `code`, `msg`, `details` and `cniVersion` are what the plugin printed (CNI spec 1.1.0, section 5, Error). A plugin that
/// printed no error object has no code, and `msg` says what happened instead.
public struct PluginError: Error, Sendable, CustomStringConvertible {
    public var plugin: String
    public var cniVersion: String?
    public var code: Int?
    public var msg: String
    public var details: String
    /// The run itself: exit status, output, environment, configuration.
    public var run: PluginRun

    init(_ run: PluginRun) {
        self.plugin = run.plugin
        self.run = run
        let printed = run.outcome.stdout
        if let object = try? JSONValue(parsing: printed), let code = object["code"]?.integer {
            self.code = Int(code)
            cniVersion = object["cniVersion"]?.string
            msg = object["msg"]?.string ?? ""
            details = object["details"]?.string ?? ""
            return
        }
        let text = String(decoding: printed.isEmpty ? run.outcome.stderr : printed, as: UTF8.self)
        msg = "\(run.outcome.exit), and \(printed.isEmpty ? "nothing on stdout" : "no error object on stdout")"
        details = text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    public var description: String {
        let number = code.map { " (code \($0))" } ?? ""
        return "\(plugin) \(run.command.rawValue): \(msg)\(number)\(details.isEmpty ? "" : ": \(details)")"
    }
}

/// Errors of the runtime itself.
public enum RuntimeError: Error, Sendable, CustomStringConvertible {
    case configuration(file: String, problem: String)
    case noSupportedVersion(network: String, versions: [String])
    case pluginNotFound(type: String, path: [String])
    /// The plugin exited with 0, but its output is not what the command requires.
    case undecodableOutput(PluginRun)
    /// CHECK needs the result of the ADD (CNI spec 1.1.0, section 3), and the cache has none.
    case noCachedResult(network: String, containerID: String, ifname: String)
    case timedOut(executable: String, after: Duration)
    case system(String, Int32)
    /// All errors of a GC, which continues after errors.
    case several([any Error])
    /// The ADD failed, and so did the DEL that should have undone it.
    case undoFailed(add: any Error, del: any Error)

    public var description: String {
        switch self {
        case .configuration(let file, let problem): "\(file): \(problem)"
        case .noSupportedVersion(let network, let versions):
            "network \(network): no CNI version that can be used: it offers \(versions.joined(separator: ", "))"
        case .pluginNotFound(let type, let path): "plugin \(type) not found in \(path.joined(separator: ":"))"
        case .undecodableOutput(let run):
            "\(run.plugin) \(run.command.rawValue): exit code 0, but its output is no JSON object: "
                + "\"\(String(decoding: run.outcome.stdout.prefix(200), as: UTF8.self))\""
        case .noCachedResult(let network, let containerID, let ifname):
            "no cached result of an ADD of \(containerID) \(ifname) to network \(network)"
        case .timedOut(let executable, let after): "\(executable): its output still open after \(after), killed"
        case .system(let operation, let number): "\(operation): \(String(cString: strerror(number)))"
        case .several(let errors): errors.map { "\($0)" }.joined(separator: "; ")
        case .undoFailed(let add, let del): "\(add); and undoing it: \(del)"
        }
    }
}
