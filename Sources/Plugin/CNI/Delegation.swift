internal import Attachments
internal import JSON
internal import EventLog
internal import Posix

/// Finds and runs other plugins (CNI spec 1.1.0, section 4).
struct Delegation: Sendable {
    /// The plugins built into this executable.
    let builtIn: [PluginEntry]
    let log: @Sendable (String) -> Void

    /// The size limit in octets; larger results are refused.
    static let maximumResultSize = 1 << 20

    func run(_ type: String, _ request: Request) throws(Failure) -> CNIResult? {
        let executable = try find(type, in: request.invocation.path)
        if let plugin = builtIn.plugin(type), isThisExecutable(executable) {
            return try plugin.run(request)
        }
        do throws(Failure) {
            return try execute(executable, type, request)
        } catch {
            if request.invocation.command == .add {
                surviving { () throws(Failure) in _ = try execute(executable, type, request.asDEL) }
            }
            throw error
        }
    }

    /// The first regular file of that name along `CNI_PATH`.
    ///
    /// - Throws: code 7 if the type is not a file name, 4 if `CNI_PATH` is not set or does not contain it.
    func find(_ type: String, in path: [String]) throws(Failure) -> String {
        guard Attachment.isIdentifier(type) else {
            throw Failure(.invalidConfiguration, "invalid plugin name: \"\(type)\"")
        }
        for directory in path {
            let candidate = "\(directory)/\(type)"
            if let status = try? FileStatus.of(candidate), status.kind == .file { return candidate }
        }
        throw Failure(
            .invalidEnvironment, "failed to find plugin \"\(type)\" in path [\(path.joined(separator: " "))]",
            details: "CNI_PATH must name the directory that holds it")
    }

    private func isThisExecutable(_ path: String) -> Bool {
        guard let this = try? FileStatus.of("/proc/self/exe"), let other = try? FileStatus.of(path) else {
            return false
        }
        return this.isSameFile(as: other)
    }

    private func execute(_ executable: String, _ type: String, _ request: Request) throws(Failure) -> CNIResult? {
        let output: ChildProcess.Output
        do throws(Errno) {
            output = try ChildProcess.run(
                executable, environment: request.invocation.environment.variables, input: request.configuration.raw,
                outputLimit: Delegation.maximumResultSize)
        } catch {
            throw Failure(
                .inputOutput, "run plugin \(executable) for \(request.invocation.command.rawValue): \(error)")
        }
        let command = request.invocation.command.rawValue
        guard output.status == 0 else {
            if let value = try? JSON(parsing: output.standardOutput), let error = Failure(value) {
                // The other program's message may contain confidential text.
                throw error.showingLogs(only: "with code \(error.code.rawValue)")
                    .during("plugin type=\"\(type)\" failed (\(command))")
            }
            // A NUL would make our own error unreadable for many parsers.
            let text = String(decoding: output.standardOutput.prefix(500).filter { $0 != 0 }, as: UTF8.self)
            throw Failure(
                .internal, "plugin type=\"\(type)\" failed (\(command)) with status \(output.status)",
                details: text.isEmpty ? "it printed no error" : "it printed: \(text)"
            ).showingLogs(only: "plugin type=\"\(type)\" failed (\(command)) with status \(output.status)")
        }
        guard request.invocation.command == .add else { return nil }
        let value: JSON
        do throws(Failure) { value = try JSON(parsing: output.standardOutput) } catch {
            throw error.during("the result of plugin \"\(type)\" is not JSON")
        }
        // Some plugins print no version: the configuration's applies then, as in libcni.
        return try CNIResult(
            JSONReader(value, path: "result of \(type)"), assuming: request.configuration.version)
    }
}
