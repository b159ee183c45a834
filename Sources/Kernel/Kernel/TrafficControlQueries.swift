public import NetlinkCodec
public import Posix

extension NetlinkSocket {
    /// The queueing discipline at one place of a link; nil where there is none but what the link was made with.
    public mutating func qdisc(_ place: QdiscPlace, of link: Link) throws(Failure) -> Qdisc? {
        let attempt = "look up the \(place) queueing discipline of \(link.name)"
        do throws(Failure) {
            let message = try request(attempt) { $0.getQdisc(place, of: link.index) }
            guard let qdisc = Qdisc(message), qdisc.interface == link.index else {
                throw Failure(attempt, .badMessage)
            }
            return qdisc.isDefault ? nil : qdisc
        } catch {
            // No error at all is the acknowledgement of an answer that did not come; before 6.8 it is the third.
            guard error.errno?.rawValue == 0 || error.errno == .noSuchFile || error.errno == .invalidArgument else {
                throw error
            }
            return nil
        }
    }

    /// The queueing disciplines of all links, but for those that links were made with.
    public mutating func qdiscs() throws(Failure) -> [Qdisc] {
        try dump("list queueing disciplines", Qdisc.init) { $0.dumpQdiscs() }.filter { !$0.isDefault }
    }

    /// The filters of what comes in by a link.
    public mutating func ingressFilters(of link: Link) throws(Failure) -> [TrafficFilter] {
        do throws(Failure) {
            return try dump("list the filters of \(link.name)", TrafficFilter.init) {
                $0.dumpIngressFilters(of: link.index)
            }.filter { $0.interface == link.index }
        } catch {
            // There is no place for them.
            guard error.errno == .invalidArgument || error.errno == .noSuchFile else { throw error }
            return []
        }
    }

    /// Whether the kernel has token buckets, found out without making one.
    public mutating func requireTokenBuckets() throws(Failure) {
        // Every namespace has `lo`, under this number (LOOPBACK_IFINDEX, linux/net/net_namespace.h).
        do throws(Failure) { try execute("make a token bucket") { $0.probeTokenBucket(on: 1) } } catch {
            // Its kind is looked up first (qdisc_create, net/sched/sch_api.c); where lo has a root, not even that.
            guard error.errno != .invalidArgument, error.errno != .fileExists else { return }
            throw error.errno == .noSuchFile ? error.advising("the kernel lacks it: load sch_tbf") : error
        }
    }
}
