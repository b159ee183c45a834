import Files
import Foundation
import Posix
import Testing

private let programs = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path

/// What is in the way of a write, and how it is asked for.
struct WriteScene: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var old: [UInt8]? = [UInt8](repeating: 1, count: 70_000)
    var options: [String] = []
    /// What has the temporary name before.
    var leftover: @Sendable (_ path: String, _ bystander: String) -> Void = { _, _ in }

    static let new = [UInt8](repeating: 2, count: 90_000)

    static let all = [
        WriteScene(testDescription: "over an old file"),
        WriteScene(testDescription: "over an old file, for good", options: ["durably"]),
        WriteScene(testDescription: "where there was none", old: nil),
        WriteScene(testDescription: "where there must be none", old: nil, options: ["new", "durably"]),
        WriteScene(
            testDescription: "after a kill",
            leftover: { path, _ in _ = FileManager.default.createFile(atPath: path, contents: Data([9, 9])) }),
        WriteScene(
            testDescription: "with a symbolic link in the way",
            leftover: { path, bystander in _ = symlink(bystander, path) }),
        WriteScene(
            testDescription: "with a hard link in the way", leftover: { path, bystander in _ = link(bystander, path) }),
        WriteScene(testDescription: "with a pipe in the way", leftover: { path, _ in _ = mkfifo(path, 0o600) }),
    ]

    func directory() -> ScratchDirectory {
        let directory = ScratchDirectory()
        if let old { directory.write(old, "file") }
        directory.write([7], "bystander")
        leftover("\(directory.path)/temporary", "\(directory.path)/bystander")
        return directory
    }

    /// Runs the driver with one faulty call.
    ///
    /// - Returns: its exit status, nil when it was killed; and the injector's log.
    func run(_ directory: ScratchDirectory, _ fault: String, at call: String) throws -> (status: Int32?, log: String) {
        let scratch = ScratchDirectory()
        scratch.write(Self.new, "input")
        let process = Process()
        process.executableURL = URL(filePath: programs + "/fault-injector")
        process.arguments =
            ["\(scratch.path)/log", "20", fault, "0", call, programs + "/file-driver"]
            + [directory.path, "file", "temporary"] + options
        process.standardInput = try FileHandle(forReadingFrom: URL(filePath: scratch.path + "/input"))
        try process.run()
        process.waitUntilExit()
        return (
            process.terminationReason == .exit ? process.terminationStatus : nil,
            String(decoding: scratch.content("log") ?? [], as: UTF8.self)
        )
    }

    /// The driver's calls from its first look at standard input on: number and name.
    func calls() throws -> [(number: String, name: String)] {
        let (status, log) = try run(directory(), "none", at: "0")
        try #require(status == 0, "\(log)")
        let calls = log.split(separator: "\n").map { $0.split(separator: " ") }.filter { $0.count == 4 && $0[2] != "0" }
        try #require(calls.contains { ["renameat", "linkat"].contains($0[3]) }, "\(log)")
        return calls.map { (String($0[1]), String($0[3])) }
    }
}

/// A file that is written is old or new, whatever happens to the writer.
@Suite struct InterruptedWriteTests {
    @Test(arguments: WriteScene.all) func aKillAnywhereLeavesTheOldFileOrTheNewOne(_ scene: WriteScene) throws {
        for call in try scene.calls() {
            let directory = scene.directory()
            let (status, log) = try scene.run(directory, "kill", at: call.number)
            #expect(status == nil || status == 137, "\(call): \(log)")
            #expect([scene.old, WriteScene.new].contains(directory.content("file")), "\(call)")
            #expect(directory.content("bystander") == [7], "\(call)")
            // Whoever comes next is not kept from it.
            let isNew = scene.options.contains("new") && directory.content("file") != nil
            let second = try scene.run(directory, "none", at: "0").status
            #expect(second == (isNew ? Errno.fileExists.rawValue : 0), "\(call)")
            #expect(directory.content("file") == WriteScene.new, "\(call)")
            #expect(directory.names == ["file", "bystander"], "\(call)")
            #expect(directory.content("bystander") == [7], "\(call)")
        }
    }

    @Test(arguments: WriteScene.all, [EIO, EINTR, ENOSPC])
    func aFailingCallLeavesTheOldFileAndNothingElse(_ scene: WriteScene, _ error: Int32) throws {
        for call in try scene.calls() where !["close", "exit_group"].contains(call.name) {
            let directory = scene.directory()
            let status = try scene.run(directory, "error=\(error)", at: call.number).status
            let content = directory.content("file")
            if status == 0 {
                #expect(content == WriteScene.new, "\(call)")
            } else if ["fsync", "unlinkat"].contains(call.name) {
                // Of the directory, or of the second name: the new file has its name by then.
                #expect([scene.old, WriteScene.new].contains(content), "\(call)")
            } else {
                #expect(content == scene.old, "\(call)")
                // What was there before stays where this call has not come to it.
                #expect(["openat", "read"].contains(call.name) || !directory.names.contains("temporary"), "\(call)")
            }
            #expect(directory.content("bystander") == [7], "\(call)")
        }
    }
}
