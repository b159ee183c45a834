internal import Addresses
internal import Kernel
internal import NetlinkCodec
internal import Posix
internal import ServicePlan

/// Which client stays at which endpoint. The kernel notes it, and forgets it when the time is over; here it ends with the endpoint.
enum Affinities {
    /// Elements that bind a client to an endpoint that it must not have.
    ///
    /// - Parameter frontends: only of these; nil for all.
    static func stale(
        _ socket: inout NetlinkSocket, _ table: ServiceTable, _ frontends: Set<Frontend>?
    ) throws(Failure) -> [(set: String, element: NftSetElement)] {
        var stale: [(set: String, element: NftSetElement)] = []
        var targets: [Frontend: Endpoints] = [:]
        for family in IPFamily.allCases {
            let name = ServiceMap.affinity.name(family)
            for element in try socket.elements(of: name, in: ServiceRuleset.table) {
                let width = family.byteWidth
                guard let client = IPAddress(bytes: element.key.prefix(width)),
                    let frontend = Frontend(element.key.dropFirst(width), family),
                    case .value(let data)? = element.data,
                    let target = Target(data, family)
                else {
                    stale.append((name, NftSetElement(NftElement(key: element.key))))
                    continue
                }
                guard frontends?.contains(frontend) != false else { continue }
                let allowed = targets[frontend] ?? Endpoints(table.frontends[frontend])
                targets[frontend] = allowed
                let isInside =
                    table.nodeAddresses.contains(client) || table.podRanges.contains { $0.contains(client) }
                if !allowed.contains(target, isInside: isInside) {
                    stale.append((name, NftSetElement(NftElement(key: element.key))))
                }
            }
        }
        return stale
    }

    private struct Endpoints {
        private var all: Set<Target> = []
        /// Of clients that are neither pods nor the node; nil if all are alike.
        private var own: Set<Target>?

        init(_ entry: FrontendEntry?) {
            guard let entry, entry.affinity != nil else { return }
            switch entry.answer {
            case .reject, .drop: break
            case .targets(let targets): all = Set(targets)
            case .split(let all, let own):
                self.all = Set(all)
                self.own = Set(own)
            }
        }

        func contains(_ target: Target, isInside: Bool) -> Bool {
            (isInside ? all : own ?? all).contains(target)
        }
    }
}
