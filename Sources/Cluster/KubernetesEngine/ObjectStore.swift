internal import FoundationEssentials
internal import NIOCore

/// The last value of each object, to tell changes that matter from those that do not.
struct ObjectStore<Object: WatchedObject> {
    enum Change {
        case none
        case changed(ObjectKey, Object)
        case unreadable(ObjectKey, String)
    }

    /// An object as it was read; its value stays when a later one cannot be decoded.
    struct Kept {
        /// Of the text that was decoded: an equal text is not decoded again.
        var fingerprint: Int
        var value: Object?
        /// Why the last text could not be decoded.
        var fault: String?
    }

    /// A list while it is read.
    struct Gathering {
        fileprivate var kept: [ObjectKey: Kept] = [:]
    }

    private(set) var kept: [ObjectKey: Kept] = [:]
    private let filter = FieldFilter(Object.fields)
    private var cut = FieldFilter.Cut()
    private let decoder = JSONDecoder()
    private var isComplete = false

    var values: [ObjectKey: Object] { kept.compactMapValues { $0.value } }
    var faults: [ObjectKey: String] { kept.compactMapValues { $0.fault } }

    /// The version of the object that was read last.
    var lastVersion: String? { cut.version }

    /// Takes an object that was added or has changed.
    ///
    /// - Parameter position: of the object's first octet; is moved behind the last one.
    mutating func set(_ json: Span<UInt8>, _ position: inout Int) throws(BrokenJSON) -> Change {
        let key = try read(json, &position)
        guard let key else { return .unreadable(ObjectKey(name: ""), "an object without a name") }
        let old = kept[key]
        guard let new = decoded(key, old) else { return .none }
        kept[key] = new
        if let fault = new.fault { return old?.fault == nil ? .unreadable(key, fault) : .none }
        guard let value = new.value, value != old?.value || old?.fault != nil else { return .none }
        return .changed(key, value)
    }

    /// - Returns: the key, if the object was known with a value.
    mutating func remove(_ json: Span<UInt8>, _ position: inout Int) throws(BrokenJSON) -> ObjectKey? {
        guard let key = try read(json, &position) else { return nil }
        return kept.removeValue(forKey: key) == nil ? nil : key
    }

    /// Steps over an object; only its ``lastVersion`` is of interest.
    mutating func skip(_ json: Span<UInt8>, _ position: inout Int) throws(BrokenJSON) { _ = try read(json, &position) }

    mutating func gather(_ object: ByteBuffer, into gathering: inout Gathering) {
        var position = 0
        guard let key = try? read(object.readableBytesUInt8Span, &position) else {
            let unnamed = ObjectKey(name: "")
            gathering.kept[unnamed] = Kept(fingerprint: 0, value: nil, fault: "an object without a name")
            return
        }
        gathering.kept[key] = decoded(key, kept[key]) ?? kept[key]
    }

    /// Takes a complete list instead of all that was known.
    ///
    /// - Returns: whether it differs, or is the first.
    mutating func replaceAll(_ gathering: Gathering) -> Bool {
        let old = kept
        kept = gathering.kept
        defer { isComplete = true }
        guard isComplete, old.count == kept.count else { return true }
        return !kept.allSatisfy { key, new in old[key].map { $0.value == new.value && $0.fault == new.fault } ?? false }
    }

    private mutating func read(_ json: Span<UInt8>, _ position: inout Int) throws(BrokenJSON) -> ObjectKey? {
        try filter.cut(json, &position, into: &cut)
        guard let name = cut.name, !name.isEmpty else { return nil }
        return ObjectKey(namespace: cut.namespace ?? "", name: name)
    }

    /// The object that was read last; nil if its text is that of the old one.
    private func decoded(_ key: ObjectKey, _ old: Kept?) -> Kept? {
        let fingerprint = cut.text.hashValue
        if let old, old.fingerprint == fingerprint { return nil }
        do {
            let value = try decoder.decode(Object.self, from: Data(cut.text))
            return Kept(fingerprint: fingerprint, value: value)
        } catch {
            return Kept(fingerprint: fingerprint, value: old?.value, fault: words(error))
        }
    }

    private func words(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "\(error)" }
        let context: DecodingError.Context
        switch error {
        case .typeMismatch(_, let place), .valueNotFound(_, let place), .keyNotFound(_, let place): context = place
        case .dataCorrupted(let place): context = place
        @unknown default: return "\(error)"
        }
        let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
        return "\(path.isEmpty ? "the object" : String(path.drop { $0 == "." })): \(context.debugDescription)"
    }
}
