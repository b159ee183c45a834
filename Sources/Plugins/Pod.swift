internal import CNI
internal import Kernel
internal import Posix
internal import Wire

extension Request {
    /// Opens the pod's namespace, once: from here on its descriptor counts, not its path.
    ///
    /// - Throws: code 4 when the path is missing or no network namespace, 8 when it is the plugin's own.
    func openPod() throws -> NetworkNamespace {
        let pod = try openNamespace(invocation.netns ?? "")
        guard try invocation.mayUseOwnNamespace || !pod.isSame(as: .current()) else {
            throw CNIError(
                .invalidNamespace, "plugin's netns and netns from CNI_NETNS should not be the same",
                details: "CNI_NETNS is \(pod.path)")
        }
        return pod
    }

    /// Opens the pod's namespace and keeps other calls out that do the same, the reference's `sbr` among them.
    ///
    /// - Throws: code 11 when one of them does not come to its end.
    func openPodAlone() throws -> NetworkNamespace {
        let pod = try openPod()
        try pod.lockForRequest()
        return pod
    }

    private func openNamespace(_ path: String) throws(CNIError) -> NetworkNamespace {
        do throws(KernelError) { return try NetworkNamespace(path) } catch {
            throw CNIError(.invalidEnvironment, "failed to open netns \"\(path)\" (CNI_NETNS): \(error.summary)")
        }
    }

    /// The result of ADD, which CHECK must be given.
    func requiredPreviousResult() throws(CNIError) -> CNIResult {
        guard let result = try configuration.previousResult() else {
            throw CNIError(
                .invalidConfiguration, "Required prevResult missing",
                details: "the runtime must hand CHECK the result of ADD as prevResult")
        }
        return result
    }
}

/// Whether a namespace is there at all. DEL succeeds without it.
enum PodPresence: ~Copyable {
    case present(NetworkNamespace)
    case gone

    init(_ request: Request) throws {
        guard request.invocation.netns != nil else {
            self = .gone
            return
        }
        do {
            self = .present(try request.openPod())
        } catch let error as CNIError where error.code == .invalidEnvironment || error.code == .invalidNamespace {
            // Gone, or replaced by something that is no pod's namespace: nothing of ours is in it any more.
            self = .gone
        }
    }
}

extension NetlinkSocket {
    /// The pod's interface, which an earlier plugin of the chain has made.
    ///
    /// - Throws: code 7 when there is none.
    mutating func chainedInterface(_ name: String, in path: String) throws -> Link {
        guard let link = try link(.name(name)) else {
            throw CNIError(
                .invalidConfiguration, "failed to get \"\(name)\": Link not found in \(path)",
                details: "this plugin stands behind the one that makes the interface")
        }
        return link
    }
}

extension NetworkNamespace {
    /// - Throws: code 11 when another call does not come to its end.
    func lockForRequest() throws {
        do throws(KernelError) { try lock(milliseconds: 10_000) } catch {
            guard error.errno == .tryAgain else { throw error }
            throw CNIError(.tryAgainLater, error.summary, details: "another call is still at work in it")
        }
    }
}
