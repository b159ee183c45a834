import CNI
import Foundation
import Testing

/// A call with the real environment and streams, in a process of its own.
private func runProcess(_ plugin: any Plugin, _ changes: [String: String] = [:]) -> Never {
    for (name, value) in ["CNI_COMMAND": "ADD", "CNI_CONTAINERID": "pod-1", "CNI_IFNAME": "eth0", "CNI_NETNS": "/none"]
        .merging(changes, uniquingKeysWith: { $1 })
    {
        setenv(name, value, 1)
    }
    exit(Dispatcher([PluginEntry("test", plugin)]).runProcess(as: "test"))
}

/// Puts a text on standard input.
private func feed(_ text: String) {
    let path = NSTemporaryDirectory() + "cni-test-input-" + UUID().uuidString
    _ = FileManager.default.createFile(atPath: path, contents: Data(text.utf8))
    dup2(open(path, O_RDONLY), 0)
    unlink(path)
}

extension ExitTest.Result? {
    fileprivate var output: String { String(decoding: self?.standardOutputContent ?? [], as: UTF8.self) }
    fileprivate var log: String { String(decoding: self?.standardErrorContent ?? [], as: UTF8.self) }
}

@Suite struct ProcessTests {
    @Test func theResultIsOnStandardOutputAndTheLogOnStandardError() async {
        let run = await #expect(
            processExitsWith: .exitCode(0), observing: [\.standardOutputContent, \.standardErrorContent]
        ) {
            feed(configuration())
            var plugin = MadeUp()
            plugin.onAdd = {
                $0.log("a word to the operator")
                return .example
            }
            runProcess(plugin)
        }
        #expect(run.output.contains("\"cniVersion\": \"1.1.0\""))
        #expect(!run.output.contains("a word"))
        #expect(run.log.contains("a word to the operator\n"))
    }

    @Test func anErrorIsOnStandardOutputAndTheExitIsNotZero() async {
        let run = await #expect(processExitsWith: .exitCode(1), observing: [\.standardOutputContent]) {
            feed(configuration())
            var plugin = MadeUp()
            plugin.onAdd = { _ throws(CNIError) in throw CNIError(.tryAgainLater, "later") }
            runProcess(plugin)
        }
        #expect(run.output.contains("\"code\": 11"))
    }

    @Test func aClosedStandardInputIsCode5() async {
        let run = await #expect(processExitsWith: .exitCode(1), observing: [\.standardOutputContent]) {
            close(0)
            runProcess(MadeUp())
        }
        #expect(run.output.contains("\"code\": 5"))
    }

    @Test func aConfigurationTooLargeIsCode6() async {
        let run = await #expect(processExitsWith: .exitCode(1), observing: [\.standardOutputContent]) {
            feed(configuration() + String(repeating: " ", count: Configuration.maximumSize))
            runProcess(MadeUp())
        }
        #expect(run.output.contains("\"code\": 6"))
        await #expect(processExitsWith: .exitCode(0)) {
            let whole = configuration()
            feed(whole + String(repeating: " ", count: Configuration.maximumSize - whole.utf8.count))
            runProcess(MadeUp())
        }
    }

    @Test func aReaderThatIsGoneDoesNotEndTheProcessBeforeTheAddIsUndone() async {
        let run = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
            feed(configuration())
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            dup2(ends[1], 1)
            close(ends[0])
            close(ends[1])
            var plugin = MadeUp()
            plugin.onOther = { $0.log("undone by \($0.invocation.command.rawValue)") }
            runProcess(plugin)
        }
        #expect(run.log.contains("undone by DEL"))
    }

    @Test func aFullDiskBehindStandardOutputUndoesTheAdd() async {
        let run = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
            feed(configuration())
            dup2(open("/dev/full", O_WRONLY), 1)
            var plugin = MadeUp()
            plugin.onOther = { $0.log("undone by \($0.invocation.command.rawValue)") }
            runProcess(plugin)
        }
        #expect(run.log.contains("undone by DEL"))
    }

    @Test func whatADelegateSaysOnStandardErrorIsRelayed() async {
        let run = await #expect(
            processExitsWith: .exitCode(0), observing: [\.standardOutputContent, \.standardErrorContent]
        ) {
            let scripts = try Scripts(["inner": "echo from the delegate >&2"])
            feed(configuration())
            runProcess(delegating(), ["CNI_COMMAND": "DEL", "CNI_PATH": scripts.directory])
        }
        #expect(run.log.contains("from the delegate\n"))
        #expect(!run.output.contains("from the delegate"))
    }

    @Test func theNameThatItIsCalledByIsTheLastComponent() {
        #expect(!Dispatcher.invokedName.isEmpty && !Dispatcher.invokedName.contains("/"))
    }
}
