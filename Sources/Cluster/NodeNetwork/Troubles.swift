internal import Addresses
internal import Kernel
internal import NetlinkCodec
internal import NodeRoutes
public import Posix

extension NodeNetwork {
    /// What keeps some pods from being reached although the kernel has all that is wanted, a line each, with what to do.
    ///
    /// - Throws: if this node's routes cannot be read.
    public func troubles() throws(Failure) -> [String] {
        let peers = plan.ways.flatMap { name, way in way.obstacles.map { "node \(name): \(words($0))" } }
        let claims = plan.nodes.names.flatMap { name in
            plan.nodes.refusedClaims(of: name).map { refused in
                "node \(name) claims \(refused.subnet), which overlaps a subnet of the older node \(refused.holder): its pods are not reached; give it another subnet"
            }
        }
        return (peers + claims).sorted() + (try overlaps())
    }

    private func words(_ obstacle: PeerWay.Obstacle) -> String {
        switch obstacle {
        case .noCommonFamily:
            "it has no address of a family of this node's addresses: give both nodes IPv4 or IPv6 addresses"
        case .notOnLink(let address):
            "\(address) is on no link of this node, and only routes are allowed: set ways to auto or vxlan"
        case .ownAddress(let address):
            "\(address) is this node's own address: two nodes must not have the same"
        case .outsideRanges(let subnet):
            "its subnet \(subnet) is not within the cluster's ranges: give it another subnet, or change ranges on all nodes"
        }
    }

    /// Routes of others into the cluster's ranges: what they lead to cannot be told from pods.
    private func overlaps() throws(Failure) -> [String] {
        var socket = try NetlinkSocket()
        var found: [String] = []
        for family in [IPFamily.v4, .v6] {
            for route in try socket.routes(family)
            where route.table == Route.mainTable && route.destination.prefixLength > 0 {
                guard let range = settings.routes.clusterRanges.first(where: { $0.overlaps(route.destination) }),
                    route.origin != settings.routes.origin,
                    // Pods' own bridges, with a subnet that the node has or had.
                    let link = try socket.link(.index(route.interface)), !link.alias.hasPrefix("swiftlet ")
                else { continue }
                found.append(
                    "the cluster's range \(range) overlaps this node's route to \(route.destination) by \(link.name): pods with such addresses are not reached; choose other ranges, or remove the route"
                )
            }
        }
        return found
    }
}
