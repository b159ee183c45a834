import Addresses
import Foundation
import Inventory
import InventorySupport
import Netfilter
import Testing

@testable import Presentation

/// Pictures of a node have everything in them, are well-formed whatever the names are, and stay readable with many pods.
@Suite struct GraphTests {
    static func node(pods: Int) -> MadeUpNode {
        var node = MadeUpNode()
        var rules = masquerade
        rules.ports = PublishedPorts(
            [PortMapping(hostPort: 8080, containerPort: 80)], addresses: [CIDR("10.44.0.2/24")!])
        for number in 1...pods { node.attach(number, record: number == 1 ? rules : nil) }
        return node
    }

    /// The numbers of an attribute of all shapes of a kind.
    static func numbers(_ attribute: String, of shape: String, in svg: String) throws -> [Int] {
        try svg.matches(of: Regex("<\(shape) [^>]*\\b\(attribute)=\"(-?[0-9]+)\"", as: (Substring, Substring).self))
            .compactMap { Int($0.1) }
    }

    @Test(arguments: [1, 2, 12, 13, 60, 61, 200]) func everyPodIsInThePictureAndInsideOfIt(_ count: Int) throws {
        let svg = Self.node(pods: count).snapshot.svg
        for number in 1...count { #expect(svg.contains(">\(MadeUpNode.address(number))</text>")) }
        #expect(svg.matches(of: /<g>/).count == count)
        let (width, height) = (
            try #require(Self.numbers("width", of: "svg", in: svg).first),
            try #require(Self.numbers("height", of: "svg", in: svg).first)
        )
        let rectangles = zip(
            zip(try Self.numbers("x", of: "rect", in: svg), try Self.numbers("y", of: "rect", in: svg)),
            zip(try Self.numbers("width", of: "rect", in: svg), try Self.numbers("height", of: "rect", in: svg)))
        #expect(Array(rectangles).count > count)
        for ((x, y), (w, h)) in rectangles {
            #expect(x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= width && y + h <= height)
        }
        // A screen's width, and no scroll without an end.
        #expect(width <= 1500 && height <= 2200)
    }

    @Test func cardsDoNotOverlap() throws {
        let svg = Self.node(pods: 30).snapshot.svg
        let cards = svg.matches(of: /<g><title>[^<]*<\/title>\n<rect x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"/)
            .map { (x: Int($0.1)!, y: Int($0.2)!, width: Int($0.3)!, height: Int($0.4)!) }
        #expect(cards.count == 30)
        for (position, a) in cards.enumerated() {
            for b in cards[(position + 1)...] {
                let apart =
                    a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y
                #expect(apart)
            }
        }
    }

    @Test func portsLimitsAndOrphansAreShown() {
        var node = Self.node(pods: 3)
        node.end(3)
        node.seen.buckets[102] = .init(rate: 1_250_000, burst: 1000, limit: 5000)
        let svg = node.snapshot.svg
        for text in [
            "8080→80/tcp", "↓10M", "masquerade", "bridge cbr0", "10.44.0.1/24", "default route via 192.168.7.1",
        ] {
            #expect(svg.contains(text), "\(text)")
        }
        #expect(svg.contains("stroke-dasharray=\"5 3\"") && svg.contains("10.44.0.4"))
        let dot = node.snapshot.dot
        let mermaid = node.snapshot.mermaid
        for text in ["8080→80/tcp", "bridge cbr0", "eth0", "10.44.0.2", "10.44.0.4"] {
            #expect(dot.contains(text) && mermaid.contains(text), "\(text)")
        }
        #expect(dot.contains("color=red") && mermaid.contains("class orphan0_0 orphan"))
    }

    @Test func theLegendExplainsWhatIsThereAndStaysInThePicture() throws {
        var node = Self.node(pods: 3)
        #expect(!node.snapshot.svg.contains("orphan:") && !node.snapshot.svg.contains("bits per second"))
        node.end(3)
        node.seen.buckets[102] = .init(rate: 1_250_000, burst: 1000, limit: 5000)
        let svg = node.snapshot.svg
        let width = try #require(Self.numbers("width", of: "svg", in: svg).first)
        for text in ["port of the node → port of the pod", "bits per second", "rules", "orphan: what a pod has left"] {
            let line = try #require(svg.split(separator: "\n").last { $0.contains(text) })
            let x = try #require(line.firstMatch(of: /<text x="(\d+)"/).flatMap { Int($0.1) })
            #expect(x + SVG.Font(size: 11).width(text) <= width, "\(text)")
        }
    }

    @Test func namesThatMeanSomethingInALanguageAreHarmless() {
        var node = Self.node(pods: 1)
        node.seen.node = #"a"b<c>&d\e]\#u{1}"#
        let snapshot = node.snapshot
        #expect(snapshot.svg.contains("a&quot;b&lt;c&gt;&amp;d\\e]?"))
        #expect(snapshot.dot.contains(#"a\"b<c>&d\\e]?"#))
        #expect(snapshot.mermaid.contains("host[\"a#34;b#60;c#62;#38;d#92;e#93;?\"]"))
    }

    @Test func tagsAreBalanced() {
        let svg = Self.node(pods: 20).snapshot.svg
        for tag in ["g", "text", "title", "svg", "style"] {
            let opened = svg.components(separatedBy: "<\(tag)>").count + svg.components(separatedBy: "<\(tag) ").count
            #expect(opened - 1 == svg.components(separatedBy: "</\(tag)>").count, "\(tag)")
        }
    }

    @Test func anEmptyNodeHasAPictureToo() {
        var seen = Observations()
        seen.node = "node-1"
        #expect(Snapshot(seen).svg.contains("no default route leads out of this node"))
        #expect(Snapshot(seen).dot.hasSuffix("}\n") && Snapshot(seen).mermaid.hasPrefix("flowchart LR\n"))
    }

    @Test func oneNetworkCanBeShownAlone() {
        var node = Self.node(pods: 2)
        var other = Interface(index: 2, name: "eth0", kind: "macvlan")
        other.alias = "swiftlet edge/container-9/eth0"
        node.seen.namespaces.append(
            SeenNamespace(Namespace(path: "/run/netns/x", inode: 9), interfaces: [other], nodeID: 0))
        let part = node.snapshot.limited(to: "edge")
        #expect(part.attachments.count == 1 && part.networks.map(\.name) == ["edge"])
        #expect(part.uplinks == node.snapshot.uplinks)
    }
}
