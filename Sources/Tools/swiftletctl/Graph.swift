import ArgumentParser
import Inventory
import Posix
import Presentation

struct Graph: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Draw the node: uplinks, bridges, pods, addresses, ports, limits.",
        discussion: """
            An SVG picture needs nothing but a browser; the more pods there are, the less is written on each, and the rest \
            shows when the pointer rests on it. DOT is for Graphviz, Mermaid for pages that draw it.

            Examples:
              swiftletctl graph -o node.svg
              swiftletctl graph --network pods --format dot | dot -Tpdf -o pods.pdf
              swiftletctl graph --format mermaid
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case svg, dot, mermaid }

    @Option(help: "Format: svg, dot or mermaid.") var format = Format.svg
    @Option(name: .shortAndLong, help: ArgumentHelp("File to write; standard output by default.", valueName: "file"))
    var output: String?
    @OptionGroup var node: SnapshotOptions

    func run() throws {
        let snapshot = try node.snapshot()
        let picture =
            switch format {
            case .svg: snapshot.svg
            case .dot: snapshot.dot
            case .mermaid: snapshot.mermaid
            }
        // XML does not allow control characters either.
        let text = picture.visible()
        guard let output, output != "-" else { return try StandardStream.output.writeAll(text.utf8) }
        try attempting("write \(output)") { () throws(Errno) in
            try FileDescriptor.open(output, [.writeOnly, .create, .truncate], mode: 0o644).writeAll(text.utf8)
        }
    }
}
