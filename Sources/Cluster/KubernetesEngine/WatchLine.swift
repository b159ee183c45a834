internal import FoundationEssentials

/// One event of a watch, taken into a store.
enum WatchLine<Object: WatchedObject> {
    case changed(ObjectStore<Object>.Change)
    case removed(ObjectKey?)
    case bookmark
    case error(ServerStatus)

    /// - Parameter json: `{"type":"ADDED","object":{...}}`, in any order.
    init(_ json: Span<UInt8>, _ store: inout ObjectStore<Object>) throws(BrokenJSON) {
        var kind: Kind?
        var object: Range<Int>?
        var position = 0
        var outcome: Self?
        json.skipSpace(&position)
        guard position < json.count, json[position] == UInt8(ascii: "{") else { throw BrokenJSON(position) }
        try json.eachPart(&position) { (key, position) throws(BrokenJSON) in
            let start = position
            if let key, json.has(Array("type".utf8), at: key) {
                kind = Kind(rawValue: json.plainText(try json.skipString(&position)) ?? "")
                guard kind != nil else { throw BrokenJSON(start) }
            } else if let key, json.has(Array("object".utf8), at: key) {
                if let kind, outcome == nil {
                    outcome = try Self(kind, json, &position, &store)
                } else {
                    try json.skipValue(&position)
                    object = start..<position
                }
            } else {
                try json.skipValue(&position)
            }
        }
        json.skipSpace(&position)
        guard position == json.count else { throw BrokenJSON(position) }
        if let outcome {
            self = outcome
        } else if let kind, let object {
            var position = object.lowerBound
            self = try Self(kind, json, &position, &store)
        } else {
            throw BrokenJSON(position)
        }
    }

    private enum Kind: String {
        case added = "ADDED"
        case modified = "MODIFIED"
        case deleted = "DELETED"
        case bookmark = "BOOKMARK"
        case error = "ERROR"
    }

    private init(
        _ kind: Kind, _ json: Span<UInt8>, _ position: inout Int, _ store: inout ObjectStore<Object>
    ) throws(BrokenJSON) {
        switch kind {
        case .added, .modified: self = .changed(try store.set(json, &position))
        case .deleted: self = .removed(try store.remove(json, &position))
        case .bookmark:
            try store.skip(json, &position)
            self = .bookmark
        case .error:
            let start = position
            try json.skipValue(&position)
            self = .error(ServerStatus(Data((start..<position).map { json[$0] })))
        }
    }
}
