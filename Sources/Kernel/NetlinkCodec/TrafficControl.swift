/// A token bucket that limits the rate of packets (tc-tbf(8); net/sched/sch_tbf.c).
public struct TokenBucket: Sendable, Hashable {
    /// Octets per second, including Ethernet headers; at least 1.
    public var rate: UInt64
    /// Octets that may be sent at once after a pause. Larger packets are segmented if possible, otherwise dropped.
    public var burst: UInt32
    /// Octets that may wait, including those of the burst.
    public var limit: UInt32

    public init(rate: UInt64, burst: UInt32, limit: UInt32) {
        self.rate = rate
        self.burst = burst
        self.limit = limit
    }

    /// How long it takes to fill the bucket, in the kernel's unit: ticks of 64 ns (PSCHED_SHIFT, net/pkt_sched.h), of which it
    /// shows the low 32 bits.
    var fillTime: UInt32 { UInt32(truncatingIfNeeded: UInt64(burst) * TokenBucket.ticksPerSecond / rate) }

    private static let ticksPerSecond: UInt64 = 1_000_000_000 / 64

    /// The burst of a bucket from ``fillTime``.
    fileprivate static func burst(filledIn ticks: UInt32, _ rate: UInt64) -> UInt32 {
        let product = UInt64(ticks).multipliedFullWidth(by: rate)
        guard product.high < ticksPerSecond else { return .max }
        return UInt32(clamping: ticksPerSecond.dividingFullWidth(product).quotient)
    }
}

/// Where a queueing discipline sits on its link.
public enum QdiscPlace: Sendable, Hashable, CustomStringConvertible {
    /// Egress: TC_H_ROOT.
    case root
    /// Ingress: TC_H_INGRESS.
    case ingress

    public var description: String { self == .root ? "root" : "ingress" }
    var parent: UInt32 { self == .root ? 0xffff_ffff : 0xffff_fff1 }
    var handle: UInt32 { self == .root ? 0x0001_0000 : QdiscPlace.ingressHandle }

    static let ingressHandle: UInt32 = 0xffff_0000
}

/// A queueing discipline as RTM_NEWQDISC describes it (tcmsg, linux/rtnetlink.h).
public struct Qdisc: Sendable, Hashable {
    public let interface: UInt32
    /// Such as `tbf`.
    public let kind: String
    /// Whether it is the link's original default; defaults have no handle.
    public let isDefault: Bool
    private let bucket: Bucket?

    private struct Bucket: Hashable {
        let rate: UInt64
        let limit: UInt32
        let fillTime: UInt32
        let peakRate: UInt32
    }

    public init?(_ message: Message) {
        guard message.type == RouteMessageType.newQdisc, message.payload.count >= TC.headerSize else { return nil }
        interface = message.payload.load(UInt32.self, at: 4)
        isDefault = message.payload.load(UInt32.self, at: 8) == 0
        let attributes = Attributes(message.payload.dropFirst(TC.headerSize))
        kind = attributes[TC.kind]?.text ?? ""
        let options = attributes.nested(TC.options)
        guard kind == "tbf", let parameters = options[TC.tbfParameters]?.bytes, parameters.count >= 36 else {
            bucket = nil
            return
        }
        bucket = Bucket(
            rate: options[TC.tbfRate64]?.uint64 ?? UInt64(parameters.load(UInt32.self, at: 8)),
            limit: parameters.load(UInt32.self, at: 24), fillTime: parameters.load(UInt32.self, at: 28),
            peakRate: parameters.load(UInt32.self, at: 20))
    }

    /// The token bucket, with the burst as precise as the kernel shows it; nil for another kind.
    public var tokenBucket: TokenBucket? {
        bucket.map {
            TokenBucket(rate: $0.rate, burst: TokenBucket.burst(filledIn: $0.fillTime, $0.rate), limit: $0.limit)
        }
    }

    /// Whether it has the wanted effect: the kernel rounds the burst.
    public func serves(_ wanted: TokenBucket) -> Bool {
        guard let bucket, bucket.rate == wanted.rate, bucket.limit == wanted.limit, bucket.peakRate == 0 else {
            return false
        }
        let difference = Int32(truncatingIfNeeded: Int64(bucket.fillTime) - Int64(wanted.fillTime))
        // Other programs count in microseconds, 16 ticks; the kernel multiplies by a rounded reciprocal.
        return difference.magnitude <= 32 + wanted.fillTime >> 10
    }
}

/// A classifier as RTM_NEWTFILTER describes it.
public struct TrafficFilter: Sendable, Hashable {
    public let interface: UInt32
    /// Such as `u32`.
    public let kind: String
    public let priority: UInt16
    /// Whether it matches every packet of every protocol.
    public let matchesEverything: Bool
    /// Index of the interface to which packets are redirected, as if they were sent there; nil without redirection.
    public let redirection: UInt32?

    public init?(_ message: Message) {
        guard message.type == RouteMessageType.newTrafficFilter, message.payload.count >= TC.headerSize else {
            return nil
        }
        interface = message.payload.load(UInt32.self, at: 4)
        let info = message.payload.load(UInt32.self, at: 16)
        priority = UInt16(truncatingIfNeeded: info >> 16)
        let attributes = Attributes(message.payload.dropFirst(TC.headerSize))
        kind = attributes[TC.kind]?.text ?? ""
        let options = attributes.nested(TC.options)
        // u32's hash tables, and the head of a list, are dumped as if they were filters.
        guard attributes[TC.options] != nil, kind != "u32" || options[TC.u32Divisor] == nil else { return nil }
        let selector = kind == "u32" ? options[TC.u32Selector]?.bytes : nil
        matchesEverything =
            UInt16(truncatingIfNeeded: info) == TC.allProtocols && selector.map(TrafficFilter.takesAll) ?? false
        redirection = options.nested(TC.u32Action).all.first.flatMap { TrafficFilter.redirection($0) }
    }

    /// Whether no key of the selector (tc_u32_sel, linux/pkt_cls.h) restricts anything.
    private static func takesAll(_ selector: ArraySlice<UInt8>) -> Bool {
        guard selector.count >= 16, selector.load(UInt8.self, at: 0) & TC.u32Terminal != 0 else { return false }
        let keys = Int(selector.load(UInt8.self, at: 2))
        guard selector.count >= 16 + keys * 16 else { return false }
        return (0..<keys).allSatisfy { selector.load(UInt32.self, at: 16 + $0 * 16) == 0 }
    }

    private static func redirection(_ action: Attribute) -> UInt32? {
        let attributes = Attributes(action.bytes)
        guard attributes[TC.actionKind]?.text == "mirred",
            let parameters = attributes.nested(TC.actionOptions)[TC.mirredParameters]?.bytes, parameters.count >= 28,
            parameters.load(UInt32.self, at: 8) == TC.stolen,
            parameters.load(UInt32.self, at: 20) == TC.redirectToEgress
        else { return nil }
        let index = parameters.load(UInt32.self, at: 24)
        return index == 0 ? nil : index
    }
}

/// Traffic control, linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h and linux/tc_act/tc_mirred.h.
private enum TC {
    static let headerSize = 20

    static let kind: UInt16 = 1
    static let options: UInt16 = 2

    static let tbfParameters: UInt16 = 1
    static let tbfRate64: UInt16 = 4
    static let tbfBurst: UInt16 = 6
    /// TC_LINKLAYER_ETHERNET.
    static let ethernet: UInt8 = 1

    static let u32Divisor: UInt16 = 4
    static let u32Selector: UInt16 = 5
    static let u32Action: UInt16 = 7
    static let u32Terminal: UInt8 = 1

    static let actionKind: UInt16 = 1
    static let actionOptions: UInt16 = 2
    static let mirredParameters: UInt16 = 2
    /// TC_ACT_STOLEN.
    static let stolen: UInt32 = 4
    /// TCA_EGRESS_REDIR.
    static let redirectToEgress: UInt32 = 1

    /// ETH_P_ALL in network byte order.
    static let allProtocols = UInt16(3).bigEndian
}

extension MessageBuilder {
    private mutating func trafficControl(
        _ type: UInt16, flags: UInt16, on index: UInt32, handle: UInt32, parent: UInt32, info: UInt32 = 0,
        _ attributes: (inout MessageBuilder) -> Void
    ) {
        message(type, flags: MessageFlag.request | flags) {
            $0.append(UInt32(AddressFamily.unspecified))
            $0.append(index)
            $0.append(handle)
            $0.append(parent)
            $0.append(info)
            attributes(&$0)
        }
    }

    private mutating func addQdisc(
        _ kind: String, _ place: QdiscPlace, on index: UInt32, _ options: (inout MessageBuilder) -> Void
    ) {
        trafficControl(
            RouteMessageType.newQdisc, flags: MessageFlag.create | MessageFlag.exclusive, on: index,
            handle: place.handle, parent: place.parent
        ) {
            $0.attribute(TC.kind, text: kind)
            options(&$0)
        }
    }

    /// Limits the egress rate of a link. Fails if the link has a root other than its default.
    public mutating func addTokenBucket(_ bucket: TokenBucket, on index: UInt32) {
        addQdisc("tbf", .root, on: index) {
            $0.nested(TC.options) {
                $0.attribute(TC.tbfParameters, TokenBucketParameters(bucket).bytes)
                if bucket.rate > UInt32.max { $0.attribute(TC.tbfRate64, uint64: bucket.rate) }
                $0.attribute(TC.tbfBurst, uint32: bucket.burst)
            }
        }
    }

    /// A request for a token bucket without any parameters. It is always refused; the error tells whether the kernel knows the
    /// kind.
    public mutating func probeTokenBucket(on index: UInt32) { addQdisc("tbf", .root, on: index) { _ in } }

    /// Adds a link's ingress discipline, which holds the filters for received packets. Fails if it exists.
    public mutating func addIngress(on index: UInt32) { addQdisc("ingress", .ingress, on: index) { _ in } }

    public mutating func deleteQdisc(_ place: QdiscPlace, on index: UInt32) {
        trafficControl(
            RouteMessageType.deleteQdisc, flags: 0, on: index, handle: place.handle, parent: place.parent
        ) { _ in }
    }

    /// Redirects everything that a link receives to another link's egress.
    public mutating func redirectIngress(of index: UInt32, to target: UInt32) {
        let info = 1 << 16 | UInt32(TC.allProtocols)
        trafficControl(
            RouteMessageType.newTrafficFilter, flags: MessageFlag.create | MessageFlag.exclusive, on: index, handle: 0,
            parent: QdiscPlace.ingressHandle, info: info
        ) {
            $0.attribute(TC.kind, text: "u32")
            $0.nested(TC.options) {
                // tc_u32_sel with one key, whose mask and value are 0.
                $0.attribute(TC.u32Selector, [TC.u32Terminal, 0, 1] + [UInt8](repeating: 0, count: 29))
                $0.nested(TC.u32Action) {
                    $0.nested(1) {
                        $0.attribute(TC.actionKind, text: "mirred")
                        $0.nested(TC.actionOptions) {
                            $0.attribute(TC.mirredParameters, redirection(to: target))
                        }
                    }
                }
            }
        }
    }

    /// Asks for the queueing discipline at one place of a link. Kernels before 6.8 answer only a request for an echo. If the link
    /// has only its hidden default, only the acknowledgement arrives.
    public mutating func getQdisc(_ place: QdiscPlace, of index: UInt32) {
        trafficControl(
            RouteMessageType.getQdisc, flags: MessageFlag.echo | MessageFlag.acknowledge, on: index, handle: 0,
            parent: place.parent
        ) { _ in }
    }

    /// Asks for the queueing disciplines of all links.
    public mutating func dumpQdiscs() {
        trafficControl(
            RouteMessageType.getQdisc, flags: MessageFlag.dump, on: 0, handle: 0, parent: 0
        ) { _ in }
    }

    /// Asks for the filters of packets that a link receives.
    public mutating func dumpIngressFilters(of index: UInt32) {
        trafficControl(
            RouteMessageType.getTrafficFilter, flags: MessageFlag.dump, on: index, handle: 0,
            parent: QdiscPlace.ingressHandle
        ) { _ in }
    }
}

/// struct tc_mirred.
private func redirection(to index: UInt32) -> [UInt8] {
    var parameters = MessageBuilder()
    for value in [0, 0, TC.stolen, 0, 0, TC.redirectToEgress, index] { parameters.append(value) }
    return parameters.bytes
}

/// struct tc_tbf_qopt: two of tc_ratespec, limit, buffer, MTU. The buffer is also passed as an attribute, more exactly.
private struct TokenBucketParameters {
    let bytes: [UInt8]

    init(_ bucket: TokenBucket) {
        var parameters = MessageBuilder()
        // cell_log, linklayer, overhead, cell_align, mpu, rate.
        parameters.append(UInt8(0))
        parameters.append(TC.ethernet)
        for _ in 0..<3 { parameters.append(UInt16(0)) }
        parameters.append(UInt32(clamping: bucket.rate))
        // No peak rate.
        for _ in 0..<3 { parameters.append(UInt32(0)) }
        parameters.append(bucket.limit)
        parameters.append(bucket.fillTime)
        parameters.append(UInt32(0))
        bytes = parameters.bytes
    }
}
