public import ClusterEngine
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// Answers GET requests about the agent's health, on one address.
public final class StatusServer: Sendable {
    /// The answer to a path.
    public struct Page: Sendable {
        public var status: Int
        public var contentType: String
        public var body: String

        public init(_ body: String, status: Int = 200, contentType: String = "text/plain; charset=utf-8") {
            self.status = status
            self.contentType = contentType
            self.body = body
        }
    }

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channel: any Channel

    /// Begins to answer.
    ///
    /// - Parameters:
    ///   - port: 0 for any.
    ///   - page: nil for a path that there is not.
    /// - Throws: ``EngineFailure`` of kind `configuration` if the address or port cannot be had.
    public init(
        host: String, port: Int, page: @escaping @Sendable (String) async -> Page?
    ) async throws(EngineFailure) {
        do {
            channel = try await ServerBootstrap(group: group)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                        try channel.pipeline.syncOperations.addHandler(Answering(page))
                    }
                }
                .bind(host: host, port: port).get()
        } catch {
            try? await group.shutdownGracefully()
            throw EngineFailure(
                .configuration, "listen on \(host) port \(port): \(error)",
                advice: "`ss -ltnp` shows who has it; choose another address by the key listen")
        }
    }

    public var port: Int { channel.localAddress?.port ?? 0 }

    public func close() async {
        try? await channel.close()
        try? await group.shutdownGracefully()
    }
}

/// One connection; closed after each answer, so that nobody holds one.
private final class Answering: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let page: @Sendable (String) async -> StatusServer.Page?
    private var head: HTTPRequestHead?

    init(_ page: @escaping @Sendable (String) async -> StatusServer.Page?) { self.page = page }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end:
            guard let head else { return }
            let page = page
            let path = String(head.uri.prefix { $0 != "?" })
            let channel = context.channel
            Task {
                let isKnown = head.method == .GET || head.method == .HEAD
                let answer = isKnown ? await page(path) : StatusServer.Page("only GET\n", status: 405)
                Answering.send(answer ?? StatusServer.Page("no such page\n", status: 404), on: channel)
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private static func send(_ page: StatusServer.Page, on channel: any Channel) {
        let headers: HTTPHeaders = [
            "content-type": page.contentType, "content-length": "\(page.body.utf8.count)", "connection": "close",
        ]
        channel.write(
            HTTPServerResponsePart.head(
                HTTPResponseHead(version: .http1_1, status: .init(statusCode: page.status), headers: headers)),
            promise: nil)
        channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: page.body))), promise: nil)
        channel.writeAndFlush(HTTPServerResponsePart.end(nil)).whenComplete { _ in channel.close(promise: nil) }
    }
}
