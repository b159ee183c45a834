import ConfigurationFiles
import TestSupport
import Testing

/// Nothing is said against the configurations that work.
@Suite struct ExampleFileTests {
    static let files = ConfigurationFilesTests.files(in: "cni-conf") + ConfigurationFilesTests.files(in: "Tests/Chains")

    @Test func thereAreExamples() { #expect(Self.files.count >= 15) }

    @Test(arguments: files)
    func filesThatWorkAreFine(_ file: String) throws {
        let report = try Validator(binDirectory: nil).check(file: "\(repository.path)/\(file)")
        #expect(report.findings.filter { $0.severity != .note } == [])
        #expect(report.networks.first?.name != nil)
        #expect(report.networks.first?.plugins.isEmpty == false)
    }
}
