import Foundation
import Glibc
import NIOConcurrencyHelpers

/// An HTTP server that answers as a test tells it, in plain text on 127.0.0.1: in pieces, too late, too little, or not at all.
final class FakeServer: Sendable {
    struct Request: Sendable {
        var method = ""
        /// Without the query.
        var path = ""
        var query: [String: String] = [:]
        /// Names in lower case.
        var headers: [String: String] = [:]
        var body = ""
    }

    /// What an answer consists of.
    enum Step: Sendable {
        case write(String)
        case pause(Duration)
        /// The connection ends here.
        case hangUp
        /// Nothing more comes, until the client has gone.
        case freeze
    }

    let port: Int
    private let listener: Int32
    private let answer: @Sendable (Request) -> [Step]
    private let seen = NIOLockedValueBox<[Request]>([])
    private let isStopped = NIOLockedValueBox(false)

    /// - Parameter refuses: connections are refused; nobody else gets the port.
    init(refuses: Bool = false, _ answer: @escaping @Sendable (Request) -> [Step]) throws {
        self.answer = answer
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let (listener, size) = (listener, length)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard isBound else { throw POSIXError(.EADDRINUSE) }
        port = Int(UInt16(bigEndian: address.sin_port))
        guard !refuses, listen(listener, 64) == 0 else { return }
        Thread.detachNewThread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                Thread.detachNewThread { [self] in
                    serve(connection)
                    close(connection)
                }
            }
        }
    }

    var url: String { "http://127.0.0.1:\(port)" }

    /// What has been asked so far.
    var requests: [Request] { seen.withLockedValue { $0 } }

    func stop() {
        isStopped.withLockedValue { $0 = true }
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private func serve(_ connection: Int32) {
        while let request = read(connection) {
            seen.withLockedValue { $0.append(request) }
            for step in answer(request) {
                switch step {
                case .write(let text):
                    var rest = Array(text.utf8)[...]
                    while !rest.isEmpty {
                        let sent = rest.withUnsafeBytes {
                            send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                        }
                        guard sent > 0 else { return }
                        rest = rest.dropFirst(sent)
                    }
                case .pause(let duration): usleep(UInt32(duration / .microseconds(1)))
                case .hangUp: return
                case .freeze:
                    while !isStopped.withLockedValue({ $0 }) {
                        var watched = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
                        if poll(&watched, 1, 50) > 0 { return }
                    }
                    return
                }
            }
        }
    }

    private func read(_ connection: Int32) -> Request? {
        var text = ""
        var body: Substring?
        var wanted = 0
        var request = Request()
        while true {
            if body == nil, let end = text.range(of: "\r\n\r\n") {
                request = Self.head(text[..<end.lowerBound])
                wanted = request.headers["content-length"].flatMap { Int($0) } ?? 0
                body = text[end.upperBound...]
            }
            if let body, body.utf8.count >= wanted {
                request.body = String(body)
                return request
            }
            var part = [UInt8](repeating: 0, count: 65536)
            let count = recv(connection, &part, part.count, 0)
            guard count > 0 else { return nil }
            let piece = String(decoding: part[..<count], as: UTF8.self)
            text += piece
            if body != nil { body! += piece }
        }
    }

    private static func head(_ text: Substring) -> Request {
        let lines = text.components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        var request = Request()
        guard words.count == 3 else { return request }
        request.method = String(words[0])
        let target = URLComponents(string: String(words[1]))
        request.path = target?.path ?? ""
        for item in target?.queryItems ?? [] { request.query[item.name] = item.value ?? "" }
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 {
                request.headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
            }
        }
        return request
    }
}

extension [FakeServer.Step] {
    /// A whole answer.
    static func json(_ body: String, status: Int = 200, headers: [String] = []) -> Self {
        let lines = ["HTTP/1.1 \(status) -", "Content-Type: application/json", "Content-Length: \(body.utf8.count)"]
        return [.write((lines + headers + ["", body]).joined(separator: "\r\n"))]
    }

    /// An answer in chunks; what comes after them is the caller's.
    static func chunks(_ chunks: [String]) -> Self {
        [.write("HTTP/1.1 200 -\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")]
            + chunks.map { .write("\(String($0.utf8.count, radix: 16))\r\n\($0)\r\n") }
    }

    /// The end of chunks.
    static var end: Self { [.write("0\r\n\r\n")] }
}
