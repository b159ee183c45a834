internal import Addresses
internal import CNI
internal import Files
internal import JSON
public import Posix

/// Checks network configuration files against what runtimes read from them and what plugins accept.
public struct Validator: Sendable {
    /// Where the runtime looks for plugins; nil to skip that check.
    let binDirectory: String?
    public init(binDirectory: String?) { self.binDirectory = binDirectory }

    /// The contents of a file, as far as they can be determined.
    public struct Network: Sendable, Encodable {
        public let file: String
        /// Nil if the file has no valid name.
        public let name: String?
        /// The plugins' types, in order.
        public let plugins: [String]
        /// The version that a current runtime would use with the plugins.
        public let cniVersion: String?
        /// The pods' subnets, as far as the file says.
        let subnets: [CIDR]
        /// The bridge that its pods are ports of; nil if there is none.
        public let bridge: String?
        /// The node's interface that has the gateway addresses; nil if there is none.
        let gatewayInterface: String?

        enum CodingKeys: CodingKey { case file, name, plugins, cniVersion }
    }

    public struct Report: Sendable, Encodable {
        public internal(set) var networks: [Network] = []
        public internal(set) var findings: [Finding] = []

        public init(networks: [Network] = [], findings: [Finding] = []) {
            self.networks = networks
            self.findings = findings
        }

        public func count(_ severity: Finding.Severity) -> Int { findings.filter { $0.severity == severity }.count }
    }

    /// In octets; larger files are refused.
    public static let maximumSize = Configuration.maximumSize

    /// The extensions of the files in a directory that runtimes read.
    static let extensions = [".conf", ".conflist", ".json"]

    /// - Throws: code 5 when the file cannot be read.
    public func check(file: String) throws(Failure) -> Report {
        do throws(Errno) {
            // Blocks until a pipe has data: a shell's <(COMMAND).
            return check(try File.content(file, limit: Validator.maximumSize, .readOnly), file: file)
        } catch { throw Failure(.inputOutput, "read \(file): \(error)", errno: error) }
    }

    /// Checks all files of a directory that runtimes read, and how they affect each other.
    ///
    /// - Throws: code 5 when the directory cannot be read.
    public func check(directory: String) throws(Failure) -> Report {
        var names: [String]
        do throws(Errno) {
            names = try FileDescriptor.open(directory, [.readOnly, .directory]).names(limit: 10_000)
        } catch {
            throw Failure(.inputOutput, "list \(directory): \(error)", errno: error)
        }
        names = names.filter { name in
            !name.hasPrefix(".") && Validator.extensions.contains { name.hasSuffix($0) }
        }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        var report = Report()
        for name in names {
            let file = directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
            do throws(Failure) { report.append(try check(file: file)) } catch {
                report.append(
                    Report(findings: [
                        Finding(
                            severity: .error, file: file, line: nil, path: "", message: error.message,
                            hint: "runtimes skip it")
                    ]))
            }
        }
        report.findings += Neighbours(report).findings
        guard names.isEmpty else { return report }
        report.findings.append(
            Finding(
                severity: .error, file: directory, line: nil, path: "",
                message: "there is no network configuration here: runtimes attach no pods",
                hint: "swiftletctl conf new makes one; its name must end in .conflist, .conf or .json"))
        return report
    }

    /// - Parameter file: the name to report; its extension matters, too.
    public func check(_ text: [UInt8], file: String) -> Report {
        var check = FileCheck(text, file: file, validator: self)
        check.run()
        return Report(networks: [check.network], findings: check.findings.sorted)
    }

    func hasPlugin(_ type: String) -> Bool {
        guard let binDirectory else { return true }
        guard let status = try? FileStatus.of("\(binDirectory)/\(type)") else { return false }
        return status.kind == .file && status.mode & 0o111 != 0
    }
}

extension Validator.Report {
    public mutating func append(_ other: Validator.Report) {
        networks += other.networks
        findings += other.findings
    }

    public mutating func takeWarningsForErrors() {
        for index in findings.indices where findings[index].severity == .warning { findings[index].severity = .error }
    }
}
