import ContainerRuntime
import Foundation
import Testing

/// The clock is the machine's, so this is for a machine of the tests' own: `make test-vm`.
@Suite(
    .realKernel,
    .enabled(if: ProcessInfo.processInfo.environment["SWIFTLET_VM"] == "1", "sets the machine's clock; make test-vm"))
struct ClockTests {
    /// Sets the time that people read, in seconds since 1970.
    private func set(_ seconds: Int) throws { try run("date", "--utc", "--set=@\(seconds)") }

    @Test(arguments: [-366, 366]) func timeThatJumpsChangesNothing(days: Int) throws {
        let node = try Node()
        let list = try node.network(node.swiftlet(RebootTests.small))
        let pods = try node.pods(3)
        let attachments = pods.enumerated().map { $1.with(ports: hostPort(Int64(8000 + $0), .tcp)) }
        let runtime = node.runtime()
        var hosts = try runtime.add(list, attachments[0]).result.hosts
        let now = Int(Date().timeIntervalSince1970)
        try set(now + days * 86400)
        defer { try? set(now) }
        #expect(abs(Int(Date().timeIntervalSince1970) - now) > 365 * 86400)

        hosts += try attachments[1...].flatMap { try runtime.add(list, $0).result.hosts }
        #expect(Set(hosts).count == pods.count)
        for attachment in attachments { try runtime.check(list, attachment) }
        try pods[0].ping(hosts[2])
        try runtime.gc(list, valid: pods.map(\.valid))
        #expect(try node.reservations().count == pods.count)
        let server = try Responder("old", in: pods[0], 80, [.tcp])
        expectAnswer(server.name, from: node, "10.44.0.1", 8000)

        for attachment in attachments { try runtime.del(list, attachment) }
        #expect(try node.reservations().isEmpty)
    }
}
