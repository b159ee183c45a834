internal import Addresses
internal import CNI
internal import Files
internal import JSON
public import Posix

/// Holds network configuration files against what runtimes read of them and plugins take.
public struct Validator: Sendable {
    /// Where the runtime looks for plugins; nil to leave that out.
    let binDirectory: String?
    public init(binDirectory: String?) { self.binDirectory = binDirectory }

    /// What is in a file, as far as it can be told.
    public struct Network: Sendable, Encodable {
        public let file: String
        /// Nil where it has none, or a wrong one.
        public let name: String?
        /// Their types, in order.
        public let plugins: [String]
        /// That a runtime of today would speak with the plugins.
        public let cniVersion: String?
        /// Of pods, as far as the file says.
        let subnets: [CIDR]
        /// The bridge that its pods are ports of; nil for none.
        public let bridge: String?
        /// The interface of the node that has its gateway addresses; nil for none.
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

    /// Larger files are refused, in octets.
    public static let maximumSize = Configuration.maximumSize

    /// Files that runtimes read of a directory.
    static let extensions = [".conf", ".conflist", ".json"]

    /// - Throws: code 5 when the file cannot be read.
    public func check(file: String) throws(Failure) -> Report {
        do throws(Errno) {
            // A pipe is waited for: a shell's <(COMMAND).
            return check(try File.content(file, limit: Validator.maximumSize, .readOnly), file: file)
        } catch { throw Failure(.inputOutput, "read \(file): \(error)", errno: error) }
    }

    /// All files of a directory that runtimes read, and what they are to each other.
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

    /// - Parameter file: as what it is spoken of; its extension counts, too.
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
