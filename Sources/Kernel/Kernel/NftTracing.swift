internal import CKernel
public import NetlinkCodec
public import Posix

extension NetlinkSocket {
    /// A netfilter socket that receives what rules do with traced packets (NFNLGRP_NFTRACE), in the caller's network namespace.
    public static func forTracing() throws(Failure) -> NetlinkSocket { try NetlinkSocket(.netfilter, groups: 1 << 8) }

    /// The events since the last call; does not wait.
    public func traceEvents() throws(Failure) -> [NftTraceEvent] {
        var events: [NftTraceEvent] = []
        while true {
            do throws(Errno) { events += try receive().compactMap { NftTraceEvent($0) } } catch {
                guard error != .tryAgain else { return events }
                // Some were lost: return the rest.
                guard error == .noBufferSpace else { throw Failure("listen to what rules do with a packet", error) }
            }
        }
    }
}
