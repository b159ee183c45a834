import ClusterEngine
import EngineHTTP
import Foundation
import KubernetesEngine
import Testing

/// What a server, or whatever stands in its place, may do wrong. Each test is a promise about what follows.
@Suite struct FailureTests {
    private let a = FakeAPI.node("a", 1)
    private let b = FakeAPI.node("b", 2, version: 105)

    @Test func theCompleteListComesFirstAndThenEachChange() async throws {
        let api = try FakeAPI(
            lists: [FakeAPI.list(a)],
            watches: [
                FakeAPI.events(
                    FakeAPI.event("ADDED", b), FakeAPI.event("MODIFIED", FakeAPI.node("a", 7, version: 106)),
                    FakeAPI.event("DELETED", FakeAPI.node("b", 2, version: 107)))
            ])
        try await Following.run(api) { following in
            try await following.wait("the deletion") { $0.events.contains(.removed("b")) }
            #expect(following.events.count == 4)
            #expect(following.nodes?.keys.sorted() == ["a"])
            #expect(following.nodes?["a"]?.subnets.map(\.description) == ["10.244.7.0/24"])
            #expect(following.nodes?["a"]?.addresses.map(\.description) == ["192.0.2.7"])
            #expect(following.nodes?["a"]?.age == 1_714_979_289)
        }
        let list = try #require(api.lists.first)
        #expect(list.query == ["resourceVersion": "0", "limit": "500"])
        let watch = try #require(api.watches.first)
        #expect(watch.query["resourceVersion"] == "100")
        #expect(watch.query["allowWatchBookmarks"] == "true")
        #expect((240...480).contains(Int(watch.query["timeoutSeconds"] ?? "") ?? 0))
    }

    @Test func aChangeOfNothingThatIsUsedIsNotTold() async throws {
        let same = (101...150).map {
            FakeAPI.event("MODIFIED", FakeAPI.node("a", 1, version: $0, extra: "\($0)")) + "\n"
        }
        let api = try FakeAPI(
            lists: [FakeAPI.list(a)],
            watches: [{ [b] _ in .chunks(same + [FakeAPI.event("ADDED", b) + "\n"]) + [.freeze] }])
        try await Following.run(api) { following in
            try await following.wait("b") { $0.nodes?["b"] != nil }
            #expect(following.events.count == 2)
        }
    }

    @Test func aListOfSeveralPagesIsToldAsOne() async throws {
        let api = try FakeAPI(lists: [
            FakeAPI.list(a, next: "se/cond="), FakeAPI.list(b, next: "third"), FakeAPI.list(FakeAPI.node("c", 3)),
        ])
        try await Following.run(api) { following in
            try await following.wait("the list") { $0.nodes?.count == 3 }
            #expect(following.lists == 1)
        }
        #expect(api.lists.map { $0.query["continue"] } == [nil, "se/cond=", "third"])
        #expect(api.lists.map { $0.query["resourceVersion"] } == ["0", nil, nil])
    }

    @Test func pagesThatExpireBeforeAllAreReadAreAskedForInOnePiece() async throws {
        let api = try FakeAPI(lists: [
            FakeAPI.list(a, next: "second"),
            FakeAPI.status(410, "Expired", "The provided continue parameter is too old"),
            FakeAPI.list(a, b),
        ])
        try await Following.run(api) { following in
            try await following.wait("the list") { $0.nodes?.count == 2 }
            #expect(following.troubles.isEmpty)
        }
        #expect(api.lists.last?.query == [:])
    }

    @Test func aWatchThatEndsGoesOnWhereItWas() async throws {
        let api = try FakeAPI(
            lists: [FakeAPI.list(a)],
            watches: [
                FakeAPI.endingAfter(FakeAPI.event("ADDED", b)), FakeAPI.endingAfter(FakeAPI.bookmark(200)),
                FakeAPI.quiet,
            ])
        try await Following.run(api) { following in
            try await following.wait("the third watch") { _ in api.watches.count == 3 }
            #expect(following.events.count == 2)
        }
        #expect(api.lists.count == 1)
        #expect(api.watches.map { $0.query["resourceVersion"] } == ["100", "105", "200"])
    }

    @Test(arguments: [false, true])
    func whenTheVersionIsGoneTheListIsReadAnewAndNothingIsLost(inTheStream: Bool) async throws {
        let expired = FakeAPI.statusText(410, "Expired", "too old resource version: 100 (5000)")
        let api = try FakeAPI(
            lists: [FakeAPI.list(a, FakeAPI.node("x", 9)), FakeAPI.list(a, b, version: "5000")],
            watches: [
                FakeAPI.endingAfter(FakeAPI.bookmark(150)),
                inTheStream
                    ? FakeAPI.events(FakeAPI.event("ERROR", expired))
                    : FakeAPI.status(410, "Expired", "too old resource version"), FakeAPI.quiet,
            ])
        try await Following.run(api) { following in
            try await following.wait("the second list") { $0.nodes?["b"] != nil }
            #expect(following.nodes?.keys.sorted() == ["a", "b"])
            #expect(following.troubles.isEmpty)
            try await following.wait("the third watch") { _ in api.watches.count == 3 }
        }
        // From the server's cache, but not older than what was known.
        #expect(api.lists.last?.query == ["resourceVersion": "150"])
        #expect(api.watches.last?.query["resourceVersion"] == "5000")
    }

    @Test func aListThatTheCacheCannotGiveIsReadFromEtcd() async throws {
        let ahead =
            #"{"kind":"Status","message":"Too large resource version","reason":"Timeout","code":504,"#
            + #""details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"x"}],"retryAfterSeconds":0}}"#
        let api = try FakeAPI(
            lists: [FakeAPI.list(a), { _ in .json(ahead, status: 504) }, FakeAPI.list(a, b, version: "90")],
            watches: [FakeAPI.status(410, "Gone", "gone"), FakeAPI.quiet])
        try await Following.run(api) { following in
            try await following.wait("the second list") { $0.nodes?["b"] != nil }
            #expect(following.troubles.isEmpty)
        }
        #expect(api.lists.last?.query == ["limit": "500"])
    }

    @Test func aHistoryThatWentBackLeadsToANewList() async throws {
        let api = try FakeAPI(
            lists: [FakeAPI.list(a, version: "1000"), FakeAPI.list(b, version: "30")],
            watches: [FakeAPI.events(FakeAPI.bookmark(20)), FakeAPI.quiet])
        try await Following.run(api) { following in
            try await following.wait("the second list") { $0.nodes?.keys.sorted() == ["b"] }
        }
        #expect(api.lists.last?.query == ["limit": "500"])
    }

    @Test func anErrorInTheStreamIsToldOnceAndTheWatchGoesOnWhereItWas() async throws {
        let error = FakeAPI.event("ERROR", FakeAPI.statusText(500, "InternalError", "etcdserver: leader changed"))
        let api = try FakeAPI(
            lists: [FakeAPI.list(a)],
            watches: [
                FakeAPI.events(error), FakeAPI.events(error), FakeAPI.events(error),
                FakeAPI.events(FakeAPI.event("ADDED", b)),
            ])
        try await Following.run(api) { following in
            try await following.wait("recovery") { $0.recoveries == 1 }
            #expect(following.troubles.map(\.kind) == [.overloaded])
            #expect(following.troubles[0].message.contains("etcdserver: leader changed"))
            #expect(following.nodes?.count == 2)
        }
        #expect(api.lists.count == 1)
    }

    @Test func aListThatIsCutInTheMiddleIsNotTakenForAShorterOne() async throws {
        let text = FakeAPI.listText([a, b])
        let half = String(text.prefix(text.count * 3 / 4))
        let api = try FakeAPI(lists: [
            // The connection breaks; the answer ends as if it were complete; the length promises more.
            { _ in .chunks([half]) + [.hangUp] }, { _ in .chunks([half]) + .end },
            { _ in [.write("HTTP/1.1 200 -\r\nContent-Length: \(text.count)\r\n\r\n" + half), .hangUp] },
            FakeAPI.list(a, b),
        ])
        try await Following.run(api) { following in
            try await following.wait("recovery") { $0.recoveries == 1 }
            #expect(following.lists == 1)
            #expect(following.nodes?.count == 2)
            #expect(Set(following.troubles.map(\.kind)) == [.unreachable, .malformed])
            #expect(following.troubles.contains { $0.message.contains("the list was cut off in the middle") })
        }
    }

    @Test func anEventThatIsCutInTheMiddleComesAgain() async throws {
        let half = String(FakeAPI.event("ADDED", b).prefix(60))
        let api = try FakeAPI(
            lists: [FakeAPI.list(a)],
            watches: [{ _ in .chunks([half]) + [.hangUp] }, FakeAPI.events(FakeAPI.event("ADDED", b))])
        try await Following.run(api) { following in
            try await following.wait("b") { $0.nodes?["b"] != nil }
            // That was taken up again at once: nobody needs to know.
            #expect(following.troubles.isEmpty)
        }
        #expect(api.lists.count == 1)
    }

    @Test func anEventMayComeInManyPieces() async throws {
        let text = FakeAPI.event("ADDED", b) + "\n"
        let pieces = text.map { String($0) }
        let api = try FakeAPI(
            lists: [{ [a] _ in .chunks(FakeAPI.listText([a]).map { String($0) }) + .end }],
            watches: [{ _ in .chunks(pieces) + [.freeze] }])
        try await Following.run(api) { following in
            try await following.wait("b") { $0.nodes?.count == 2 }
            #expect(following.troubles.isEmpty)
        }
    }

    @Test(arguments: [
        "<html>Bad gateway</html>", "{", #"{"type":"ADDED"}"#, #"{"type":"SOMETHING","object":{}}"#, #"[1]"#, "null",
        "\u{0}",
        #"{"type":"ADDED","object":{"metadata":{"name":"b"}}"#, #"{"type":"ADDED","object":3}"#,
    ])
    func garbageInTheStreamIsToldOnceAndIsNoEnd(line: String) async throws {
        let api = try FakeAPI(
            lists: [FakeAPI.list(a)],
            watches: [FakeAPI.events(line), FakeAPI.events(line), FakeAPI.events(FakeAPI.event("ADDED", b))])
        try await Following.run(api) { following in
            try await following.wait("recovery") { $0.recoveries == 1 }
            #expect(following.troubles.map(\.kind) == [.malformed])
            #expect(following.nodes?.count == 2)
        }
        #expect(api.lists.count == 1)
    }

    @Test(arguments: [
        "", "<html>", "{}", #"{"items":{}}"#, "[]", "}}}]]]", #"{"metadata":{"resourceVersion":"0"},"items":[]}"#,
    ])
    func garbageInPlaceOfAListIsToldOnceAndIsNoEnd(text: String) async throws {
        let api = try FakeAPI(lists: [{ _ in .json(text) }, { _ in .json(text) }, FakeAPI.list(a)])
        try await Following.run(api) { following in
            try await following.wait("recovery") { $0.recoveries == 1 }
            #expect(following.troubles.map(\.kind) == [.malformed])
            #expect(following.lists == 1)
        }
    }

    @Test func aTokenThatIsNoLongerAcceptedIsReadAgain() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "token-\(UUID())").path
        try "old\n".write(toFile: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        let list = FakeAPI.list(a)
        let api = try FakeAPI(lists: [
            { request in
                request.headers["authorization"] == "Bearer new"
                    ? list(request) : FakeAPI.status(401, "Unauthorized", "Unauthorized")(request)
            }
        ])
        defer { api.server.stop() }
        var access = EngineAccess([api.server.url])
        access.token = .file(file)
        try await Following.run(access) { following in
            try await following.wait("the refusal") { $0.troubles.count == 1 }
            #expect(following.troubles[0].kind == .forbidden)
            try "new\n".write(toFile: file, atomically: true, encoding: .utf8)
            try await following.wait("recovery") { $0.recoveries == 1 }
            #expect(following.troubles.count == 1)
        }
    }

    @Test func aRefusalNamesTheVerbTheResourceAndTheRemedy() async throws {
        let message = #"nodes is forbidden: User \"system:serviceaccount:x:y\" cannot watch resource \"nodes\""#
        let api = try FakeAPI(
            lists: [FakeAPI.list(a)], watches: [FakeAPI.status(403, "Forbidden", message), FakeAPI.quiet])
        try await Following.run(api) { following in
            try await following.wait("recovery") { $0.recoveries == 1 }
            let trouble = try #require(following.troubles.first)
            #expect(trouble.kind == .forbidden)
            #expect(trouble.message.hasPrefix("watch nodes at \(api.server.url): 403 nodes is forbidden: User"))
            #expect(trouble.advice.contains(#"allow the verb "watch" on "nodes""#))
        }
    }

    @Test func aServerThatAsksForAPauseGetsIt() async throws {
        let api = try FakeAPI(lists: [
            { _ in .json("Too many requests, please try again later.\n", status: 429, headers: ["Retry-After: 1"]) },
            FakeAPI.list(a),
        ])
        try await Following.run(api) { following in
            let start = ContinuousClock.now
            try await following.wait("recovery") { $0.recoveries == 1 }
            #expect(ContinuousClock.now - start > .milliseconds(950))
            #expect(following.troubles.map(\.kind) == [.overloaded])
            #expect(following.troubles[0].message.contains("429 Too many requests, please try again later."))
        }
    }

    @Test(arguments: [500, 502, 503])
    func aServerThatFailsIsToldOnceAndAskedAgain(code: Int) async throws {
        let failing: FakeAPI.Answer = { _ in .json("<html>bad</html>", status: code) }
        let api = try FakeAPI(
            lists: [failing, failing, failing, FakeAPI.list(a)], watches: [failing, failing, FakeAPI.quiet])
        try await Following.run(api) { following in
            try await following.wait("recovery") { $0.recoveries == 1 }
            #expect(following.troubles.map(\.kind) == [.overloaded])
            #expect(following.nodes?.count == 1)
        }
    }

    @Test func aServerThatFallsSilentInTheMiddleOfAWatchIsNoticed() async throws {
        let api = try FakeAPI(
            lists: [FakeAPI.list(a)],
            watches: [FakeAPI.quiet, { _ in [.freeze] }, { _ in [.freeze] }, FakeAPI.events(FakeAPI.event("ADDED", b))])
        try await Following.run(api, silence: .seconds(1)) { following in
            try await following.wait("trouble") { $0.troubles.count == 1 }
            #expect(following.troubles.map(\.kind) == [.slow])
            try await following.wait("recovery") { $0.recoveries == 1 && $0.nodes?.count == 2 }
        }
        #expect(api.lists.count == 1)
    }

    @Test func aServerThatIsNotThereIsToldOnceAndTheNextOneIsAsked() async throws {
        let dead = try FakeServer(refuses: true) { _ in [] }
        defer { dead.stop() }
        let api = try FakeAPI(lists: [FakeAPI.list(a)])
        defer { api.server.stop() }
        try await Following.run(EngineAccess([dead.url])) { following in
            try await following.wait("trouble") { $0.troubles.count == 1 }
            #expect(following.troubles[0].kind == .unreachable)
            #expect(following.troubles[0].message == "GET \(dead.url)/api/v1/nodes: Connection refused")
            try await Task.sleep(for: .milliseconds(300))
            #expect(following.events.count == 1)
        }
        try await Following.run(EngineAccess([dead.url, api.server.url])) { following in
            try await following.wait("the list", within: .seconds(2)) { $0.nodes?.count == 1 }
            #expect(following.troubles.isEmpty)
        }
    }

    @Test func aServerThatFailsIsLeftForTheNextOne() async throws {
        let failing = try FakeServer { _ in .json("", status: 503) }
        defer { failing.stop() }
        let api = try FakeAPI(lists: [FakeAPI.list(a)])
        defer { api.server.stop() }
        try await Following.run(EngineAccess([failing.url, api.server.url])) { following in
            try await following.wait("the list") { $0.nodes?.count == 1 }
            try await following.wait("recovery") { $0.recoveries == 1 }
        }
        #expect(failing.requests.filter { $0.method == "GET" }.count == 1)
    }

    @Test func watchesThatEndAtOnceAreNotAskedForWithoutAPause() async throws {
        let api = try FakeAPI(lists: [FakeAPI.list(a)], watches: [FakeAPI.endingAfter()])
        try await Following.run(api, backoff: Backoff(first: .milliseconds(100), longest: .milliseconds(200))) {
            following in
            try await following.wait("the list") { $0.nodes?.count == 1 }
            try await Task.sleep(for: .seconds(1))
            #expect((2...15).contains(api.watches.count))
            #expect(following.troubles.isEmpty)
        }
    }

    @Test func followingEndsAtOnceWhenItsTaskIsCancelled() async throws {
        let api = try FakeAPI(lists: [FakeAPI.list(a)])
        var end = ContinuousClock.now
        try await Following.run(api) { following in
            try await following.wait("the watch") { _ in api.watches.count == 1 }
            end = .now
        }
        #expect(ContinuousClock.now - end < .seconds(10))
    }

    @Test func pagesWithoutEndAreNotReadForEver() async throws {
        let api = try FakeAPI(lists: [FakeAPI.list(a, next: "more")])
        try await Following.run(api) { following in
            try await following.wait("trouble") { $0.troubles.count == 1 }
            #expect(following.troubles[0].message.hasSuffix("more than 2000 pages"))
        }
    }

    @Test func aStormOfChangesIsFollowedWithoutPauses() async throws {
        let storm = (1...3000).map { number in
            FakeAPI.event("MODIFIED", FakeAPI.node("b", number % 250 + 1, version: 1000 + number)) + "\n"
        }
        let last = FakeAPI.event("ADDED", FakeAPI.node("z", 251, version: 9000)) + "\n"
        let api = try FakeAPI(lists: [FakeAPI.list(a)], watches: [{ _ in .chunks(storm + [last]) + [.freeze] }])
        try await Following.run(api) { following in
            try await following.wait("the last change", within: .seconds(20)) { $0.events.contains { $0.isNode("z") } }
            #expect(following.events.count == 3002)
        }
    }
}

extension EngineEvent {
    fileprivate func isNode(_ name: String) -> Bool {
        if case .node(let node) = self { node.name == name } else { false }
    }
}
