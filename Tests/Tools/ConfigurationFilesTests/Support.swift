import ConfigurationFiles
import Foundation
import TestSupport

func files(in directory: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "\(repository.path)/\(directory)")) ?? [])
        .filter { $0.hasSuffix(".conflist") || $0.hasSuffix(".conf") }.sorted().map { "\(directory)/\($0)" }
}

/// What is found in a text, as a file of that name.
func check(_ text: String, as file: String = "net.conflist") -> Validator.Report {
    Validator(binDirectory: nil).check(Array(text.utf8), file: file)
}

/// A list of these blocks, a line each: the first is in line 2.
func list(_ plugins: String...) -> String {
    #"{"cniVersion": "1.0.0", "name": "net", "plugins": ["# + "\n" + plugins.joined(separator: ",\n") + "\n]}"
}

/// A directory that is gone with the last reference to it.
final class TemporaryDirectory: Sendable {
    let path = NSTemporaryDirectory() + "swt-conf-" + UUID().uuidString

    init(_ files: [String: String] = [:], mode: Int = 0o644) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for (name, text) in files {
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: "\(path)/\(name)")
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func text(_ name: String) throws -> String { try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8) }
}
