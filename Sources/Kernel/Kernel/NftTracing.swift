internal import CKernel
public import NetlinkCodec
public import Posix

extension NetlinkSocket {
    /// A socket of netfilter that hears what rules do with packets that are traced (NFNLGRP_NFTRACE), in the caller's
    /// network namespace.
    public static func forTracing() throws(Failure) -> NetlinkSocket { try NetlinkSocket(.netfilter, groups: 1 << 8) }

    /// What has been heard since it was last asked; without waiting.
    public func traceEvents() throws(Failure) -> [NftTraceEvent] {
        var events: [NftTraceEvent] = []
        while true {
            do throws(Errno) { events += try receive().compactMap { NftTraceEvent($0) } } catch {
                guard error != .tryAgain else { return events }
                // Some were lost: what is left is told.
                guard error == .noBufferSpace else { throw Failure("hear what rules do with a packet", error) }
            }
        }
    }
}
