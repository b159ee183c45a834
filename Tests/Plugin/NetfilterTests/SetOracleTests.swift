import Foundation
import Kernel
import Libnftables
import NetlinkCodec
import TestSupport
import Testing

/// Sets and maps of every form are listed by nft as what they are, and their elements read back.
@Suite struct SetOracleTests {
    @Test func rangesOverSeveralFieldsVerdictsTimesAndComments() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            let table = NftTable(.inet, "t")
            var batch = Changes.batch()
            batch.append("table") { $0.addTable(table) }
            batch.append("chain") { $0.addChain(NftChain("allowed"), to: table) }
            for (number, form) in SetForm.all.enumerated() {
                batch.append("set \(form.set.name)") {
                    $0.addSet(form.set, form.options, to: table, number: UInt32(number + 1))
                }
                batch.addElements("elements of \(form.set.name)", form.elements, to: form.set.name, of: table)
            }
            var socket = try NetlinkSocket(.netfilter)
            try socket.execute(batch)
            let nft = try Nft()
            let text = try nft.run("list ruleset")
            let json = try nft.run("list ruleset", json: true)
            for form in SetForm.all {
                let name = form.set.name
                let start = text.range(of: " \(name) {")!.lowerBound
                let end = text.range(of: "\n\t}", range: start..<text.endIndex)!.lowerBound
                let block = text[start..<end].split(whereSeparator: \.isWhitespace).joined(separator: " ")
                for part in form.expected { try require(block.contains(part), "\(name) has no \(part): \(block)") }
                try require(json.contains("\"name\": \"\(name)\""), "\(name) is not in \(json)")
                var listed = try socket.setElements(of: name, in: table)
                for position in listed.indices {
                    let element = listed[position]
                    try require(
                        (element.expiration == nil) == (element.timeout == nil), "times of \(element)")
                    listed[position].expiration = nil
                }
                // An end of ranges at the lowest address is nothing to us.
                listed.removeAll { $0.isRangeEnd && $0.element.key.allSatisfy { $0 == 0 } }
                try require(Set(listed) == Set(form.elements), "\(name): \(listed)")
                let sets = try socket.sets(of: table)
                try require(sets.first { $0.name == name }?.isInterval == form.set.isInterval, "\(name): \(sets)")
                var deletion = Changes.batch()
                deletion.deleteElements("delete", form.elements, of: name, in: table)
                try socket.execute(deletion)
                listed = try socket.setElements(of: name, in: table)
                listed.removeAll { $0.isRangeEnd && $0.element.key.allSatisfy { $0 == 0 } }
                try require(listed.isEmpty, "\(name) still has \(listed)")
            }
            _ = try nft.run("list ruleset")
            _ = try nft.run("list ruleset", json: true)
        }
    }
}

private struct SetForm {
    let set: NftSet
    var options = NftSetOptions()
    let elements: [NftSetElement]
    /// What nft's text has, on one line.
    let expected: [String]

    private static let threeFields = NftType(.ipv4, .protocolNumber, .port)

    /// Peers of a policy: addresses, a protocol and ports, each from a first one to a last one.
    private static func box(_ data: NftData? = nil, comment: String) -> NftSetElement {
        NftSetElement(
            NftElement(
                key: [10, 1, 0, 0, 6, 0, 0, 0, 0x1f, 0x90, 0, 0],
                keyEnd: [10, 1, 255, 255, 6, 0, 0, 0, 0x1f, 0x9a, 0, 0],
                data: data, comment: comment))
    }

    static let all = [
        SetForm(
            set: NftSet("boxes", threeFields, isInterval: true), options: NftSetOptions(size: 100),
            elements: [box(comment: "ns/policy")],
            expected: [
                "type ipv4_addr . inet_proto . inet_service", "size 100", "flags interval",
                "10.1.0.0/16 . tcp . 8080-8090 comment \"ns/policy\"",
            ]),
        SetForm(
            set: NftSet("verdicts", threeFields, .verdict, isInterval: true),
            elements: [box(.verdict(.goto("allowed")), comment: "ns/policy")],
            expected: ["inet_service : verdict", "10.1.0.0/16 . tcp . 8080-8090 comment \"ns/policy\" : goto allowed"]),
        SetForm(
            set: NftSet("boxes6", NftType(.ipv6, .port), isInterval: true),
            elements: [
                NftSetElement(
                    NftElement(
                        key: [0xfd] + [UInt8](repeating: 0, count: 15) + [0, 80, 0, 0],
                        keyEnd: [0xfd] + [UInt8](repeating: 0xff, count: 15) + [0, 80, 0, 0]))
            ], expected: ["type ipv6_addr . inet_service", "fd00::/8 . 80"]),
        SetForm(
            set: NftSet("networks", NftType(.ipv4), isInterval: true),
            elements: NftSetElement.range(
                NftElement(key: [10, 0, 0, 0], comment: "pods"), through: [10, 255, 255, 255])
                + NftSetElement.range(NftElement(key: [240, 0, 0, 0]), through: [255, 255, 255, 255]),
            expected: ["flags interval", "10.0.0.0/8 comment \"pods\"", "240.0.0.0/4"]),
        SetForm(
            set: NftSet("marks", NftType(.ipv4), .value(NftType(.mark)), isInterval: true),
            elements: NftSetElement.range(
                NftElement(key: [10, 0, 0, 0], data: .value([7, 0, 0, 0])), through: [10, 255, 255, 255]),
            expected: ["type ipv4_addr : mark", "10.0.0.0/8 : 0x00000007"]),
        SetForm(
            set: NftSet("clients", NftType(.ipv4, .port), .value(NftType(.ipv4, .port))),
            options: NftSetOptions(
                hasTimeouts: true, timeout: 3_600_000, collectionInterval: 10_000, isDynamic: true, size: 1024),
            elements: [
                NftSetElement(
                    NftElement(
                        key: [10, 0, 0, 1, 0, 80, 0, 0], data: .value([10, 0, 0, 2, 0x1f, 0x90, 0, 0]), comment: "a/b"),
                    timeout: 7_200_000)
            ],
            expected: [
                "type ipv4_addr . inet_service : ipv4_addr . inet_service", "size 1024", "flags dynamic,timeout",
                "timeout 1h", "gc-interval 10s", "10.0.0.1 . 80 timeout 2h expires",
                "comment \"a/b\" : 10.0.0.2 . 8080",
            ]),
        SetForm(
            set: NftSet("chosen", NftType(.mark), .verdict),
            elements: [
                NftSetElement(NftElement(key: [0, 0, 0, 0], data: .verdict(.goto("allowed")))),
                NftSetElement(NftElement(key: [1, 0, 0, 0], data: .verdict(.drop))),
            ], expected: ["type mark : verdict", "0x00000000 : goto allowed", "0x00000001 : drop"]),
    ]
}
