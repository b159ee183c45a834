internal import CNI
internal import JSON
internal import NetlinkCodec
internal import Posix

/// The settings of `bandwidth`, also used by `swiftlet`: how fast a pod may send and receive.
struct BandwidthSettings {
    /// Towards the pod; nil for no limit.
    let ingress: Limit?
    /// From the pod; nil for no limit.
    let egress: Limit?

    /// A rate, and a burst that may exceed it after idle time.
    struct Limit: Hashable {
        /// Bits per second.
        let rate: UInt64
        /// Bits, as requested.
        let burst: UInt64
    }

    enum Keys {
        static let ingressRate = bits("ingressRate", "Bits per second to the pod, at least 8; 0 for no limit.")
        static let ingressBurst = bits(
            "ingressBurst", "Largest burst to the pod in bits; given together with `ingressRate`.")
        static let egressRate = bits("egressRate", "Bits per second from the pod, at least 8; 0 for no limit.")
        static let egressBurst = bits(
            "egressBurst", "Largest burst from the pod in bits; given together with `egressRate`.")

        static var everything: [KeyDescription] { limits.map { $0.described } }
        fileprivate static let limits = [ingressRate, ingressBurst, egressRate, egressBurst]

        /// Versions 1.5 of the reference had them; earlier and later versions ignore them.
        fileprivate static let exceptions = ["unshapedSubnets", "shapedSubnets"]

        private static func bits(_ name: String, _ summary: String) -> ConfigurationKey<UInt64> {
            ConfigurationKey(name, default: 0, summary) { reader throws(Failure) in
                guard let number = UInt64(exactly: try reader.integer()) else {
                    throw reader.wrong("from 0 to \(Int64.max)")
                }
                return number
            }
        }
    }

    /// The longest burst in octets; the kernel counts it in 32 bits.
    private static let maximumBurst: UInt64 = 1 << 32 - 1

    var isEmpty: Bool { ingress == nil && egress == nil }

    /// Reads the block itself if it has one of the keys, otherwise the capability `bandwidth`, as the reference does.
    ///
    /// - Throws: code 2, 6 or 7, naming key and value.
    init(_ request: Request) throws(Failure) {
        let capability = try request.configuration.runtimeConfiguration("bandwidth")
        (ingress, egress) = try request.configuration.decoding { (reader) throws(Failure) in
            let own = try Keys.limits.map { key throws(Failure) in try reader.member(key.name) }
            let hasOwn = own.contains { $0 != nil }
            let source = hasOwn ? reader : capability ?? JSONReader(.object(JSON.Object()))
            return (
                try BandwidthSettings.limit(Keys.ingressRate, Keys.ingressBurst, source),
                try BandwidthSettings.limit(Keys.egressRate, Keys.egressBurst, source)
            )
        }
        if request.invocation.command == .add {
            for (limit, key) in [(ingress, Keys.ingressBurst), (egress, Keys.egressBurst)] {
                guard let limit, limit.hasSenselessBurst else { continue }
                request.log(
                    "\(key.name): \(limit.burst) bits would take more than a second at \(limit.rate) bit/s; 20 ms worth is used"
                )
            }
        }
        // Shaping traffic that should be exempt would be as wrong as the reverse.
        for source in [request.configuration.reader, capability].compactMap({ $0 }) {
            let lists = try request.configuration.decoding { (_) throws(Failure) in
                try Keys.exceptions.map { key throws(Failure) in try source.member(key) }
            }
            for list in lists.compactMap({ $0 }) where list.value != [] {
                throw Failure(
                    .unsupportedField, "\(list.path): limits hold for all destinations",
                    details: "to reach some of them without a limit, give the pod a second network")
            }
        }
    }

    private static func limit(
        _ rateKey: ConfigurationKey<UInt64>, _ burstKey: ConfigurationKey<UInt64>, _ source: JSONReader
    ) throws(Failure) -> Limit? {
        let (rate, burst) = (try rateKey.read(source), try burstKey.read(source))
        let place = source.path.isEmpty ? "" : "\(source.path)."
        let wrong = { (key: String, value: UInt64, expected: String) in
            Failure(.value, path: place + key, expected: expected, found: "\(value)")
        }
        switch (rate, burst) {
        case (0, 0): return nil
        case (_, 0):
            throw wrong(burstKey.name, 0, "above 0 beside \(rateKey.name) (if rate is set, burst must also be set)")
        case (0, _):
            throw wrong(rateKey.name, 0, "above 0 beside \(burstKey.name) (if burst is set, rate must also be set)")
        case (..<8, _): throw wrong(rateKey.name, rate, "at least 8 bit/s (one octet)")
        default: break
        }
        guard burst / 8 < maximumBurst else {
            throw wrong(burstKey.name, burst, "below \(maximumBurst * 8) bits (burst cannot be more than 4GB)")
        }
        return Limit(rate: rate, burst: burst)
    }
}

extension BandwidthSettings.Limit {
    /// Whether the burst lasts more than a second at the rate, so that there would be no effective limit.
    ///
    /// Runtimes send such values if a pod's annotations name only rates: 2^31 - 1 bits (dockershim), 2^32 - 1
    /// (containerd), 8 (2^32 - 1) - 1 (CRI-O).
    var hasSenselessBurst: Bool { burst > rate }

    /// 20 ms worth, enough for any rate. In octets.
    private var usualBurst: UInt64 { rate / 8 / 50 }

    /// The bucket for an interface of that MTU.
    ///
    /// Its rate counts whole frames. The burst is at least one frame and 1 ms worth: a burst smaller than a frame would
    /// let nothing through, and one that is filled faster than timers fire would not reach the rate. The queue holds 25
    /// ms worth, as in the reference, and at least 16 frames, so that a TCP connection can begin. It is extended by a
    /// burst of the usual length, not of the requested one; otherwise a flood would fill the kernel's memory.
    func bucket(mtu: UInt32) -> TokenBucket {
        let octets = rate / 8
        // ETH_HLEN and a VLAN tag. A smaller MTU changes nothing, so that a later plugin may set one.
        let frame = UInt64(max(mtu, 1500)) + 18
        let size = max(hasSenselessBurst ? usualBurst : burst / 8, octets / 1000, frame)
        let queue = max(octets / 40, 16 * frame) + min(size, max(usualBurst, frame))
        return TokenBucket(rate: octets, burst: UInt32(clamping: size), limit: UInt32(clamping: queue))
    }

    /// The reference's bucket, up to its version 1.4 and from 1.6 on.
    var referenceBucket: TokenBucket {
        let octets = rate / 8
        let size = UInt32(clamping: burst / 8)
        return TokenBucket(
            rate: octets, burst: size, limit: UInt32(truncatingIfNeeded: octets / 40) &+ size)
    }
}
