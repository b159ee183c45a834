public import ClusterEngine
public import EngineHTTP
internal import FoundationEssentials

/// How this node reaches the Kubernetes API.
public enum KubernetesAccess {
    /// Where Kubernetes mounts a pod's service account.
    public static let serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// The access of a pod by its service account. The token's file is read again whenever it changes.
    ///
    /// - Parameters:
    ///   - environment: with KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, unless `servers` are given.
    ///   - servers: URLs to be used instead; on a node whose Service addresses do not work yet, that of the API server itself.
    /// - Throws: `.configuration` if this is no pod, or its account is not mounted.
    public static func serviceAccount(
        environment: [String: String], folder: String = serviceAccountFolder, servers: [String] = []
    ) throws(EngineFailure) -> EngineAccess {
        var urls = try servers.map { url throws(EngineFailure) in try checked(url) }
        if urls.isEmpty {
            guard let host = environment["KUBERNETES_SERVICE_HOST"], !host.isEmpty else {
                throw EngineFailure(
                    .configuration, "find the API server: KUBERNETES_SERVICE_HOST is not set",
                    advice: "outside of a pod, name a kubeconfig file")
            }
            let port = environment["KUBERNETES_SERVICE_PORT"].flatMap { $0.isEmpty ? nil : $0 } ?? "443"
            urls = [try checked("https://\(host.contains(":") ? "[\(host)]" : host):\(port)")]
        }
        for file in ["token", "ca.crt"] where !FileManager.default.fileExists(atPath: "\(folder)/\(file)") {
            throw EngineFailure(
                .configuration, "read the service account: \(folder)/\(file) does not exist",
                advice: "the pod needs a service account with automountServiceAccountToken")
        }
        var access = EngineAccess(urls)
        access.token = .file("\(folder)/token")
        access.authorities = .file("\(folder)/ca.crt")
        return access
    }

    /// The access that a kubeconfig file describes. The file is read once; the files that it names, whenever they change.
    ///
    /// - Parameters:
    ///   - context: nil means the file's `current-context`.
    ///   - servers: URLs to be used instead of the one in the file.
    /// - Throws: `.configuration` for a file that cannot be read, lacks something, or asks for what is not supported: programs
    ///   that get credentials, passwords, proxies, impersonation, TLS without verification.
    public static func kubeconfig(
        _ path: String, context: String? = nil, servers: [String] = []
    ) throws(EngineFailure) -> EngineAccess {
        let text: String
        do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
            throw EngineFailure(.configuration, "read the kubeconfig \(path): \(reason(error))")
        }
        let urls = try servers.map { url throws(EngineFailure) in try checked(url) }
        return try Kubeconfig(text, path: path).access(context: context, servers: urls)
    }

    /// An API server's URL without the slash at its end.
    static func checked(_ url: String) throws(EngineFailure) -> String {
        let trimmed = String(url.reversed().drop { $0 == "/" }.reversed())
        let rest = ["https://", "http://"].first { trimmed.hasPrefix($0) }.map { trimmed.dropFirst($0.count) }
        guard let rest, !rest.isEmpty, rest.first != "/", URL(string: trimmed)?.host != nil,
            !rest.contains(where: { "@?# ".contains($0) })
        else {
            throw EngineFailure(
                .configuration, "the API server's address \(url.debugDescription) is not like https://10.0.0.1:6443")
        }
        return trimmed
    }

    private static func reason(_ error: any Error) -> String {
        guard let error = error as? CocoaError else { return "\(error)" }
        switch error.code {
        case .fileReadNoSuchFile: return "no such file"
        case .fileReadNoPermission: return "permission denied"
        default: return "\(error)"
        }
    }
}
