import ArgumentParser
import ConfigurationFiles
import Posix
import Presentation

struct ConfValidate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Check network configurations against what runtimes and plugins accept.",
        discussion: """
            Each block is read by the plugin's own code: what the plugin would refuse is an error, in the plugin's words. Keys \
            that it would ignore are warnings, with what may have been meant. Of a directory all files that runtimes read are \
            checked, and what they are to each other. Nothing is changed, and root is not needed.

            Exit codes: 0 nothing is wrong, 1 there are errors (with --strict, or warnings).

            Examples:
              swiftletctl conf validate
              swiftletctl conf validate 10-pods.conflist
              swiftletctl conf validate --strict --json /etc/cni/net.d
            """)

    @Argument(help: "Files or directories.", completion: .file())
    var files = [Conf.directory]

    @Option(help: "Directory of plugins.", completion: .directory)
    var binDir: String?

    @Flag(help: "Treat warnings as errors.")
    var strict = false

    @OptionGroup var output: OutputOptions

    func run() throws {
        // Unless --bin-dir is given, the plugins may not be installed yet.
        let hasPlugins = (try? FileStatus.of(Conf.binDirectory))?.kind == .directory
        let validator = Validator(binDirectory: binDir ?? (hasPlugins ? Conf.binDirectory : nil))
        var report = Validator.Report()
        for file in files {
            let isDirectory = (try? FileStatus.of(file))?.kind == .directory
            report.append(isDirectory ? try validator.check(directory: file) : try validator.check(file: file))
        }
        if strict { report.takeWarningsForErrors() }
        try output.print(report, text: text(report))
        guard report.count(.error) == 0 else { throw ExitCode.failure }
    }

    private func text(_ report: Validator.Report) -> String {
        var lines: [String] = []
        for network in report.networks {
            let findings = report.findings.filter { $0.file == network.file }
            lines += findings.map { $0.description }
            if !findings.contains(where: { $0.severity != .note }) {
                lines.append(
                    "\(network.file): fine: network \(network.name ?? ""), \(network.plugins.joined(separator: ", "))")
            }
        }
        lines += report.findings.filter { finding in !report.networks.contains { $0.file == finding.file } }
            .map { $0.description }
        if report.networks.count > 1 || !report.findings.isEmpty {
            lines.append(
                [(report.networks.count, "file"), (report.count(.error), "error"), (report.count(.warning), "warning")]
                    .map { Words.count($0.0, $0.1) }.joined(separator: ", "))
        }
        return lines.joined(separator: "\n")
    }
}

extension Conf {
    /// Where runtimes look for plugins by default.
    static let binDirectory = "/opt/cni/bin"
}
