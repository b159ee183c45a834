import Attachments
import CNI
import JSON

@testable import CNI
@testable import Plugins

extension FuzzTarget {
    /// Environment variables, a line each.
    static let environment = FuzzTarget(name: "environment", maximumLength: 1024) { octets in
        let lines = octets.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        let invocation: Invocation
        do throws(CNIError) { invocation = try Invocation(Environment(lines)) } catch {
            return try require(error.code == .invalidEnvironment && !error.message.isEmpty, "\(error)")
        }
        // Both become parts of paths and of names that the kernel knows.
        let (id, name) = (invocation.attachment.containerID, invocation.attachment.ifname)
        for text in [id, name] where !text.isEmpty {
            try require(!text.utf8.contains { $0 == UInt8(ascii: "/") || $0 <= 0x20 }, "\(text.debugDescription)")
            try require(![".", ".."].contains(text), text)
        }
        try require(!id.contains(":") && id.utf8.count <= 128 && name.utf8.count <= 15, "\(id) \(name)")
        let owner = AttachmentName(network: "net", invocation.attachment)
        try require(owner.hostName.utf8.count <= 15, owner.hostName)
        if !id.isEmpty {
            let found = AttachmentName(linkAlias: owner.linkAlias)
            try require(found?.attachment == invocation.attachment, "\(owner.linkAlias) is not found again")
        }
        let pairs = invocation.arguments.pairs
        let again = try Arguments(pairs.map { "\($0.key)=\($0.value)" }.joined(separator: ";"))
        try require(again.pairs == pairs, "CNI_ARGS \(pairs)")
        try? invocation.arguments.requireKnown(["IP", "MAC"])
    }

    /// What another plugin, or a runtime's cache, says of an attachment.
    static let result = FuzzTarget(name: "result") { octets in
        guard let document = try? JSON(parsing: octets) else { return }
        try require(try JSON(parsing: document.serialized()) == document, "JSON is written as something else")
        for version in SpecVersion.allCases {
            try expectToSurviveEncoding(try? CNIResult(JSONReader(document), assuming: version))
        }
        if let error = CNIError(document) { _ = error.json(version: .latest).serialized() }
    }

    /// What is written in the newest version says the same; in older ones, the same each time.
    static func expectToSurviveEncoding(_ result: CNIResult?) throws {
        guard let result else { return }
        for version in SpecVersion.allCases {
            guard let document = try? result.json(version: version) else { continue }
            let read = try CNIResult(JSONReader(try JSON(parsing: document.serialized())))
            try require(version < .v1_0_0 || read == result, "\(result) became \(read)")
            try require(try read.json(version: version) == document, "\(version): \(document) changes")
        }
    }

    static let resolvConf = FuzzTarget(name: "resolvConf", maximumLength: 1024) { octets in
        let dns = ResolvConf.parse(octets)
        let words = dns.nameservers + dns.search + dns.options + [dns.domain ?? "x"]
        try require(words.allSatisfy { !$0.isEmpty && !$0.contains(where: \.isWhitespace) }, "\(words)")
        try expectToSurviveEncoding(CNIResult(dns: dns))
    }
}
