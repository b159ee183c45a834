public import NetlinkCodec
public import Posix

extension NetlinkSocket {
    /// The queueing discipline at one place of a link; nil if it is only the link's default.
    public mutating func qdisc(_ place: QdiscPlace, of link: Link) throws(Failure) -> Qdisc? {
        let attempt = "look up the \(place) queueing discipline of \(link.name)"
        do throws(Failure) {
            let message = try request(attempt) { $0.getQdisc(place, of: link.index) }
            guard let qdisc = Qdisc(message), qdisc.interface == link.index else {
                throw Failure(attempt, .badMessage)
            }
            return qdisc.isDefault ? nil : qdisc
        } catch {
            // Error 0 acknowledges a request without an answer; kernels before 6.8 return the third.
            guard error.errno?.rawValue == 0 || error.errno == .noSuchFile || error.errno == .invalidArgument else {
                throw error
            }
            return nil
        }
    }

    /// The queueing disciplines of all links, without the links' defaults.
    public mutating func qdiscs() throws(Failure) -> [Qdisc] {
        try dump("list queueing disciplines", Qdisc.init) { $0.dumpQdiscs() }.filter { !$0.isDefault }
    }

    /// The filters for packets that a link receives.
    public mutating func ingressFilters(of link: Link) throws(Failure) -> [TrafficFilter] {
        do throws(Failure) {
            return try dump("list the filters of \(link.name)", TrafficFilter.init) {
                $0.dumpIngressFilters(of: link.index)
            }.filter { $0.interface == link.index }
        } catch {
            // The link has no place for filters.
            guard error.errno == .invalidArgument || error.errno == .noSuchFile else { throw error }
            return []
        }
    }

    /// Checks whether the kernel has token buckets, without making one.
    public mutating func requireTokenBuckets() throws(Failure) {
        // Every namespace has `lo`, with this index (LOOPBACK_IFINDEX, linux/net/net_namespace.h).
        do throws(Failure) { try execute("make a token bucket") { $0.probeTokenBucket(on: 1) } } catch {
            // The kernel looks the kind up first (qdisc_create, net/sched/sch_api.c), or refuses even earlier if lo has a root
            // discipline.
            guard error.errno != .invalidArgument, error.errno != .fileExists else { return }
            throw error.errno == .noSuchFile ? error.advising("the kernel lacks it: load sch_tbf") : error
        }
    }
}
