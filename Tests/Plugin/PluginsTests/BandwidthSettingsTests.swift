import Testing

@testable import Plugins

/// What a bucket lets through and holds back is bounded by time at its rate, whatever burst is asked for.
@Suite struct BandwidthSettingsTests {
    static let rates: [UInt64] = [8, 1000, 100_000, 1_000_000, 10_000_000, 1_000_000_000, 40_000_000_000, 1 << 45]
    static let bursts: [UInt64] = [
        8, 8000, 160_000, 1_000_000, 20_000_001, 1 << 31 - 1, 1 << 32 - 1, 8 * (1 << 32 - 1) - 1,
    ]

    @Test(arguments: rates, bursts) func burstAndQueueAreBoundedByTime(_ rate: UInt64, _ burst: UInt64) {
        for mtu: UInt32 in [1280, 1500, 9000, 65535] {
            let bucket = BandwidthSettings.Limit(rate: rate, burst: burst).bucket(mtu: mtu)
            let (octets, frame) = (rate / 8, UInt64(max(mtu, 1500)) + 18)
            #expect(UInt64(bucket.burst) >= min(frame, UInt64(UInt32.max)))
            #expect(UInt64(bucket.burst) <= max(octets, frame))
            // 25 ms may wait, or 16 frames, beside a burst of 20 ms or a frame.
            #expect(UInt64(bucket.limit) <= max(octets / 40, 16 * frame) + max(octets / 50, octets / 1000, frame))
            #expect(bucket.limit >= min(bucket.burst, UInt32(clamping: octets / 50)))
        }
    }

    @Test(arguments: rates) func aBurstOfUpToASecondIsTakenAtItsWord(_ rate: UInt64) {
        let frame: UInt64 = 1518
        for part: UInt64 in [1, 2, 10] where rate / part / 8 > frame && rate / 8 < 1 << 32 {
            let bucket = BandwidthSettings.Limit(rate: rate, burst: rate / part).bucket(mtu: 1500)
            #expect(UInt64(bucket.burst) == rate / part / 8)
        }
        let senseless = BandwidthSettings.Limit(rate: rate, burst: rate + 1)
        #expect(senseless.hasSenselessBurst)
        #expect(senseless.bucket(mtu: 1500).burst == UInt32(clamping: max(rate / 8 / 50, frame)))
    }
}
