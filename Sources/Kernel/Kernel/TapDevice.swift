internal import CKernel
public import Posix

/// Tap devices, which are made by ioctl instead of netlink (linux/if_tun.h).
public enum TapDevice {
    /// Makes a tap device that outlives this process, in the calling thread's namespace; it is down.
    ///
    /// - Parameters:
    ///   - name: at most 15 octets.
    ///   - hasQueues: whether a program may open it several times, once per queue.
    ///   - owner: the user who may open it without CAP_NET_ADMIN; nil for any.
    ///   - group: likewise.
    /// - Throws: `EBUSY` if a link of that name exists, `ENOENT` if the node has no /dev/net/tun.
    public static func make(_ name: String, hasQueues: Bool, owner: UInt32?, group: UInt32?) throws(Failure) {
        do throws(Errno) {
            let id = { (number: UInt32?) in number.map(Int64.init) ?? -1 }
            guard unsafe ck_make_tap(name, hasQueues ? 1 : 0, id(owner), id(group)) == 0 else { throw .last }
        } catch {
            throw Failure(
                "create tap \(name)", error,
                details: error == .noSuchFile ? "the node needs /dev/net/tun: load the module tun" : "")
        }
    }
}
