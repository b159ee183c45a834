internal import CNI
internal import Kernel
internal import NetlinkCodec
internal import Posix

extension Request {
    /// Opens the pod's namespace once. From here on its file descriptor counts, not its path.
    ///
    /// - Throws: code 4 if the path is missing or not a network namespace, 8 if it is the plugin's own.
    func openPod() throws(Failure) -> NetworkNamespace {
        let pod = try openNamespace(invocation.netns ?? "")
        // The dispatcher checked what the path meant at that time.
        try invocation.refuseOwnNamespace(pod.status())
        return pod
    }

    /// Opens the pod's namespace and excludes other calls that do the same, including the reference's `sbr`.
    ///
    /// - Throws: code 11 if one of them does not finish.
    func openPodAlone() throws(Failure) -> NetworkNamespace {
        let pod = try openPod()
        try pod.lockForRequest()
        return pod
    }

    private func openNamespace(_ path: String) throws(Failure) -> NetworkNamespace {
        do throws(Failure) { return try NetworkNamespace(path) } catch {
            throw Failure(.invalidEnvironment, "failed to open netns \"\(path)\" (CNI_NETNS): \(error.message)")
        }
    }
}

/// Whether a namespace exists. DEL succeeds without it.
enum PodPresence: ~Copyable {
    case present(NetworkNamespace)
    case gone

    init(_ request: Request) throws(Failure) {
        guard request.invocation.netns != nil else {
            self = .gone
            return
        }
        do throws(Failure) {
            self = .present(try request.openPod())
        } catch {
            guard error.code == .invalidEnvironment || error.code == .invalidNamespace else { throw error }
            // Gone, or replaced by something that is not a pod's namespace: nothing of ours is left in it.
            self = .gone
        }
    }
}

extension NetlinkSocket {
    /// The pod's interface, made by an earlier plugin of the chain.
    ///
    /// - Throws: code 7 if there is none.
    mutating func chainedInterface(_ name: String, in path: String) throws(Failure) -> Link {
        guard let link = try link(.name(name)) else {
            throw Failure(
                .invalidConfiguration, "failed to get \"\(name)\": Link not found in \(path)",
                details: "put this plugin after the one that makes the interface")
        }
        return link
    }
}

extension NetworkNamespace {
    /// - Throws: code 11 if another call does not finish.
    func lockForRequest() throws(Failure) {
        do throws(Failure) { try lock(milliseconds: 10_000, waiting: .queued) } catch {
            guard error.errno == .tryAgain else { throw error }
            throw Failure(.tryAgainLater, error.message, details: "another call is still working in it")
        }
    }
}
