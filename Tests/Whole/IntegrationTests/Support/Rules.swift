import ContainerRuntime
import Foundation
import Testing

extension Node {
    /// The elements that bear this comment, as text.
    func ownElements(of owner: String) throws -> [String] {
        try ruleset().own.filter { $0.owner == owner }.map(\.description)
    }

    /// Nothing is left of any attachment: no element, no record, no host's end of a pod, no reservation.
    func expectNoRules(
        _ comment: String = "", network: String = "net", sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        #expect(try ruleset().own.map(\.description) == [], "\(comment)", sourceLocation: sourceLocation)
        #expect(try recordPaths() == [], "\(comment)", sourceLocation: sourceLocation)
        #expect(try veths() == [], "\(comment)", sourceLocation: sourceLocation)
        #expect(try reservations(network) == [], "\(comment)", sourceLocation: sourceLocation)
    }

    /// Whether this node's bridges show what they forward to iptables, ip6tables or arptables.
    ///
    /// - Parameter tables: `ip` or `ip6`.
    func setBridgeNetfilter(_ tables: String, _ value: String) throws {
        try setSysctl("bridge/bridge-nf-call-\(tables)tables", value)
    }

    /// Feeds nft a file.
    func nft(_ text: String) throws { try run(["nsenter", "--net=\(path)", "nft", "-f", "-"], stdin: text) }
}
