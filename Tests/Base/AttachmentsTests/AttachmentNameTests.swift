import Attachments
import Foundation
import TestSupport
import Testing

/// Names as people and the kernel may choose them, and what is written of them.
private struct Names {
    var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    private mutating func pick(_ characters: String) -> Character { characters.randomElement(using: &random)! }

    mutating func identifier(_ limit: Int) -> String {
        let first = "abcXYZ019"
        let length = [1, 2, limit, Int.random(in: 1...limit, using: &random)].randomElement(using: &random)!
        return String(pick(first)) + String((1..<length).map { _ in pick(first + "_.-") })
    }

    /// Of up to 15 octets, with characters of more than one octet and such as combine with the one before.
    mutating func interface() -> String {
        while true {
            let length = Int.random(in: 1...15, using: &random)
            let name = String((0..<length).map { _ in pick("a0.-_@#\\\"'~\u{e9}\u{301}\u{20ac}\u{1f600}") })
            if name.utf8.count <= 15, name != ".", name != ".." { return name }
        }
    }

    mutating func name() -> AttachmentName {
        AttachmentName(network: identifier(96), containerID: identifier(128), ifname: interface())
    }
}

/// Equal as the kernel compares: by octets, where Swift takes an é for another.
private func isSame(_ a: AttachmentName?, _ b: AttachmentName) -> Bool {
    guard let a else { return false }
    return Array(a.description.utf8) == Array(b.description.utf8)
        && Array(a.ifname.utf8) == Array(b.ifname.utf8) && a.containerID == b.containerID && a.network == b.network
}

@Suite struct AttachmentNameTests {
    /// IFALIASZ and NAME_MAX are both 255 octets without the NUL.
    @Test(arguments: 0..<20 as Range<UInt64>) func whatIsWrittenOfAValidNameIsReadBackAndFits(_ seed: UInt64) {
        var names = Names(seed: seed)
        for _ in 0..<100 {
            let name = names.name()
            #expect(name.isValid && name.attachment.isValid, "\(name)")
            #expect(isSame(AttachmentName(name.description), name), "\(name)")
            #expect(isSame(AttachmentName(linkAlias: name.linkAlias), name), "\(name)")
            #expect(isSame(AttachmentName(fileName: name.fileName), name), "\(name)")
            let attachment = Attachment(fileName: name.attachment.fileName)
            #expect(isSame(attachment.map { AttachmentName(network: name.network, $0) }, name), "\(name)")
            for text in [name.linkAlias, name.fileName, name.attachment.fileName] { #expect(text.utf8.count <= 255) }
        }
    }

    @Test func theLongestNamesFitAsTheDocumentationSays() {
        let name = AttachmentName(
            network: String(repeating: "n", count: 96), containerID: String(repeating: "c", count: 128),
            ifname: String(repeating: "i", count: 15))
        #expect(name.isValid)
        #expect(name.description.utf8.count == 241 && name.fileName.utf8.count == 241)
        #expect(name.linkAlias.utf8.count == 250 && name.attachment.fileName.utf8.count == 144)
    }

    @Test func theFormsAreThoseThatNodesHaveOnDiskAndInTheKernel() {
        let name = AttachmentName(network: "net", containerID: "pod-1", ifname: "eth0")
        #expect("\(name)" == "net/pod-1/eth0")
        #expect(name.linkAlias == "swiftlet net/pod-1/eth0")
        #expect(name.fileName == "net:pod-1:eth0")
        #expect(name.attachment.fileName == "pod-1:eth0")
    }

    @Test func asJSONItIsItsParts() throws {
        let name = AttachmentName(network: "net", containerID: "pod-1", ifname: "eth0")
        let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(name)) as? [String: String]
        #expect(json == ["network": "net", "containerID": "pod-1", "ifname": "eth0"])
    }

    @Test(arguments: [
        "", "/", "//", "net", "net/id", "net/id/", "/id/eth0", "net//eth0", "net/id/eth0/", "net/id/eth0/x",
        "../id/eth0", "net/../eth0", "net/id/..", "net/id/.", "net/id/e th0", "net/id/e:h0", "net/id/eth%d",
        "n t/id/eth0",
        "net/id/e\u{1b}[31m", "net/i\0d/eth0", "net/id/\u{fffd}", "net/id/sixteen-octets-0", " net/id/eth0",
        "net/id/eth0\n",
        "nét/id/eth0", "net/-id/eth0", "swiftlet net/id/eth0",
    ])
    func whatNoADDWritesIsNobodysName(_ text: String) {
        #expect(AttachmentName(text) == nil)
        #expect(AttachmentName(linkAlias: "swiftlet " + text) == nil)
        let file = text.replacing(":", with: " ").replacing("/", with: ":")
        #expect(AttachmentName(fileName: file) == nil)
    }

    @Test(arguments: ["swiftlet", "swiftlet bridge", "net/id/eth0", "Swiftlet net/id/eth0", "swiftlet  net/id/eth0"])
    func othersAliasesNameNoAttachment(_ alias: String) { #expect(AttachmentName(linkAlias: alias) == nil) }

    @Test func partsThatAreTooLongAreRefused() {
        let network = String(repeating: "n", count: 97)
        let id = String(repeating: "c", count: 129)
        #expect(AttachmentName("\(network)/id/eth0") == nil)
        #expect(AttachmentName("net/\(id)/eth0") == nil)
        #expect(Attachment(fileName: "\(id):eth0") == nil)
    }

    /// Octets that somebody else has put there, with the separators often enough to matter.
    @Test(arguments: 0..<20 as Range<UInt64>) func whateverIsReadIsValidAndWrittenTheSame(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let octets = Array("/:swiftlet neta0.-_\u{0}\u{7f}\u{80}".utf8) + [0xff, 0xc3]
        for _ in 0..<500 {
            let length = Int.random(in: 0...40, using: &random)
            let text = String(
                decoding: (0..<length).map { _ in octets.randomElement(using: &random)! }, as: UTF8.self)
            if let name = AttachmentName(text) { #expect(name.isValid && name.description == text) }
            if let name = AttachmentName(linkAlias: text) { #expect(name.isValid && name.linkAlias == text) }
            if let name = AttachmentName(linkAlias: "swiftlet " + text) { #expect(name.isValid) }
            if let name = AttachmentName(fileName: text) { #expect(name.isValid && name.fileName == text) }
            if let name = Attachment(fileName: text) { #expect(name.isValid && name.fileName == text) }
        }
    }

    /// Each of a valid name's octets in turn becomes each other octet.
    @Test func noOtherOctetMakesOneNameAnother() {
        let name = AttachmentName(network: "net", containerID: "id", ifname: "eth0")
        let octets = Array(name.linkAlias.utf8)
        for position in octets.indices {
            for octet in UInt8.min...UInt8.max where octet != octets[position] {
                var changed = octets
                changed[position] = octet
                let text = String(decoding: changed, as: UTF8.self)
                let read = AttachmentName(linkAlias: text)
                #expect(read != name)
                if let read { #expect(read.isValid && read.linkAlias == text) }
            }
        }
    }

    @Test func theyAreOrderedByNetworkThenContainerThenInterface() {
        let names = ["a/b/c", "a/b/d", "a/c/a", "b/a/a", "b/a/b"].map { AttachmentName($0)! }
        #expect(names.shuffled().sorted() == names)
    }
}
