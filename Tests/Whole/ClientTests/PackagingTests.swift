import ContainerRuntime
import Foundation
import TestSupport
import Testing

private let root = repository.path

/// What people install, as they install it: the scripts of Tests/Packaging print a line for each assertion, and end with 0
/// only if all of them were seen to hold.
@Suite struct PackagingTests {
    @Test(arguments: ["manual.sh", "deb.sh"])
    func whatIsPackagedDoesWhatPeopleExpect(_ script: String) throws {
        let outcome = try Launcher(timeout: .seconds(240)).run(
            "\(root)/Tests/Packaging/\(script)", arguments: [root + "/build/bin"],
            environment: ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"])
        let output = String(decoding: outcome.stdout, as: UTF8.self)
        #expect(outcome.exit == .code(0), "\(output)\(String(decoding: outcome.stderr, as: UTF8.self))")
        #expect(output.contains("ok: "), "the script saw nothing")
    }
}
