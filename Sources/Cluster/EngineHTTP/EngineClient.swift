internal import AsyncHTTPClient
public import ClusterEngine
internal import Foundation
internal import NIOConcurrencyHelpers
public import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
internal import Posix

/// Speaks HTTP with an engine's servers: requests with an answer, and answers that go on line by line.
///
/// One server is used until it fails; then the next one is asked.
public final class EngineClient: Sendable {
    /// A request, the same for every server.
    public struct Request: Sendable {
        public var method: String
        /// With the query, percent-encoded: `/api/v1/nodes?limit=500`.
        public var path: String
        public var contentType: String
        public var body: [UInt8]?
        /// Names in lower case; an `authorization` here goes before the access's token.
        public var headers: [String: String]

        /// - Parameters:
        ///   - method: GET, POST, PUT, PATCH or DELETE.
        ///   - contentType: of the body.
        public init(
            _ method: String, _ path: String, body: [UInt8]? = nil, contentType: String = "application/json",
            headers: [String: String] = [:]
        ) {
            self.method = method
            self.path = path
            self.body = body
            self.contentType = contentType
            self.headers = headers
        }
    }

    public struct Response: Sendable {
        public var status: Int
        public var body: ByteBuffer
        /// Who has answered.
        public var server: String
        /// What a `Retry-After` header asks for in seconds; dates are not understood.
        public var retryAfter: Duration?

        init(_ response: HTTPClientResponse, body: ByteBuffer, from server: String) {
            status = Int(response.status.code)
            self.body = body
            self.server = server
            if let seconds = response.headers.first(name: "retry-after").flatMap({ Int($0) }), seconds >= 0 {
                retryAfter = .seconds(min(seconds, 86400))
            }
        }
    }

    private let access: EngineAccess
    private let files: FreshFiles
    private let group: MultiThreadedEventLoopGroup
    private let client: HTTPClient
    private let userAgent: String
    /// Index of the server that answered last.
    private let preferred = NIOLockedValueBox(0)

    /// - Parameter silence: an answer during which nothing comes for so long has failed.
    public init(_ access: EngineAccess, userAgent: String, silence: Duration = .seconds(120)) {
        self.access = access
        self.userAgent = userAgent
        files = FreshFiles(access)
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var configuration = HTTPClient.Configuration()
        configuration.httpVersion = .http1Only
        configuration.redirectConfiguration = .disallow
        configuration.decompression = .enabled(limit: .ratio(200))
        // It would try one server over and over until the time for connecting is over, and then name another cause.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout = .init(connect: .seconds(2), read: .seconds(silence.components.seconds))
        client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }

    // The HTTP client ends the process if it is forgotten while open.
    deinit {
        Task { [client, group] in
            try? await client.shutdown()
            try? await group.shutdownGracefully()
        }
    }

    public func close() async {
        try? await client.shutdown()
        try? await group.shutdownGracefully()
    }

    /// The server that requests go to at the moment.
    public var server: String { access.servers[preferred.withLockedValue { $0 }] }

    /// From now on another server is asked: this one has answered, but is of no use.
    ///
    /// - Parameter failed: nothing happens if requests go to another one already: of several that fail at once, the
    ///   first decides. Nil means the present one.
    public func leaveServer(_ failed: String? = nil) {
        preferred.withLockedValue { index in
            guard failed == nil || failed == access.servers[index] else { return }
            index = (index + 1) % access.servers.count
        }
    }

    /// Sends a request and reads the whole answer, whatever its status; asks each server once.
    ///
    /// - Parameters:
    ///   - deadline: for one server, from connecting to the end of the answer.
    ///   - limit: octets of the longest answer.
    public func send(
        _ request: Request, within deadline: Duration = .seconds(10), limit: Int = 256 << 20
    ) async throws(EngineFailure) -> Response {
        try await asking(request, deadline) { response, server in
            Response(response, body: try await response.body.collect(upTo: limit), from: server)
        }
    }

    /// Sends a request whose answer is read line by line, as it comes, until it ends, fails or `receive` throws.
    ///
    /// - Parameters:
    ///   - longestLine: octets.
    ///   - gathering: as in ``parts(_:gathering:began:receive:)``.
    ///   - began: called when a server has answered with status 200.
    ///   - receive: gets each line without its end.
    /// - Returns: nil when the answer ended by itself; the response if its status was not 200.
    public func lines(
        _ request: Request, longestLine: Int = 16 << 20, gathering: Duration = .zero,
        began: () async -> Void = {},
        receive: (ByteBuffer) async throws(EngineFailure) -> Void
    ) async throws(EngineFailure) -> Response? {
        var buffer = ByteBuffer()
        var searched = 0
        return try await parts(request, gathering: gathering, began: began) { part throws(EngineFailure) in
            var part = part
            if buffer.readableBytes == 0 { swap(&buffer, &part) } else { buffer.writeBuffer(&part) }
            while let end = buffer.readableBytesView.dropFirst(searched).firstIndex(of: UInt8(ascii: "\n")) {
                let line = buffer.readSlice(length: end - buffer.readerIndex)!
                buffer.moveReaderIndex(forwardBy: 1)
                searched = 0
                if line.readableBytes > 0 { try await receive(line) }
            }
            searched = buffer.readableBytes
            guard searched <= longestLine else {
                throw EngineFailure(
                    .malformed, "\(describe(request, server)): a line of more than \(longestLine) octets")
            }
            buffer.discardReadBytes()
        }
    }

    /// Sends a request whose answer is read part by part, as it comes, until it ends, fails or `receive` throws.
    ///
    /// - Parameters:
    ///   - gathering: where little comes at a time, so long is waited for more: being woken costs more than most parts are worth.
    ///   - began: called when a server has answered with status 200.
    ///   - receive: gets the next octets of the answer.
    /// - Returns: nil when the answer ended by itself; the response if its status was not 200.
    public func parts(
        _ request: Request, gathering: Duration = .zero, began: () async -> Void = {},
        receive: (ByteBuffer) async throws(EngineFailure) -> Void
    ) async throws(EngineFailure) -> Response? {
        // Without a deadline: the answer may go on for hours. Silence ends it.
        let (response, server) = try await asking(request, nil) { ($0, $1) }
        guard response.status == .ok else {
            let body = (try? await response.body.collect(upTo: 1 << 20)) ?? ByteBuffer()
            return Response(response, body: body, from: server)
        }
        await began()
        do {
            var pace = Pace(gathering)
            for try await part in response.body {
                if let pause = pace.pause() { try await Task.sleep(for: pause) }
                try await receive(part)
                pace.wait()
            }
        } catch let error as EngineFailure { throw error } catch { throw failure(error, request, server) }
        return nil
    }

    private func asking<Answer: Sendable>(
        _ request: Request, _ deadline: Duration?,
        _ read: @escaping @Sendable (HTTPClientResponse, _ server: String) async throws -> Answer
    ) async throws(EngineFailure) -> Answer {
        var last: EngineFailure?
        for _ in access.servers.indices {
            let server = server
            do {
                let asked = try prepared(request, server)
                return try await finishing(within: deadline) { [client] in
                    try await read(try await client.execute(asked, deadline: .distantFuture), server)
                }
            } catch let error as EngineFailure { throw error } catch {
                last = failure(error, request, server)
                if Task.isCancelled { break }
                leaveServer(server)
            }
        }
        throw last ?? EngineFailure(.configuration, "\(request.method) \(request.path): no server is configured")
    }

    /// The client's own deadline ends with the head of the answer.
    private func finishing<Answer: Sendable>(
        within deadline: Duration?, _ work: @escaping @Sendable () async throws -> Answer
    ) async throws -> Answer {
        guard let deadline else { return try await work() }
        return try await withThrowingTaskGroup(of: Answer.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await Task.sleep(for: deadline)
                throw HTTPClientError.deadlineExceeded
            }
            defer { group.cancelAll() }
            return try await group.next()!
        }
    }

    private func prepared(_ request: Request, _ server: String) throws(EngineFailure) -> HTTPClientRequest {
        var prepared = HTTPClientRequest(url: server + request.path)
        prepared.method = HTTPMethod(rawValue: request.method)
        prepared.headers.add(name: "user-agent", value: userAgent)
        prepared.headers.add(name: "accept", value: "application/json")
        if let body = request.body {
            prepared.headers.add(name: "content-type", value: request.contentType)
            prepared.body = .bytes(ByteBuffer(bytes: body))
        }
        for (name, value) in request.headers { prepared.headers.replaceOrAdd(name: name, value: value) }
        if request.headers["authorization"] == nil, let token = try files.token() {
            prepared.headers.add(name: "authorization", value: "Bearer \(token)")
        }
        if server.hasPrefix("https:") { prepared.tlsConfiguration = try files.tls() }
        return prepared
    }

    private func describe(_ request: Request, _ server: String) -> String {
        "\(request.method) \(server)\(request.path.prefix { $0 != "?" })"
    }

    private func failure(_ error: any Error, _ request: Request, _ server: String) -> EngineFailure {
        let attempt = describe(request, server)
        switch error {
        case let error as HTTPClientError where Self.timeouts.contains(error):
            return EngineFailure(.slow, "\(attempt): no answer in time")
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError:
            return EngineFailure(
                .certificate, "\(attempt): the TLS handshake failed: \(error)",
                advice: "compare the certificate authority and this node's certificate with the server's")
        default: return EngineFailure(.unreachable, "\(attempt): \(words(error))")
        }
    }

    /// The pool's own means that a connection was not made in time.
    private static let timeouts: [HTTPClientError] = [
        .readTimeout, .deadlineExceeded, .connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout,
    ]

    private func words(_ error: any Error) -> String {
        if let error = error as? NIOConnectionError {
            let single = error.connectionErrors.first.map { words($0.error) }
            return single ?? error.dnsAError.map { words($0) } ?? "no such host"
        }
        if let error = error as? HTTPClientError { return error.shortDescription }
        if let error = error as? IOError { return "\(Errno(rawValue: error.errnoCode))" }
        return "\(error)"
    }
}
