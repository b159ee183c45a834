internal import ClusterEngine
internal import EngineHTTP
internal import NIOCore

/// The state of one ``ObjectWatch`` that runs.
final class ObjectFollower<Object: WatchedObject> {
    /// Which list is asked for, as client-go's reflectors do it: whatever the server's cache can answer costs etcd nothing.
    enum Listing: Equatable {
        /// Whatever the cache has: the first time.
        case cached
        /// From the cache, but nothing older than what is known. Paging would go past the cache.
        case notOlder(than: String)
        /// From etcd, page by page.
        case latest
        /// From etcd in one piece: pages have expired before all were read.
        case whole
    }

    private let client: EngineClient
    private let collection: ObjectCollection
    private let report: (ObjectEvent<Object>) async -> Void
    private var backoff: Backoff

    private var store = ObjectStore<Object>()
    private var listing = Listing.cached
    /// The version from which on to watch; nil if a list is needed.
    private var version: String?
    /// Causes that have been told since it last worked.
    private var told: Set<String> = []
    /// What the server wants to be waited for.
    private var retryAfter: Duration?
    /// The watch was accepted.
    private var isWatching = false
    /// What was asked for is no longer there, and something else is asked for next.
    private var isExpired = false
    /// How often in a row.
    private var expiries = 0

    init(
        _ client: EngineClient, _ collection: ObjectCollection, _ backoff: Backoff,
        _ report: @escaping (ObjectEvent<Object>) async -> Void
    ) {
        self.client = client
        self.collection = collection
        self.backoff = backoff
        self.report = report
    }

    func run() async {
        while !Task.isCancelled {
            let start = ContinuousClock.now
            retryAfter = nil
            (isWatching, isExpired) = (false, false)
            do throws(EngineFailure) {
                if version == nil { try await list() }
                if let version { try await watch(from: version) }
            } catch {
                if Task.isCancelled { return }
                await handle(error)
            }
            // A watch that keeps ending at once is no reason to ask at once.
            if ContinuousClock.now - start > .seconds(5) { backoff.reset() }
            try? await Task.sleep(for: backoff.pause() + min(retryAfter ?? .zero, .seconds(300)))
        }
    }

    // MARK: Listing

    /// Of 500 objects each.
    private static var mostPages: Int { 2000 }

    private func list() async throws(EngineFailure) {
        var gathering = ObjectStore<Object>.Gathering()
        var token: String?
        var read: String?
        var pages = 0
        repeat {
            pages += 1
            guard pages <= Self.mostPages else {
                throw EngineFailure(.malformed, "\(attempt("list")): more than \(Self.mostPages) pages")
            }
            let page = try await page(token, &gathering)
            token = page.metadata?.continue.flatMap { $0.isEmpty ? nil : $0 }
            read = page.metadata?.resourceVersion
        } while token != nil
        guard let read, !read.isEmpty, read != "0" else {
            throw EngineFailure(.malformed, "\(attempt("list")): the list has no resourceVersion")
        }
        version = read
        listing = .notOlder(than: read)
        if store.replaceAll(gathering) { await report(.list(store.values, unreadable: store.faults)) }
    }

    private func page(
        _ token: String?, _ gathering: inout ObjectStore<Object>.Gathering
    ) async throws(EngineFailure) -> ListReader.Page {
        var query: [String]
        switch listing {
        case .cached: query = ["resourceVersion=0", "limit=500"]
        case .notOlder(let version): query = ["resourceVersion=\(encoded(version))"]
        case .latest: query = ["limit=500"]
        case .whole: query = []
        }
        // The token says which version it belongs to.
        if let token { query = ["limit=500", "continue=\(encoded(token))"] }
        var reader = ListReader()
        let refusal = try await client.parts(request(query)) { part throws(EngineFailure) in
            try reader.read(part) { store.gather($0, into: &gathering) }
        }
        if let refusal {
            let status = ServerStatus(refusal)
            isExpired = status.isExpired || status.isAhead
            if isExpired || status.code == 400 { listing = token == nil ? .latest : .whole }
            throw failure(status, refusal, "list")
        }
        do throws(EngineFailure) { return try reader.end() } catch {
            throw EngineFailure(error.kind, "\(attempt("list")): \(error.message)")
        }
    }

    // MARK: Watching

    private func watch(from version: String) async throws(EngineFailure) {
        let query = [
            "watch=true", "allowWatchBookmarks=true", "resourceVersion=\(encoded(version))",
            "timeoutSeconds=\(Int.random(in: 240...480))",
        ]
        let refusal = try await client.lines(
            request(query), gathering: .milliseconds(20),
            began: {
                isWatching = true
                // Whether what comes can be understood is only known when it has come.
                if !told.contains(where: { $0.hasPrefix(Self.stream) }) { await recovered() }
            },
            receive: { line throws(EngineFailure) in try await take(line) })
        if let refusal { throw failure(ServerStatus(refusal), refusal, "watch") }
    }

    private func take(_ line: ByteBuffer) async throws(EngineFailure) {
        let outcome: WatchLine<Object>
        do throws(BrokenJSON) { outcome = try WatchLine(line.readableBytesUInt8Span, &store) } catch {
            let beginning = String(
                buffer: line.getSlice(at: line.readerIndex, length: min(line.readableBytes, 40)) ?? line)
            throw EngineFailure(
                .malformed,
                "\(attempt("watch")): no event of a watch: \(beginning.debugDescription) (\(error.position))")
        }
        switch outcome {
        case .changed(.changed(let key, let value)): await report(.changed(key, value))
        case .changed(.unreadable(let key, let fault)): await report(.unreadable(key, fault))
        case .changed(.none): break
        case .removed(let key): if let key { await report(.removed(key)) }
        case .bookmark:
            // The server's history is another one, as after etcd was restored from a backup.
            if let last = version.flatMap({ UInt64($0) }), let now = store.lastVersion.flatMap({ UInt64($0) }),
                now < last
            {
                (version, listing, isExpired) = (nil, .latest, true)
                throw EngineFailure(
                    .gone, "\(attempt("watch")): the cluster's version went back from \(last) to \(now)")
            }
        case .error(let status):
            if let seconds = status.details?.retryAfterSeconds { retryAfter = .seconds(max(seconds, 0)) }
            if status.isExpired { (version, isExpired) = (nil, true) }
            throw status.failure("watch", collection.resource, group: collection.group, at: client.server)
        }
        if let seen = store.lastVersion, !seen.isEmpty { (version, listing) = (seen, .notOlder(than: seen)) }
        expiries = 0
        await recovered()
    }

    // MARK: Failures

    private func handle(_ failure: EngineFailure) async {
        if isExpired {
            // Only if that does not help there is something to tell.
            expiries += 1
            if expiries <= 3 { return }
        }
        if failure.kind == .slow || failure.kind == .overloaded { client.leaveServer() }
        // A connection that breaks is taken up again: only if that fails as well there is something to tell.
        if isWatching, failure.kind == .unreachable || failure.kind == .slow { return }
        if told.insert("\(isWatching ? Self.stream : "request") \(failure.kind)").inserted {
            await report(.trouble(failure))
        }
    }

    /// Marks causes in what comes after a watch was accepted.
    private static var stream: String { "stream" }

    private func recovered() async {
        guard !told.isEmpty else { return }
        told = []
        await report(.recovered)
    }

    private func failure(_ status: ServerStatus, _ response: EngineClient.Response, _ verb: String) -> EngineFailure {
        retryAfter = response.retryAfter ?? status.details?.retryAfterSeconds.map { .seconds(max($0, 0)) }
        if verb == "watch", status.isExpired { (version, isExpired) = (nil, true) }
        if verb == "watch", status.code == 400 { (version, listing) = (nil, .latest) }
        return status.failure(verb, collection.resource, group: collection.group, at: client.server)
    }

    // MARK: Requests

    private func request(_ query: [String]) -> EngineClient.Request {
        let all = query + (collection.selector.isEmpty ? [] : [collection.selector])
        return EngineClient.Request("GET", collection.path + (all.isEmpty ? "" : "?" + all.joined(separator: "&")))
    }

    private func attempt(_ verb: String) -> String { "\(verb) \(collection.resource) at \(client.server)" }
}
