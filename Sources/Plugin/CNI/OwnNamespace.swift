public import Posix

extension Invocation {
    /// Refuses to treat the plugin's own namespace as a pod's, because it would change the node's interfaces.
    ///
    /// - Parameter namespace: the status of the pod's namespace file.
    /// - Throws: code 8 if it is the plugin's own, unless `CNI_NETNS_OVERRIDE` allows that.
    public func refuseOwnNamespace(_ namespace: FileStatus) throws(Failure) {
        guard !mayUseOwnNamespace else { return }
        let path = "/proc/thread-self/ns/net"
        let own = try attempting("look at \(path)") { () throws(Errno) in try FileStatus.of(path) }
        guard namespace.isSameFile(as: own) else { return }
        throw Failure(
            .invalidNamespace, "plugin's netns and netns from CNI_NETNS should not be the same",
            details: "CNI_NETNS is \(netns ?? ""); CNI_NETNS_OVERRIDE=1 allows it")
    }

    /// The call to run. DEL must always succeed, so for it a path that now refers to the plugin's own namespace counts as gone.
    ///
    /// - Throws: code 8 for the other commands. If the path is missing or cannot be examined, the plugin reports that.
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
