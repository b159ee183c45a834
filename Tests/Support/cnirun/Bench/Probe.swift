import ContainerRuntime
import Foundation

/// Counts for one command, from an untimed turn. For a chain: the largest peak, and the sums.
struct Footprint {
    var subject: Subject
    var verb: Verb
    var peakKiB: Int?
    /// System calls, including those of threads, child processes and programs that it started.
    var calls: Int?
    /// Programs executed.
    var programs: Int?
}

/// A small program (Benchmarks/*.c) that starts a plugin and appends a line about it to a file.
enum Probe {
    case peak(program: String)
    case calls(program: String)

    var program: String {
        switch self {
        case .peak(let program), .calls(let program): program
        }
    }

    var isThere: Bool { FileManager.default.isExecutableFile(atPath: program) }

    /// Runs `command`, which must prepend `prefix` to its programs.
    func measure(
        _ subject: Subject, _ verb: Verb, directory: String, _ command: (_ prefix: [String]) throws -> Void
    ) throws -> Footprint {
        let file = directory + "/probe"
        unlink(file)
        try command([program, file])
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
            .map { $0.split(separator: " ").compactMap { Int($0) } }
        func column(_ index: Int) -> [Int] { lines.compactMap { index < $0.count ? $0[index] : nil } }
        return switch self {
        case .peak: Footprint(subject: subject, verb: verb, peakKiB: column(0).max())
        case .calls:
            Footprint(
                subject: subject, verb: verb, calls: column(0).reduce(0, +), programs: column(1).reduce(0, +))
        }
    }
}
