import ContainerRuntime
import Foundation
import TestSupport
import Testing

/// Benchmarks/calls.c, which the measurements take the number of system calls from.
@Suite struct CallCounterTests {
    private static let path = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
    private let directory = NSTemporaryDirectory() + "calls-" + UUID().uuidString
    private let report: String
    private let source = repository.appending(path: "Benchmarks/calls.c").path

    init() { report = directory + "/report" }

    private func run(_ words: String...) throws -> ProcessOutcome {
        try Launcher().run(words[0], arguments: Array(words.dropFirst()), environment: Self.path)
    }

    @Test func itCountsWhatStraceCountsAndAddsALineForEachRun() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let (counter, log) = (directory + "/calls", directory + "/strace")
        #expect(try run("gcc", "-O2", "-static", "-o", counter, source).exit.isSuccess)

        let script = "/bin/true; /bin/true; exit 7"
        #expect(try run(counter, report, "/bin/sh", "-c", script).exit == .code(7))
        #expect(try run(counter, report, "/bin/true").exit.isSuccess)
        let lines = try String(contentsOfFile: report, encoding: .utf8).split(separator: "\n")
            .map { $0.split(separator: " ").compactMap { Int($0) } }

        #expect(
            try run("strace", "-f", "-qq", "-e", "signal=none", "-o", log, "/bin/sh", "-c", script).exit == .code(7))
        let traced = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
            .count { !$0.contains("resumed>") }
        // strace has the first execve as well.
        #expect(lines.first == [traced - 1, 3])
        #expect(lines.last?.last == 1)
        #expect(lines.count == 2)
    }

    @Test func itCountsThreads() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let counter = directory + "/calls"
        #expect(try run("gcc", "-O2", "-static", "-o", counter, source).exit.isSuccess)
        let program = """
            #include <pthread.h>
            #include <unistd.h>
            static void *calls(void *count) { for (long n = (long)count; n > 0; n--) getppid(); return 0; }
            int main(int argc, char **argv) {
                (void)argv;
                pthread_t thread;
                pthread_create(&thread, 0, calls, (void *)(argc > 1 ? 1000l : 0l));
                return pthread_join(thread, 0);
            }
            """
        let (code, threaded) = (directory + "/threads.c", directory + "/threads")
        try program.write(toFile: code, atomically: false, encoding: .utf8)
        #expect(try run("gcc", "-O2", "-static", "-pthread", "-o", threaded, code).exit.isSuccess)
        #expect(try run(counter, report, threaded).exit.isSuccess)
        #expect(try run(counter, report, threaded, "many").exit.isSuccess)
        let counts = try String(contentsOfFile: report, encoding: .utf8).split(separator: "\n")
            .compactMap { Int($0.split(separator: " ")[0]) }
        // Whether the one has to wait for the other differs.
        #expect((980...1020).contains(counts[1] - counts[0]))
    }
}
