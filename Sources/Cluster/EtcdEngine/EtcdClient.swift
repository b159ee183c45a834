internal import ClusterEngine
internal import EngineHTTP
internal import Foundation
internal import NIOCore
internal import Synchronization

/// etcd's API in version 3, by its JSON gateway. A request that one server refuses for now is sent to each of the
/// others.
///
/// A request may be carried out twice, or although it has failed here: what changes something is compared within its
/// transaction.
final class EtcdClient: Sendable {
    /// For one server. Answers are small, and the servers' own limit for reaching agreement is longer: a server that
    /// takes so long is not one to stay with.
    static let deadline: Duration = .seconds(3)

    private let http: EngineClient
    private let servers: Int
    private let user: String?
    private let password: EngineAccess.Secret?
    private let token = Mutex<String?>(nil)

    init(_ access: EngineAccess, user: String?, password: EngineAccess.Secret?) {
        // Watches are silent for up to ten minutes (etcd's --experimental-watch-progress-notify-interval).
        http = EngineClient(access, userAgent: "swiftlet-agent", silence: .seconds(900))
        servers = access.servers.count
        self.user = user
        self.password = password
    }

    var server: String { http.server }

    func leaveServer() { http.leaveServer() }

    func close() async { await http.close() }

    func range(_ request: RangeRequest) async throws(EngineFailure) -> RangeResponse {
        // A full page of values may be some hundred kilobytes.
        try await call("kv/range", request, within: .seconds(10))
    }

    func get(_ key: String) async throws(EngineFailure) -> KeyValue? {
        try await call("kv/range", RangeRequest(key), as: RangeResponse.self).kvs?.first
    }

    /// All keys that begin so, as of one moment.
    ///
    /// - Parameter page: called with each part, which is sorted by key.
    /// - Returns: the revision of the moment, and which cluster has answered.
    @discardableResult
    func list(
        _ prefix: String, keysOnly: Bool = false, _ page: ([KeyValue]) -> Void
    ) async throws(EngineFailure) -> (revision: Int64, cluster: Int64) {
        var request = RangeRequest(prefix)
        request.range_end = Data(EtcdClient.end(ofPrefix: prefix))
        request.limit = 500
        if keysOnly { request.keys_only = true }
        var moment: (revision: Int64, cluster: Int64)?
        // A million keys are no network of ours.
        for _ in 0..<2000 {
            let answer = try await range(request)
            if moment == nil { moment = (answer.header?.revision?.value ?? 0, answer.header?.cluster_id?.value ?? 0) }
            request.revision = moment.map { Number($0.revision) }
            let found = answer.kvs ?? []
            page(found)
            guard answer.more == true, let last = found.last else { return moment! }
            request.key = last.key + [0]
        }
        throw EngineFailure(.malformed, "list \(prefix): more than a million keys")
    }

    func commit(_ transaction: Transaction) async throws(EngineFailure) -> TransactionResponse {
        try await call("kv/txn", transaction)
    }

    /// - Returns: the new lease, and its time in seconds.
    func grant(_ seconds: Int) async throws(EngineFailure) -> (lease: Int64, seconds: Int64) {
        let answer: LeaseResponse = try await call("lease/grant", GrantRequest(TTL: Number(Int64(seconds))))
        guard let lease = answer.ID?.value, let time = answer.TTL?.value, lease != 0, time > 0 else {
            throw EngineFailure(.malformed, "get a lease from \(server): \(answer.error ?? "the answer has none")")
        }
        return (lease, time)
    }

    /// - Returns: the seconds that the lease has from now on; nil if there is no such lease.
    func renew(_ lease: Int64) async throws(EngineFailure) -> Int64? {
        let answer: Streamed<LeaseResponse> = try await call("lease/keepalive", LeaseRequest(ID: Number(lease)))
        if let error = answer.error { throw failure(503, error.text, "renew a lease", server) }
        guard let time = answer.result?.TTL?.value, time > 0 else { return nil }
        return time
    }

    func revoke(_ lease: Int64) async throws(EngineFailure) {
        let _: Nothing = try await call("lease/revoke", LeaseRequest(ID: Number(lease)), within: .seconds(1))
    }

    /// Follows the changes of all keys that begin so, until the stream ends or fails.
    ///
    /// - Parameters:
    ///   - revision: of the first change.
    ///   - receive: gets each message that is no error.
    func watch(
        _ prefix: String, from revision: Int64, _ receive: (WatchResponse) throws(EngineFailure) -> Void
    ) async throws(EngineFailure) {
        let create = WatchRequest.Create(
            key: Data(prefix.utf8), range_end: Data(EtcdClient.end(ofPrefix: prefix)), start_revision: Number(revision))
        let body = try encode(WatchRequest(create_request: create))
        for isLast in [false, true] {
            // A member that has lost the others would not tell otherwise.
            var request = try await request("watch", body)
            request.headers["grpc-metadata-hasleader"] = "true"
            let refusal = try await http.lines(request) { (line) throws(EngineFailure) in
                let message: Streamed<WatchResponse> = try decode(line, "watch \(prefix)")
                if let error = message.error {
                    http.leaveServer()
                    throw failure(503, error.text, "watch \(prefix)", server)
                }
                if let result = message.result { try receive(result) }
            }
            guard let refusal else { return }
            if refusal.status == 401, user != nil, !isLast {
                token.withLock { $0 = nil }
                continue
            }
            if isTemporary(refusal.status) { http.leaveServer(refusal.server) }
            throw failure(refusal, "watch \(prefix)")
        }
    }

    /// The first key after all that begin so.
    static func end(ofPrefix prefix: String) -> [UInt8] {
        var octets = Array(prefix.utf8)
        octets[octets.count - 1] += 1  // No octet of UTF-8 is 255.
        return octets
    }

    private func call<Answer: Decodable & Sendable>(
        _ method: String, _ message: some Encodable, within deadline: Duration = deadline, as: Answer.Type = Answer.self
    ) async throws(EngineFailure) -> Answer {
        let body = try encode(message)
        var hasNewToken = false
        var asked = 0
        while true {
            let response = try await http.send(try await request(method, body), within: deadline, limit: 64 << 20)
            if response.status == 200 { return try decode(response.body, "\(method) of \(response.server)") }
            if response.status == 401, user != nil, !hasNewToken {
                token.withLock { $0 = nil }
                hasNewToken = true
                continue
            }
            asked += 1
            if isTemporary(response.status) { http.leaveServer(response.server) }
            guard isTemporary(response.status), asked < servers else { throw failure(response, method) }
        }
    }

    private func request(_ method: String, _ body: [UInt8]) async throws(EngineFailure) -> EngineClient.Request {
        var request = EngineClient.Request("POST", "/v3/\(method)", body: body)
        if let token = try await currentToken() { request.headers["authorization"] = token }
        return request
    }

    private func currentToken() async throws(EngineFailure) -> String? {
        guard let user, let password else { return nil }
        if let token = token.withLock({ $0 }) { return token }
        let credentials = Credentials(name: user, password: try text(password))
        let login = EngineClient.Request("POST", "/v3/auth/authenticate", body: try encode(credentials))
        let response = try await http.send(login, within: EtcdClient.deadline, limit: 1 << 20)
        guard response.status == 200 else { throw failure(response, "log in as \(user)") }
        let answer: TokenResponse = try decode(response.body, "log in as \(user)")
        token.withLock { $0 = answer.token }
        return answer.token
    }

    private func text(_ secret: EngineAccess.Secret) throws(EngineFailure) -> String {
        switch secret {
        case .text(let text): return text
        case .file(let path):
            do {
                return try String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
            } catch {
                throw EngineFailure(
                    .configuration, "read etcd's password from \(path): \(error.localizedDescription)")
            }
        }
    }

    private func encode(_ message: some Encodable) throws(EngineFailure) -> [UInt8] {
        do { return Array(try JSONEncoder().encode(message)) } catch {
            throw EngineFailure(.malformed, "write a request to etcd: \(error)")
        }
    }

    private func decode<Answer: Decodable>(_ body: ByteBuffer, _ what: String) throws(EngineFailure) -> Answer {
        do { return try JSONDecoder().decode(Answer.self, from: Data(body.readableBytesView)) } catch {
            throw EngineFailure(.malformed, "\(what): the answer is not etcd's: \(error)")
        }
    }

    private func isTemporary(_ status: Int) -> Bool { status == 429 || status == 408 || status >= 500 }

    private func failure(_ response: EngineClient.Response, _ what: String) -> EngineFailure {
        let body = Data(response.body.readableBytesView)
        let error =
            (try? JSONDecoder().decode(ErrorResponse.self, from: body))
            ?? (try? JSONDecoder().decode(Streamed<Nothing>.self, from: body))?.error
        if error == nil, response.status == 404 {
            return EngineFailure(
                .configuration, "\(what) at \(response.server): there is no API of etcd 3.4 or newer",
                advice: "give etcd's client URL, and leave its --enable-grpc-gateway on")
        }
        return failure(response.status, error?.text ?? "HTTP status \(response.status)", what, response.server)
    }

    private func failure(_ status: Int, _ text: String, _ what: String, _ server: String) -> EngineFailure {
        let message = "\(what) at \(server): \(text.prefix(300))"
        if text.contains("compacted") { return EngineFailure(.gone, message) }
        if text.contains("database space exceeded") {
            return EngineFailure(
                .overloaded, message, advice: "compact and defragment etcd, then clear its alarm: etcdctl alarm disarm")
        }
        // The gateway's words for a connection to its own etcd that is refused.
        let isOfGateway = ["connection closed", "connection error", "bad certificate", "handshake failed"]
            .contains { text.contains($0) }
        if isOfGateway, server.hasPrefix("https:") {
            return EngineFailure(
                .certificate, message,
                advice: "if it lasts: etcd's JSON gateway shows etcd its own certificate, which therefore needs the "
                    + "extended key usage clientAuth beside serverAuth")
        }
        if text.contains("authentication is not enabled") {
            return EngineFailure(.configuration, message, advice: "leave user and password out")
        }
        if text.contains("authentication failed") || text.contains("user name is empty") {
            return EngineFailure(.forbidden, message, advice: "check etcd's user and password")
        }
        return switch status {
        case 401, 403:
            EngineFailure(.forbidden, message, advice: "give the user a role that may read and write /swiftlet/")
        case 404: EngineFailure(.gone, message)
        case 409: EngineFailure(.conflict, message)
        case 408, 504: EngineFailure(.slow, message)
        case 429, 500...: EngineFailure(.overloaded, message)
        default: EngineFailure(.malformed, message)
        }
    }
}
