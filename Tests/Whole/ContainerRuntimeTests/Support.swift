import ContainerRuntime
import Foundation
import Synchronization

/// A directory of plugins that are shell scripts, a runtime that uses them, and a record of what was run.
final class Scripts: Sendable {
    let directory: String
    private let record = Mutex<[PluginRun]>([])

    init(_ scripts: [String: String]) throws {
        directory = NSTemporaryDirectory() + "cnirun-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for (name, body) in scripts {
            let path = directory + "/" + name
            try "#!/bin/sh\n\(body)\n".write(toFile: path, atomically: true, encoding: .utf8)
            chmod(path, 0o755)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func runtime(timeout: Duration = .seconds(20)) -> CNIRuntime {
        var runtime = CNIRuntime(
            path: ["/nonexistent", directory], cacheDirectory: directory + "/cache",
            launcher: Launcher(timeout: timeout))
        runtime.relaysStandardError = false
        runtime.onRun = { [unowned self] run in record.withLock { $0.append(run) } }
        return runtime
    }

    /// Every run so far, in order, whether it succeeded or not.
    var runs: [PluginRun] { record.withLock(\.self) }
    /// The same as words: `ADD first`.
    var calls: [String] { runs.map { "\($0.command.rawValue) \($0.plugin)" } }

    func stdin(_ index: Int) throws -> JSONValue { try JSONValue(parsing: runs[index].stdin) }
}

/// Answers ADD with a result of its own name, and VERSION.
func wellBehaved(_ name: String) -> String {
    """
    cat >/dev/null
    case $CNI_COMMAND in
    ADD) echo '{"cniVersion":"1.1.0","by":"\(name)"}';;
    VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0","1.1.0"]}';;
    esac
    """
}

/// Fails one command with an error object, and behaves in the others.
func failing(_ command: String) -> String {
    """
    [ $CNI_COMMAND = \(command) ] && { echo '{"cniVersion":"1.1.0","code":11,"msg":"later","details":"busy"}'; exit 1; }
    \(wellBehaved("failing"))
    """
}

func network(_ types: [String], _ more: String = "") throws -> NetworkList {
    let plugins = types.map {
        #"{"type":"\#($0)","capabilities":{"mac":true,"ips":false},"cni.dev/theirs":1,"key":"\#($0)"}"#
    }
    let text = #"{"cniVersion":"1.1.0","name":"net"\#(more),"plugins":[\#(plugins.joined(separator: ","))]}"#
    return try NetworkList(parsing: Array(text.utf8))
}

let pod = Attachment(
    containerID: "pod-1", netns: "/run/netns/pod-1", args: [("A", "1"), ("B", "2")],
    capabilityArgs: ["mac": "02:00:00:00:00:01", "ips": ["10.0.0.1/8"], "unheardOf": true])

func chmodFile(_ path: String, _ mode: mode_t) -> Int32 { chmod(path, mode) }
