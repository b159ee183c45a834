import ArgumentParser
import FoundationEssentials
import Posix

/// The agent has the client of etcd: this passes everything on to it.
struct ClusterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Look at the nodes of a cluster in etcd: init, show, nodes, forget NODE (by swiftlet-agent).",
        discussion: "`swiftletctl cluster nodes --json`; the agent's configuration says where etcd is.")

    @Argument(parsing: .captureForPassthrough, help: "init, show, nodes, forget NODE, and their options.")
    var words: [String] = []

    func run() throws {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let folders = [own.lastIndex(of: "/").map { String(own[..<$0]) }, "/usr/bin", "/usr/local/sbin"]
        let candidates = folders.compactMap { $0 }.map { "\($0)/swiftlet-agent" }
        guard let agent = candidates.first(where: FileManager.default.isExecutableFile) else {
            throw Failure(
                .inputOutput, "start swiftlet-agent: it is not installed", details: "docs/agent.md says how to get it")
        }
        let errno = ProcessImage.replace(with: [agent, "cluster"] + words)
        throw Failure("start \(agent)", errno)
    }
}
