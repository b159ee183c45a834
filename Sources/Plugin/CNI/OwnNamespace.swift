public import Posix

extension Invocation {
    /// Refuses to take the plugin's own namespace for a pod's: it would change the node's interfaces.
    ///
    /// - Parameter namespace: the pod's, as its file is.
    /// - Throws: code 8 when it is the plugin's own, unless `CNI_NETNS_OVERRIDE` allows that.
    public func refuseOwnNamespace(_ namespace: FileStatus) throws(Failure) {
        guard !mayUseOwnNamespace else { return }
        let path = "/proc/thread-self/ns/net"
        let own = try attempting("look at \(path)") { () throws(Errno) in try FileStatus.of(path) }
        guard namespace.isSameFile(as: own) else { return }
        throw Failure(
            .invalidNamespace, "plugin's netns and netns from CNI_NETNS should not be the same",
            details: "CNI_NETNS is \(netns ?? ""); CNI_NETNS_OVERRIDE=1 allows it")
    }

    /// The call as it may be run: for DEL, which must always succeed, a path that has come to mean the plugin's own
    /// namespace is one that is gone.
    ///
    /// - Throws: code 8 for the other commands. What is not there, or cannot be looked at, is for the plugin to say.
    func outsideOfOwnNamespace() throws(Failure) -> Invocation {
        guard let netns, let namespace = try? FileStatus.of(netns) else { return self }
        do throws(Failure) { try refuseOwnNamespace(namespace) } catch {
            guard error.code == .invalidNamespace else { return self }
            guard command == .del else { throw error }
            return withoutNamespace
        }
        return self
    }
}
