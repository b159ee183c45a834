import Files
import Foundation
import Posix
import Testing

@Suite struct ReadingTests {
    /// Sizes around those of the pieces that are read at a time.
    @Test(arguments: [0, 1, 65535, 65536, 65537, 200_000])
    func aFileIsReadWholeUpToTheLimitAndNotBeyond(_ size: Int) throws {
        let scratch = ScratchDirectory()
        let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        scratch.write(content, "file")
        for limit in [size, size + 1] {
            #expect(try File.content(scratch.path + "/file", limit: limit) == content)
            #expect(try scratch.open().content(of: "file", limit: limit) == content)
        }
        guard size > 0 else { return }
        #expect(
            failure { () throws(Errno) in try File.content(scratch.path + "/file", limit: size - 1) }
                == .messageTooLarge)
    }

    @Test func whatIsNotThereOrNoFileIsAnErrorAndStopsNobody() throws {
        let scratch = ScratchDirectory()
        #expect(mkfifo(scratch.path + "/pipe", 0o600) == 0)
        #expect(symlink("/etc/passwd", scratch.path + "/link") == 0)
        #expect(failure { () throws(Errno) in try File.content(scratch.path + "/nowhere") } == .noSuchFile)
        #expect(failure { () throws(Errno) in try File.content(scratch.path) } == .isDirectory)
        #expect(failure { () throws(Errno) in try File.content("/dev/zero", limit: 1000) } == .messageTooLarge)
        // A pipe that nobody writes to is empty.
        #expect(try File.content(scratch.path + "/pipe").isEmpty)
        #expect(try !File.content(scratch.path + "/link").isEmpty)
        let refused: [Errno?] = [
            failure { () throws(Errno) in try File.content(scratch.path + "/link", .noFollow) },
            failure { () throws(Errno) in try scratch.open().content(of: "link", limit: 1 << 20) },
        ]
        #expect(refused == [.tooManySymlinks, .tooManySymlinks])
    }

    /// The UUID as text, without the line's end.
    @Test func theBootHasOneIDOf36Characters() throws {
        let id = try Boot.id()
        #expect(id.wholeMatch(of: /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/) != nil)
        #expect(try Boot.id() == id)
    }
}
