internal import ClusterEngine
internal import EngineHTTP
internal import FoundationEssentials
internal import NIOCore

/// What the API server says about a request that failed (`Status` of meta/v1).
struct ServerStatus: Decodable {
    struct Details: Decodable {
        struct Cause: Decodable { var reason: String? }

        var retryAfterSeconds: Int?
        var causes: [Cause]?
    }

    var code: Int?
    var reason: String?
    var message: String?
    var details: Details?

    /// - Parameter response: whose body may be anything, if a proxy has answered.
    init(_ response: EngineClient.Response) {
        self.init(Data(response.body.readableBytesView), orElse: String(buffer: response.body))
        code = response.status
    }

    init(_ json: Data, orElse text: String = "") {
        if let status = try? JSONDecoder().decode(ServerStatus.self, from: json), status.message != nil {
            self = status
        } else {
            let line = text.split(whereSeparator: \.isNewline).first.map { String($0.prefix(200)) }
            self.init(code: nil, reason: nil, message: line, details: nil)
        }
    }

    private init(code: Int?, reason: String?, message: String?, details: Details?) {
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
    }

    /// The versions that were asked for are no longer there, or a list's next page.
    var isExpired: Bool { code == 410 || reason == "Expired" || reason == "Gone" }

    /// The server has not yet seen the version that was asked for.
    var isAhead: Bool { code == 504 && details?.causes?.contains { $0.reason == "ResourceVersionTooLarge" } ?? false }

    /// - Parameters:
    ///   - verb: of RBAC: list, watch, get, patch, create.
    ///   - object: `nodes`.
    func failure(_ verb: String, _ object: String, group: String? = nil, at server: String) -> EngineFailure {
        let code = code ?? 500
        let attempt = "\(verb) \(object) at \(server): \(code)\(message.map { " \($0)" } ?? "")"
        switch code {
        case 401:
            return EngineFailure(
                .forbidden, attempt, advice: "the API server does not accept this node's token or client certificate")
        case 403:
            let quoted = group.map { "\"\($0)\"" } ?? "\"\" (core)"
            return EngineFailure(
                .forbidden, attempt,
                advice: "allow the verb \"\(verb)\" on \"\(object)\" of the API group \(quoted) by a ClusterRole (RBAC)"
            )
        case 404, 410: return EngineFailure(.gone, attempt)
        case 409: return EngineFailure(.conflict, attempt)
        case 429, 500...: return EngineFailure(.overloaded, attempt)
        default: return EngineFailure(.malformed, attempt)
        }
    }
}
