import ClusterEngine
import EngineHTTP
import Foundation
import KubernetesEngine
import Testing

@Suite struct AccessTests {
    private static let pem = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
    private static var data: String { Data(pem.utf8).base64EncodedString() }

    /// A kubeconfig with a cluster's and a user's settings, in a folder of its own.
    private func access(
        cluster: String = "server: https://10.0.0.1:6443/", user: String = "token: t", context: String? = nil,
        servers: [String] = [], text: String? = nil
    ) throws -> (EngineAccess, folder: String) {
        let folder = FileManager.default.temporaryDirectory.appending(path: "kubeconfig-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let whole = """
            apiVersion: v1
            kind: Config
            preferences: {colors: true}
            current-context: one
            clusters:
            - name: c
              cluster: {\(cluster)}
            - {name: d, cluster: {server: "http://[::1]:8080"}}
            users:
            - name: u
              user: {\(user)}
            contexts:
            - {name: one, context: {cluster: c, user: u, namespace: n}}
            - {name: two, context: {cluster: d}}
            - {name: stray, context: {cluster: nowhere}}
            - {name: nobody, context: {cluster: c, user: nobody}}
            """
        try (text ?? whole).write(toFile: folder + "/config", atomically: true, encoding: .utf8)
        return (try KubernetesAccess.kubeconfig(folder + "/config", context: context, servers: servers), folder)
    }

    @Test func theCurrentContextLeadsToServerAuthorityAndToken() throws {
        let (access, _) = try access(
            cluster: #"server: "https://10.0.0.1:6443/", certificate-authority-data: \#(Self.data)"#)
        #expect(access.servers == ["https://10.0.0.1:6443"])
        #expect(access.authorities == .text(Self.pem))
        #expect(access.token == .text("t"))
    }

    @Test func aNamedContextCounts() throws {
        let (access, _) = try access(context: "two")
        #expect(access.servers == ["http://[::1]:8080"])
        #expect(access.token == nil)
    }

    @Test func filesAreFoundBesideTheKubeconfig() throws {
        let (access, folder) = try access(
            cluster: "server: https://k, certificate-authority: pki/ca.crt",
            user: "client-certificate: me.crt, client-key: /etc/me.key, tokenFile: t")
        #expect(access.authorities == .file(folder + "/pki/ca.crt"))
        #expect(access.certificate == .file(folder + "/me.crt"))
        #expect(access.key == .file("/etc/me.key"))
        #expect(access.token == .file(folder + "/t"))
    }

    @Test func givenServersReplaceTheFiles() throws {
        let (access, _) = try access(servers: ["https://a:6443/", "https://b:6443"])
        #expect(access.servers == ["https://a:6443", "https://b:6443"])
    }

    @Test(arguments: [
        ("insecure-skip-tls-verify: true, server: https://k", "token: t", "insecure-skip-tls-verify is not supported"),
        ("server: https://k, proxy-url: http://p", "token: t", "proxy-url is not supported"),
        ("server: https://k, tls-server-name: n", "token: t", "tls-server-name is not supported"),
        (
            "server: https://k, certificate-authority-data: eA==", "token: t",
            "certificate-authority-data is not PEM in base64"
        ),
        (
            "server: https://k, certificate-authority-data: '%'", "token: t",
            "certificate-authority-data is not PEM in base64"
        ),
        ("certificate-authority: x", "token: t", "cluster c has no server"),
        ("server: k:6443", "token: t", "the API server's address \"k:6443\" is not like"),
        ("server: 'https://u@k'", "token: t", "is not like"), ("server: [1]", "token: t", "server"),
        ("server: https://k", "exec: {command: aws}", "(exec) are not supported"),
        ("server: https://k", "auth-provider: {name: gcp}", "(auth-provider) are not supported"),
        ("server: https://k", "username: u, password: p", "username and password are not supported"),
        ("server: https://k", "token: t, as: somebody", "impersonation (as) is not supported"),
        ("server: https://k", "client-certificate: x", "only of use together"),
    ])
    func whatIsNotSupportedIsRefusedInPlainWords(cluster: String, user: String, message: String) throws {
        let failure = #expect(throws: EngineFailure.self) { try access(cluster: cluster, user: user) }
        #expect(failure?.kind == .configuration)
        #expect(failure?.message.contains(message) == true, "\(failure?.description ?? "")")
    }

    @Test(arguments: [
        ("stray", "context stray names no cluster of the file"),
        ("nobody", "names the user nobody, whom the file lacks"),
        ("three", "no context three"),
    ])
    func aContextThatLeadsNowhereIsRefused(context: String, message: String) throws {
        let failure = #expect(throws: EngineFailure.self) { try access(context: context) }
        #expect(failure?.message.contains(message) == true)
    }

    @Test(arguments: [
        "", "- 1", "{", "a: &a [*a]", "clusters: 5", "clusters: [{cluster: {}}]", "current-context: x", "\u{1}",
    ])
    func aFileThatIsNoKubeconfigIsRefused(text: String) throws {
        let failure = #expect(throws: EngineFailure.self) { try access(text: text) }
        #expect(failure?.kind == .configuration)
    }

    @Test func aMissingFileIsNamed() {
        let failure = #expect(throws: EngineFailure.self) { try KubernetesAccess.kubeconfig("/nowhere/config") }
        #expect(failure?.message == "read the kubeconfig /nowhere/config: no such file")
    }

    @Test func aPodsServiceAccountIsUsedAsItsFilesAre() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "account-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var environment = ["KUBERNETES_SERVICE_HOST": "2001:db8::1", "KUBERNETES_SERVICE_PORT": "6443"]
        var failure = #expect(throws: EngineFailure.self) {
            try KubernetesAccess.serviceAccount(environment: environment, folder: folder)
        }
        #expect(failure?.message == "read the service account: \(folder)/token does not exist")
        for file in ["token", "ca.crt"] {
            try "x".write(toFile: "\(folder)/\(file)", atomically: true, encoding: .utf8)
        }
        let access = try KubernetesAccess.serviceAccount(environment: environment, folder: folder)
        #expect(access.servers == ["https://[2001:db8::1]:6443"])
        #expect(access.token == .file(folder + "/token"))
        #expect(access.authorities == .file(folder + "/ca.crt"))
        environment["KUBERNETES_SERVICE_HOST"] = nil
        failure = #expect(throws: EngineFailure.self) {
            try KubernetesAccess.serviceAccount(environment: environment, folder: folder)
        }
        #expect(failure?.message.contains("KUBERNETES_SERVICE_HOST is not set") == true)
        let direct = try KubernetesAccess.serviceAccount(
            environment: environment, folder: folder, servers: ["https://10.0.0.1:6443"])
        #expect(direct.servers == ["https://10.0.0.1:6443"])
    }
}
