import NIOConcurrencyHelpers

/// A Kubernetes API of nodes that answers lists and watches one after the other as a test tells it; the last answer stays.
final class FakeAPI: Sendable {
    typealias Answer = @Sendable (FakeServer.Request) -> [FakeServer.Step]

    let server: FakeServer
    private let left: NIOLockedValueBox<(lists: [Answer], watches: [Answer], others: [Answer])>

    init(lists: [Answer], watches: [Answer] = [FakeAPI.quiet], others: [Answer] = [{ _ in .json("{}", status: 201) }])
        throws
    {
        let left = NIOLockedValueBox((lists: lists, watches: watches, others: others))
        self.left = left
        server = try FakeServer { request in
            let answer = left.withLockedValue { left in
                if request.method != "GET" || request.path != "/api/v1/nodes" { return Self.next(&left.others) }
                return request.query["watch"] == "true" ? Self.next(&left.watches) : Self.next(&left.lists)
            }
            return answer(request)
        }
    }

    private static func next(_ answers: inout [Answer]) -> Answer {
        answers.count > 1 ? answers.removeFirst() : answers[0]
    }

    var nodeRequests: [FakeServer.Request] {
        server.requests.filter { $0.path == "/api/v1/nodes" && $0.method == "GET" }
    }
    var lists: [FakeServer.Request] { nodeRequests.filter { $0.query["watch"] == nil } }
    var watches: [FakeServer.Request] { nodeRequests.filter { $0.query["watch"] != nil } }

    // MARK: Answers

    /// A watch that goes on without an event.
    static let quiet: Answer = { _ in .chunks([]) + [.freeze] }

    /// A watch that tells these events, and goes on.
    static func events(_ lines: String...) -> Answer {
        { _ in .chunks(lines.map { $0 + "\n" }) + [.freeze] }
    }

    /// A watch that tells these events, and ends as watches do.
    static func endingAfter(_ lines: String...) -> Answer {
        { _ in .chunks(lines.map { $0 + "\n" }) + .end }
    }

    static func list(_ nodes: String..., version: String = "100", next: String = "") -> Answer {
        { _ in .json(listText(nodes, version: version, next: next)) }
    }

    static func listText(_ nodes: [String], version: String = "100", next: String = "") -> String {
        #"{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"\#(version)","continue":"\#(next)"},"items":["#
            + nodes.joined(separator: ",") + "]}\n"
    }

    static func status(_ code: Int, _ reason: String, _ message: String, headers: [String] = []) -> Answer {
        { _ in .json(statusText(code, reason, message), status: code, headers: headers) }
    }

    static func statusText(_ code: Int, _ reason: String, _ message: String) -> String {
        #"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"\#(message)","reason":"\#(reason)","code":\#(code)}"#
    }

    // MARK: Objects

    static func node(_ name: String, _ number: Int, version: Int = 1, extra: String = "") -> String {
        #"{"metadata":{"name":"\#(name)","uid":"u","resourceVersion":"\#(version)","creationTimestamp":"2024-05-06T07:08:09Z","#
            + #""labels":{"a":"}]\"{"}},"spec":{"podCIDR":"10.244.\#(number).0/24","podCIDRs":["10.244.\#(number).0/24"]},"#
            + #""status":{"addresses":[{"type":"InternalIP","address":"192.0.2.\#(number)"},"#
            + #"{"type":"Hostname","address":"\#(name)"}],"images":[{"names":["x\#(extra)"],"sizeBytes":12}]}}"#
    }

    static func event(_ type: String, _ object: String) -> String { #"{"type":"\#(type)","object":\#(object)}"# }

    static func bookmark(_ version: Int) -> String {
        event(
            "BOOKMARK",
            #"{"kind":"Node","apiVersion":"v1","metadata":{"resourceVersion":"\#(version)","creationTimestamp":null}}"#)
    }
}
