internal import Kernel
internal import Posix

/// Answers between two pods of one bridge stay on the bridge, where only br_netfilter shows them to connection tracking; without
/// it a pod gets an answer from an address that it has not asked (Documentation/networking/bridge.rst).
enum BridgedPackets {
    /// Switches it on.
    ///
    /// - Returns: why that is not possible, with what to do.
    static func show() -> String? {
        for parameter in ["bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables"] {
            let sysctl = Sysctl(parameter)
            do throws(Failure) {
                guard try sysctl.read() != nil else {
                    return
                        "pods do not reach Services whose endpoint is on their own node: load br_netfilter (modprobe br_netfilter)"
                }
                try sysctl.ensure("1")
            } catch {
                return "pods do not reach Services whose endpoint is on their own node: \(error): set \(sysctl) to 1"
            }
        }
        return nil
    }
}
