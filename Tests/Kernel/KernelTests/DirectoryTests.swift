import Foundation
import Posix
import Testing

/// Names in directories, of which the kernel gives as many at a time as there is room for.
@Suite struct DirectoryTests {
    private static func withDirectory(
        of names: some Sequence<String>, _ body: (borrowing FileDescriptor) throws -> Void
    ) throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "names-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: path, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: path) }
        for name in names { try Data().write(to: path.appending(path: name)) }
        try body(try FileDescriptor.open(path.path, [.directory]))
    }

    /// NAME_MAX, linux/limits.h, is 255 octets.
    @Test(arguments: [0, 1, 2, 9, 500], [3, 17, 64, 255])
    func everyNameIsFoundOnceHoweverManyAndLongTheyAre(_ count: Int, _ length: Int) throws {
        let all = Set((0..<count).map { "\($0)".padding(toLength: length, withPad: "x", startingAt: 0) })
        try Self.withDirectory(of: all) { directory in
            // Twice: the first does not move what the second starts from.
            for _ in 0..<2 {
                let names = try directory.names(limit: 500)
                #expect(names.sorted() == all.sorted())
            }
            for name in all {
                let isFound = try directory.hasName { $0 == name }
                #expect(isFound, "\(name)")
            }
            let hasStranger = try directory.hasName { !all.contains($0) }
            #expect(!hasStranger)
            var asked = 0
            let hasAny = try directory.hasName { _ in
                asked += 1
                return true
            }
            #expect(hasAny == !all.isEmpty && asked == min(all.count, 1))
        }
    }

    @Test func moreNamesThanTheLimitAreAnError() throws {
        try Self.withDirectory(of: ["a", "b", "c"]) { directory in
            let names = try directory.names(limit: 3)
            #expect(names.count == 3)
            do throws(Errno) {
                let names = try directory.names(limit: 2)
                Issue.record("\(names)")
            } catch { #expect(error == .messageTooLarge) }
        }
    }
}
