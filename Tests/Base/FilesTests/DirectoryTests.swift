import Files
import Foundation
import Posix
import Testing

@Suite struct DirectoryTests {
    private static func make(_ path: String, mode: UInt32 = 0o755) -> PathError? {
        do throws(PathError) {
            try Directory.make(path, mode: mode)
            return nil
        } catch { return error }
    }

    @Test(arguments: 0...5) func whatIsMissingIsMadeWithTheModeAndWhatIsThereStays(_ depth: Int) throws {
        let scratch = ScratchDirectory()
        let parts = ["a", "b", "c", "d", "e"]
        let there = scratch.path + parts.prefix(depth).map { "/\($0)" }.joined()
        #expect(Self.make(there) == nil)
        let path = scratch.path + "/" + parts.joined(separator: "/")
        for _ in 0..<2 { #expect(Self.make(path, mode: 0o700) == nil) }
        for count in 1...parts.count {
            let status = try FileStatus.of(scratch.path + "/" + parts.prefix(count).joined(separator: "/"))
            #expect(status.kind == .directory && status.mode == (count <= depth ? 0o755 : 0o700))
        }
    }

    @Test(arguments: ["a/", "a//b", "a/./b", "a/b/"]) func everyWayToWriteAPathWorks(_ path: String) throws {
        let scratch = ScratchDirectory()
        #expect(Self.make("\(scratch.path)/\(path)") == nil)
        #expect(try FileStatus.of("\(scratch.path)/\(path)").kind == .directory)
    }

    @Test func whatCannotBeMadeIsNamed() {
        let scratch = ScratchDirectory()
        scratch.write([], "file")
        let below = Self.make("\(scratch.path)/file/a/b")
        #expect(below?.errno == .notDirectory && below?.path.hasPrefix("\(scratch.path)/file/") == true)
        let nowhere = Self.make("/proc/nowhere/a/b")
        #expect(nowhere?.errno == .noSuchFile && nowhere?.path == "/proc/nowhere")
        #expect(Self.make("")?.errno == .noSuchFile)
        // Something else in its place is for whoever opens it to complain of.
        #expect(Self.make("\(scratch.path)/file") == nil)
    }

    @Test func manyWhoMakeTheSameAllSucceed() async {
        let scratch = ScratchDirectory()
        let path = scratch.path
        let failures = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (0..<200).count { Self.make("\(path)/\($0)/a/b") != nil }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(failures == 0)
        #expect(scratch.names.count == 200)
    }

    @Test(
        arguments: [
            ("/a/b/c", "/a/b"), ("/a", nil), ("/", nil), ("", nil), ("a", nil), ("a/b", "a"), ("/a/", "/a"),
        ] as [(String, String?)])
    func theParentIsWhatComesBeforeTheLastSlash(_ path: String, _ parent: String?) {
        #expect(Directory.parent(of: path) == parent)
    }

    @Test func namesAreListedUpToTheLimitAndNoneOfWhatIsNotThere() throws {
        let scratch = ScratchDirectory()
        #expect(try Directory.names("\(scratch.path)/nowhere").isEmpty)
        for name in ["a", "b", "c"] { scratch.write([], name) }
        #expect(try Set(Directory.names(scratch.path, limit: 3)) == ["a", "b", "c"])
        #expect(failure { () throws(Errno) in try Directory.names(scratch.path, limit: 2) } == .messageTooLarge)
        #expect(failure { () throws(Errno) in try Directory.names(scratch.path + "/a") } == .notDirectory)
        #expect(symlink(scratch.path, scratch.path + "/self") == 0)
        #expect(try Directory.names(scratch.path + "/self").count == 4)
        let refused = failure { () throws(Errno) in try Directory.names(scratch.path + "/self", .noFollow) }
        #expect(refused == .notDirectory || refused == .tooManySymlinks)
    }
}
