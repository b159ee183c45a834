internal import ClusterEngine
internal import EngineHTTP
internal import FoundationEssentials
internal import Yams

/// A kubeconfig file (`Config` of client.authentication's v1), reduced to what leads to an access, and to what must be refused.
struct Kubeconfig {
    private struct File: Decodable {
        struct Named: Decodable {
            var name: String
            var cluster: Cluster?
            var user: User?
            var context: Context?
        }

        var clusters: [Named]?
        var users: [Named]?
        var contexts: [Named]?
        var currentContext: String?

        enum CodingKeys: String, CodingKey {
            case clusters, users, contexts
            case currentContext = "current-context"
        }
    }

    private struct Context: Decodable {
        var cluster: String?
        var user: String?
    }

    private struct Cluster: Decodable {
        var server: String?
        var authority: String?
        var authorityData: String?
        var isInsecure: Bool?
        var serverName: String?
        var proxy: String?

        enum CodingKeys: String, CodingKey {
            case server
            case authority = "certificate-authority"
            case authorityData = "certificate-authority-data"
            case isInsecure = "insecure-skip-tls-verify"
            case serverName = "tls-server-name"
            case proxy = "proxy-url"
        }
    }

    private struct User: Decodable {
        var certificate: String?
        var certificateData: String?
        var key: String?
        var keyData: String?
        var token: String?
        var tokenFile: String?
        var username: String?
        var impersonated: String?
        var exec: Anything?
        var provider: Anything?

        enum CodingKeys: String, CodingKey {
            case certificate = "client-certificate"
            case certificateData = "client-certificate-data"
            case key = "client-key"
            case keyData = "client-key-data"
            case token, tokenFile, username, exec
            case impersonated = "as"
            case provider = "auth-provider"
        }
    }

    /// Only its presence counts.
    private struct Anything: Decodable { init(from decoder: any Decoder) {} }

    private let file: File
    private let path: String

    /// - Parameter path: for messages, and because the file's relative paths begin in its folder.
    init(_ text: String, path: String) throws(EngineFailure) {
        self.path = path
        do { file = try YAMLDecoder().decode(File.self, from: text) } catch {
            throw EngineFailure(.configuration, "read the kubeconfig \(path): \(Self.words(error))")
        }
    }

    func access(context named: String?, servers: [String]) throws(EngineFailure) -> EngineAccess {
        guard let name = named ?? file.currentContext, !name.isEmpty else {
            throw fault("no current-context", "name the context to be used")
        }
        guard let context = file.contexts?.first(where: { $0.name == name })?.context else {
            let known = file.contexts?.map { $0.name }.joined(separator: ", ") ?? ""
            throw fault("no context \(name)", known.isEmpty ? "" : "it has \(known)")
        }
        guard let clusterName = context.cluster,
            let cluster = file.clusters?.first(where: { $0.name == clusterName })?.cluster
        else { throw fault("context \(name) names no cluster of the file") }
        var user: User?
        if let userName = context.user, !userName.isEmpty {
            user = file.users?.first { $0.name == userName }?.user
            if user == nil { throw fault("context \(name) names the user \(userName), whom the file lacks") }
        }
        var access = EngineAccess(servers)
        if servers.isEmpty {
            guard let server = cluster.server, !server.isEmpty else {
                throw fault("cluster \(clusterName) has no server")
            }
            access.servers = [try KubernetesAccess.checked(server)]
        }
        try add(cluster, to: &access)
        if let user { try add(user, to: &access) }
        return access
    }

    private func add(_ cluster: Cluster, to access: inout EngineAccess) throws(EngineFailure) {
        if cluster.isInsecure == true {
            throw fault(
                "insecure-skip-tls-verify is not supported", "give the server's certificate-authority instead")
        }
        if cluster.serverName.hasText { throw fault("tls-server-name is not supported") }
        if cluster.proxy.hasText { throw fault("proxy-url is not supported") }
        access.authorities = try secret(cluster.authorityData, cluster.authority, "certificate-authority")
    }

    private func add(_ user: User, to access: inout EngineAccess) throws(EngineFailure) {
        if user.exec != nil || user.provider != nil {
            throw fault(
                "credentials from another program (\(user.exec != nil ? "exec" : "auth-provider")) are not supported",
                "use a service account's token or a client certificate")
        }
        if user.username.hasText { throw fault("username and password are not supported", "use a token") }
        if user.impersonated.hasText { throw fault("impersonation (as) is not supported") }
        access.certificate = try secret(user.certificateData, user.certificate, "client-certificate")
        access.key = try secret(user.keyData, user.key, "client-key")
        guard (access.certificate == nil) == (access.key == nil) else {
            throw fault("client-certificate and client-key are only of use together")
        }
        if let file = user.tokenFile, !file.isEmpty {
            access.token = .file(absolute(file))
        } else if let token = user.token, !token.isEmpty {
            access.token = .text(token)
        }
    }

    /// Data goes before a file, as in client-go.
    private func secret(_ data: String?, _ file: String?, _ what: String) throws(EngineFailure) -> EngineAccess.Secret?
    {
        if let data, !data.isEmpty {
            guard let decoded = Data(base64Encoded: data, options: .ignoreUnknownCharacters),
                let text = String(data: decoded, encoding: .utf8), text.contains("-----BEGIN")
            else { throw fault("\(what)-data is not PEM in base64") }
            return .text(text)
        }
        guard let file, !file.isEmpty else { return nil }
        return .file(absolute(file))
    }

    private func absolute(_ file: String) -> String {
        if file.hasPrefix("/") { return file }
        let folder = path.lastIndex(of: "/").map { path[...$0] } ?? ""
        return folder + file
    }

    private func fault(_ message: String, _ advice: String = "") -> EngineFailure {
        EngineFailure(.configuration, "kubeconfig \(path): \(message)", advice: advice)
    }

    private static func words(_ error: any Error) -> String {
        switch error {
        case DecodingError.dataCorrupted(let place):
            "\(place.underlyingError.map { "\($0)" } ?? place.debugDescription)"
        case DecodingError.typeMismatch(_, let place), DecodingError.valueNotFound(_, let place),
            DecodingError.keyNotFound(_, let place):
            "\(place.codingPath.map { $0.stringValue }.joined(separator: ".")): \(place.debugDescription)"
        default: "\(error)"
        }
    }
}

extension String? {
    fileprivate var hasText: Bool { self?.isEmpty == false }
}
