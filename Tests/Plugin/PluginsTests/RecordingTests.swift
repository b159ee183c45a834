import Foundation
import Kernel
import NetlinkCodec
import Testing

/// Where the conversations come from: the kernel, asked as root.
@Suite struct RecordingTests {
    static let isWanted = ProcessInfo.processInfo.environment["RECORD_CONVERSATIONS"] == "1"

    /// In network namespaces that nobody else is in. `RECORD_CONVERSATIONS=1 swift test --filter RecordingTests`
    @Test(.enabled(if: isWanted)) func conversationsAreRecordedAnew() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            scenarios: for scenario in Scenario.all {
                try NetworkNamespace.enterNew()
                let node = try NetworkNamespace.current()
                try NetworkNamespace.enterNew()
                // That of this thread, whatever it is in later.
                let pod = try NetworkNamespace("/proc/thread-self/ns/net")
                try node.enter()
                var socket = try NetlinkSocket()
                var up = LinkChange()
                up.isUp = true
                try socket.execute("make the node's link") {
                    $0.createVeth(VethEnd(name: "up0"), peer: VethEnd(name: "up1"), mtu: nil, master: nil)
                }
                try socket.execute("set it up") { $0.changeLink(.name("up0"), up) }
                let path = "/proc/self/fd/\(pod.descriptor)"
                var (text, previous) = ("", "")
                for command in Scenario.commands {
                    let recorder = Recorder(pod: path)
                    let (status, output) = scenario.run(command, previous: previous, pod: path, recorder)
                    guard status == 0 else {
                        // Not every kernel has every kind of link.
                        try FileHandle.standardError.write(
                            contentsOf: Data("\(scenario.name) \(command): \(output)\n".utf8))
                        continue scenarios
                    }
                    if command == "ADD" { previous = output }
                    text += recorder.finished(output).text(section: command)
                }
                try text.write(to: scenario.file, atomically: true, encoding: .utf8)
            }
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        if !said.isEmpty { Issue.record("\(said)") }
    }
}
