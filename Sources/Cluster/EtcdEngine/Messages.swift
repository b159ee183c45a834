internal import Foundation

// etcd's JSON gateway (https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway): field names as in rpc.proto, octets in
// base64, 64-bit numbers as text, and what is zero, false or empty is left out of answers.

/// A 64-bit number, as text or not.
struct Number: Codable, Sendable, Hashable, ExpressibleByIntegerLiteral {
    var value: Int64

    init(_ value: Int64) { self.value = value }
    init(integerLiteral value: Int64) { self.value = value }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Int64.self) {
            value = number
            return
        }
        let text = try container.decode(String.self)
        guard let number = Int64(text) ?? UInt64(text).map({ Int64(bitPattern: $0) }) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no 64-bit number")
        }
        value = number
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode("\(value)")
    }
}

struct Header: Decodable, Sendable {
    var cluster_id: Number?
    var revision: Number?
}

struct KeyValue: Decodable, Sendable {
    var key: Data
    var create_revision: Number?
    var mod_revision: Number?
    var value: Data?
    var lease: Number?

    var name: String { String(decoding: key, as: UTF8.self) }
    var octets: Data { value ?? Data() }
    var created: Int64 { create_revision?.value ?? 0 }
    var modified: Int64 { mod_revision?.value ?? 0 }
}

struct RangeRequest: Encodable, Sendable {
    var key: Data
    var range_end: Data?
    var limit: Number?
    var revision: Number?
    var keys_only: Bool?

    init(_ key: String) { self.key = Data(key.utf8) }
}

struct RangeResponse: Decodable, Sendable {
    var header: Header?
    var kvs: [KeyValue]?
    var more: Bool?
}

struct PutRequest: Encodable, Sendable {
    var key: Data
    var value: Data
    var lease: Number

    init(_ key: String, _ value: Data, lease: Int64 = 0) {
        self.key = Data(key.utf8)
        self.value = value
        self.lease = Number(lease)
    }
}

struct DeleteRequest: Encodable, Sendable {
    var key: Data

    init(_ key: String) { self.key = Data(key.utf8) }
}

struct Compare: Encodable, Sendable {
    var key: Data
    var target: String
    var result = "EQUAL"
    var create_revision: Number?
    var mod_revision: Number?
    var value: Data?

    private init(_ key: String, _ target: String) {
        self.key = Data(key.utf8)
        self.target = target
    }

    /// - Parameter revision: 0 means that there is no such key.
    static func created(_ key: String, at revision: Int64) -> Compare {
        var compare = Compare(key, "CREATE")
        compare.create_revision = Number(revision)
        return compare
    }

    static func modified(_ key: String, at revision: Int64) -> Compare {
        var compare = Compare(key, "MOD")
        compare.mod_revision = Number(revision)
        return compare
    }

    static func absent(_ key: String) -> Compare { created(key, at: 0) }

    /// Does not hold where there is no such key.
    static func value(_ key: String, is value: Data) -> Compare {
        var compare = Compare(key, "VALUE")
        compare.value = value
        return compare
    }
}

struct Operation: Encodable, Sendable {
    var request_put: PutRequest?
    var request_delete_range: DeleteRequest?
    var request_range: RangeRequest?

    static func put(_ key: String, _ value: Data, lease: Int64 = 0) -> Operation {
        Operation(request_put: PutRequest(key, value, lease: lease))
    }
    static func delete(_ key: String) -> Operation { Operation(request_delete_range: DeleteRequest(key)) }
    static func get(_ key: String) -> Operation { Operation(request_range: RangeRequest(key)) }
}

struct Transaction: Encodable, Sendable {
    var compare: [Compare]
    var success: [Operation]
    var failure: [Operation] = []
}

struct TransactionResponse: Decodable, Sendable {
    struct Part: Decodable, Sendable {
        var response_range: RangeResponse?
    }
    var header: Header?
    var succeeded: Bool?
    var responses: [Part]?

    /// What the gets of the branch that ran have found, by key.
    var found: [String: KeyValue] {
        let all = (responses ?? []).flatMap { $0.response_range?.kvs ?? [] }
        return Dictionary(all.map { ($0.name, $0) }) { first, _ in first }
    }
}

struct GrantRequest: Encodable, Sendable {
    var TTL: Number
}

/// Answers to grants and renewals. Time to live is in seconds; 0 means that there is no such lease.
struct LeaseResponse: Decodable, Sendable {
    var ID: Number?
    var TTL: Number?
    var error: String?
}

struct LeaseRequest: Encodable, Sendable {
    var ID: Number
}

struct Credentials: Encodable, Sendable {
    var name: String
    var password: String
}

struct TokenResponse: Decodable, Sendable {
    var token: String?
}

struct Nothing: Decodable, Sendable {}

struct WatchRequest: Encodable, Sendable {
    struct Create: Encodable, Sendable {
        var key: Data
        var range_end: Data
        var start_revision: Number
        var progress_notify = true
    }
    var create_request: Create
}

struct WatchResponse: Decodable, Sendable {
    struct Event: Decodable, Sendable {
        var type: String?
        var kv: KeyValue?
    }
    var header: Header?
    var created: Bool?
    var canceled: Bool?
    var compact_revision: Number?
    var cancel_reason: String?
    var events: [Event]?
}

/// A message of a stream: the answer, or why there is none.
struct Streamed<Answer: Decodable & Sendable>: Decodable, Sendable {
    var result: Answer?
    var error: ErrorResponse?
}

/// etcd 3.4 says `error`, 3.5 `message` as well; streams say `message` alone.
struct ErrorResponse: Decodable, Sendable {
    var error: String?
    var message: String?
    var code: Int?
    var grpc_code: Int?

    var text: String { message ?? error ?? "" }
}
