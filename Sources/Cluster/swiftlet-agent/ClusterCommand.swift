import AgentConfiguration
import ArgumentParser
import ClusterEngine
import EngineHTTP
import EtcdEngine
import Foundation
import Posix

/// What people ask of the nodes that etcd knows.
struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Look at the nodes of a cluster in etcd, begin one, take out nodes that are gone.",
        discussion: "With the engine kubernetes, kubectl does this.",
        subcommands: [Initialize.self, Show.self, Nodes.self, Forget.self])

    struct Initialize: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "init",
            abstract: "Write the configuration's ranges into etcd; the first node does this itself.")
        @OptionGroup var options: ConfigurationOptions

        func run() async throws {
            try await options.administer { administration, configuration in
                try await administration.initialize(try subnetRanges(configuration))
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the ranges that all nodes must have.")
        @OptionGroup var options: ConfigurationOptions
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await options.administer { administration, configuration in
                guard let ranges = try await administration.ranges() else {
                    throw EngineFailure(
                        .gone, "network \(configuration.network) has not begun",
                        advice: "start an agent, or: cluster init")
                }
                let shown = ranges.map { ShownRange(range: "\($0.range)", subnetLength: $0.subnetLength) }
                try show(shown, json) {
                    shown.map { "\($0.range) in subnets of /\($0.subnetLength)" }.joined(separator: "\n")
                }
            }
        }
    }

    struct Nodes: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the nodes: addresses, subnets, and whether their agents were heard of lately.")
        @OptionGroup var options: ConfigurationOptions
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await options.administer { administration, _ in
                let nodes = try await administration.nodes().map { ShownNode($0) }
                try show(nodes, json) { table(nodes) }
            }
        }

        private func table(_ nodes: [ShownNode]) -> String {
            let rows =
                [["NODE", "ADDRESSES", "SUBNETS", "AGENT"]]
                + nodes.map { node in
                    [
                        node.name, node.addresses.joined(separator: " "), node.subnets.joined(separator: " "),
                        node.problem ?? (node.isPresent ? "running" : "not heard of"),
                    ]
                }
            let widths = (0..<3).map { column in rows.map { $0[column].count }.max() ?? 0 }
            return rows.map { row in
                zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }.joined(separator: "  ")
                    + "  " + row[3]
            }.joined(separator: "\n")
        }
    }

    struct Forget: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take out a node that is gone: its subnets are free for others.")
        @OptionGroup var options: ConfigurationOptions
        @Argument(help: "The node's name.") var node: String
        @Flag(help: "Also if its agent runs, which then joins anew.") var force = false

        func run() async throws {
            try await options.administer { administration, _ in
                let freed = try await administration.forget(node, evenIfPresent: force)
                print("free now: " + (freed.isEmpty ? "nothing" : freed.map { "\($0)" }.joined(separator: " ")))
            }
        }
    }
}

private struct ShownRange: Encodable {
    let range: String
    let subnetLength: Int
}

private struct ShownNode: Encodable {
    let name: String
    let addresses: [String]
    let subnets: [String]
    let isPresent: Bool
    let problem: String?

    init(_ node: EtcdAdministration.Node) {
        name = node.name
        addresses = node.addresses.map { "\($0)" }
        subnets = node.subnets.map { "\($0)" }
        isPresent = node.isPresent
        problem = node.problem
    }
}

private func show(_ value: some Encodable, _ json: Bool, _ text: () -> String) throws {
    guard json else { return print(text()) }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}

extension ConfigurationOptions {
    /// Asks etcd with the agent's own configuration.
    fileprivate func administer(
        _ work: (EtcdAdministration, AgentConfiguration) async throws -> Void
    ) async throws {
        let configuration = try read()
        guard case .etcd(let etcd) = configuration.engine else {
            throw ConfigurationError("\(config): the engine is kubernetes: use kubectl get nodes")
        }
        let administration = try EtcdAdministration(
            etcd.access, network: configuration.network, user: etcd.user, password: etcd.passwordFile.map { .file($0) })
        do { try await work(administration, configuration) } catch {
            await administration.close()
            throw error
        }
        await administration.close()
    }
}
