internal import Addresses
public import Inventory

/// The node as a picture: its uplinks at the top, its networks below, each with its pods.
struct GraphPicture {
    private let snapshot: Snapshot
    private let model: GraphModel
    private let cards: [(group: GraphModel.Group, cards: [PodCard])]
    private let size: PodCard.Size
    private let columns: Int
    private var picture = SVG()

    private static let margin = 32
    /// The space between the node's border and its groups, for the line that connects them.
    private static let gutter = 44
    private static let padding = 16
    private static let ink = "#0f172a"
    private static let grey = "#64748b"
    private static let wire = "#94a3b8"

    /// Assigned to networks in order.
    private static let palette = [
        "#2563eb", "#059669", "#7c3aed", "#d97706", "#0891b2", "#db2777", "#4d7c0f", "#9333ea",
    ]

    init(_ snapshot: Snapshot) {
        self.snapshot = snapshot
        model = GraphModel(snapshot)
        let shortIDs = snapshot.shortIDs
        let count = model.groups.reduce(0) { $0 + $1.pods.count + $1.orphans.count }
        let size = PodCard.Size(count: count)
        self.size = size
        cards = model.groups.map { group in
            (
                group,
                group.pods.map { PodCard($0, snapshot, shortIDs, size: size) }
                    + group.orphans.map { PodCard($0, shortIDs, size: size) }
            )
        }
        let widest = cards.map(\.cards.count).max() ?? 0
        // Roughly square, but wide enough for a bridge's name and addresses.
        let most = size == .large ? 5 : size == .medium ? 6 : 10
        columns = max(min(widest, most), size == .large ? 3 : size == .medium ? 4 : 6)
    }

    private var rowWidth: Int { columns * size.width + (columns - 1) * size.gap }
    private var groupWidth: Int { rowWidth + 2 * GraphPicture.padding }
    private var nodeWidth: Int { groupWidth + GraphPicture.gutter + GraphPicture.padding }
    private var width: Int { nodeWidth + 2 * GraphPicture.margin }

    /// The whole document.
    mutating func svg() -> String {
        let left = GraphPicture.margin
        // The frame is drawn before its contents, so their height is computed first.
        let top = 148
        let heights = cards.map { groupHeight($0.group, $0.cards) }
        let inside = 46 + heights.reduce(0) { $0 + $1 + 20 } + (heights.isEmpty ? 30 : 0)
        let height = top + inside + 84
        picture.rectangle(0, 0, width, height, radius: 0, fill: "#f8fafc")
        picture.text(snapshot.node, left, 44, SVG.Font(size: 22, isBold: true))
        picture.text(snapshot.summary, left, 66, SVG.Font(size: 13, color: GraphPicture.grey))
        picture.rectangle(left, top, nodeWidth, inside, radius: 12, fill: "#ffffff", stroke: "#cbd5e1", thickness: 2)
        let trunk = left + 22
        var y = top + 46
        let centers = zip(heights.indices, heights).map { position, height -> Int in
            defer { y += height + 20 }
            return y + headerHeight(model.groups[position]) + 16
        }
        drawUplinks(top, trunk: trunk)
        if let last = centers.last {
            picture.line([(trunk, top + 32), (trunk, last)], stroke: GraphPicture.wire)
        }
        y = top + 46
        for (position, (group, cards)) in cards.enumerated() {
            let color = GraphPicture.color(of: group.network.name, in: snapshot)
            draw(group, cards, left + GraphPicture.gutter, y, heights[position], color)
            if group.hub != .nothing {
                let hub = left + GraphPicture.gutter + GraphPicture.padding
                picture.line([(trunk, centers[position]), (hub, centers[position])], stroke: GraphPicture.wire)
            }
            y += heights[position] + 20
        }
        drawLegend(left, top + inside + 30)
        return picture.document(width: width, height: height, title: "Container networking on \(snapshot.node)")
    }

    private static func color(of network: String, in snapshot: Snapshot) -> String {
        let position = snapshot.networks.firstIndex { $0.name == network } ?? 0
        return palette[position % palette.count]
    }

    // MARK: The node's links to the outside

    private mutating func drawUplinks(_ top: Int, trunk: Int) {
        var x = trunk + 44
        let names = snapshot.uplinks
        guard !names.isEmpty else {
            picture.text(
                "no default route leads out of this node", x, top + 30, SVG.Font(size: 12, color: GraphPicture.grey))
            return
        }
        var last = trunk
        for name in names.prefix(6) {
            let addresses = (snapshot.interface(name)?.addresses ?? []).prefix(2).map(\.description)
            let title = SVG.Font(size: 13, isBold: true)
            let small = SVG.Font(size: 11, isFixed: true, color: "#334155")
            let hop = snapshot.nextHop(by: name).map { "default route via \($0)" } ?? "default route"
            let widths = [title.width(name), SVG.Font(size: 11).width(hop)] + addresses.map { small.width($0) }
            let width = (widths.max() ?? 0) + 32
            let height = 26 + addresses.count * 14
            let y = top - height / 2
            let center = x + width / 2
            picture.line([(center, y - 26), (center, y)], stroke: GraphPicture.wire)
            picture.text(hop, center, y - 32, SVG.Font(size: 11, color: GraphPicture.grey), anchor: .middle)
            picture.line([(center, y + height), (center, top + 32)], stroke: GraphPicture.wire)
            picture.rectangle(x, y, width, height, fill: "#e2e8f0", stroke: "#64748b")
            picture.text(name, center, y + 18, title, anchor: .middle)
            for (line, address) in addresses.enumerated() {
                picture.text(address, center, y + 33 + line * 14, small, anchor: .middle)
            }
            last = center
            x += width + 24
        }
        // The node forwards between its pods and the outside.
        picture.line([(trunk, top + 32), (last, top + 32)], stroke: GraphPicture.wire)
    }

    // MARK: Networks

    private func headerHeight(_ group: GraphModel.Group) -> Int { 34 + max(group.network.pools.count - 1, 0) * 18 }

    private func rows(_ cards: [PodCard]) -> [ArraySlice<PodCard>] {
        stride(from: 0, to: cards.count, by: columns).map { cards[$0..<min($0 + columns, cards.count)] }
    }

    private var rowGap: Int { size == .small ? 18 : 24 }

    private func groupHeight(_ group: GraphModel.Group, _ cards: [PodCard]) -> Int {
        let rows = rows(cards).reduce(0) { $0 + rowGap + ($1.map(\.height).max() ?? 0) }
        return headerHeight(group) + 32 + (cards.isEmpty ? 34 : rows) + GraphPicture.padding
    }

    private mutating func draw(
        _ group: GraphModel.Group, _ cards: [PodCard], _ x: Int, _ y: Int, _ height: Int, _ color: String
    ) {
        picture.rectangle(x, y, groupWidth, height, radius: 10, fill: "#f8fafc", stroke: "#e2e8f0")
        let left = x + GraphPicture.padding
        picture.text(group.network.name, left, y + 23, SVG.Font(size: 15, isBold: true, color: color))
        let plugins = group.network.plugins.joined(separator: " › ")
        let nameWidth = SVG.Font(size: 15, isBold: true).width(group.network.name)
        picture.text(plugins, left + nameWidth + 14, y + 23, SVG.Font(size: 11, color: GraphPicture.grey))
        drawPools(group.network, right: left + rowWidth, y + 22, color)
        let bar = y + headerHeight(group)
        drawHub(group, left, bar, color)
        guard !cards.isEmpty else {
            picture.text("no pods", left, bar + 54, SVG.Font(size: 12, color: GraphPicture.grey))
            return
        }
        drawRows(group, cards, left, bar + 32, color)
    }

    private mutating func drawHub(_ group: GraphModel.Group, _ x: Int, _ y: Int, _ color: String) {
        let white = SVG.Font(size: 13, isBold: true, color: "#ffffff")
        let isThere = group.hub != .nothing && !group.isDown
        picture.rectangle(
            x, y, rowWidth, 32, fill: isThere ? color : "#e2e8f0",
            stroke: group.isDown ? "#dc2626" : isThere ? nil : GraphPicture.grey, dashes: isThere ? nil : "5 3")
        var font = white
        if !isThere { font.color = GraphPicture.grey }
        picture.text(GraphModel.text(group), x + 12, y + 21, font)
        let gateways = group.network.gateways.map(\.description).joined(separator: "   ")
        let fixed = SVG.Font(size: 12, isFixed: true, color: font.color)
        let room = rowWidth - 36 - white.width(GraphModel.text(group))
        picture.text(fixed.fitted(gateways, into: room), x + rowWidth - 12, y + 21, fixed, anchor: .end)
    }

    private mutating func drawPools(_ network: Network, right: Int, _ y: Int, _ color: String) {
        var line = y
        for pool in network.pools.prefix(8) {
            let subnets = pool.subnets.map(\.description).joined(separator: " ")
            picture.rectangle(right - 90, line - 8, 90, 8, radius: 4, fill: "#e2e8f0")
            let filled = pool.used == 0 ? 0 : max(90 * Words.percent(pool.used, of: pool.size) / 100, 3)
            if filled > 0 {
                let isTight = Words.percent(pool.used, of: pool.size) >= 90
                picture.rectangle(right - 90, line - 8, filled, 8, radius: 4, fill: isTight ? "#dc2626" : color)
            }
            picture.text(
                "\(subnets)  \(pool.used) of \(Words.count(pool.size))", right - 100, line,
                SVG.Font(size: 11, color: "#334155"), anchor: .end)
            line += 18
        }
    }

    /// The first row hangs from the bar itself, each further row from a line that branches off it.
    private mutating func drawRows(
        _ group: GraphModel.Group, _ cards: [PodCard], _ left: Int, _ bar: Int, _ color: String
    ) {
        var y = bar
        let isJoined = group.hub != .nothing
        let spine = left - 8
        for (number, row) in rows(cards).enumerated() {
            let height = row.map(\.height).max() ?? 0
            let wire = number == 0 ? bar : y + rowGap / 2
            let joined = row.indices.filter { $0 < group.pods.count }
            if number > 0, isJoined, let last = joined.last {
                let end = left + (last - row.startIndex) * (size.width + size.gap) + size.width / 2
                picture.line([(spine, bar - 16), (spine, wire), (end, wire)], stroke: color, thickness: 1)
            }
            for (column, index) in row.indices.enumerated() {
                let x = left + column * (size.width + size.gap)
                if index < group.pods.count, isJoined {
                    let middle = x + size.width / 2
                    picture.line([(middle, wire), (middle, y + rowGap)], stroke: color, thickness: number == 0 ? 2 : 1)
                }
                cards[index].draw(on: &picture, x, y + rowGap, height: height, color: color)
            }
            y += rowGap + height
        }
        if isJoined, rows(cards).count > 1 {
            picture.line([(spine, bar - 16), (left, bar - 16)], stroke: color, thickness: 1)
        }
    }

    // MARK: Legend

    /// Explains the symbols that occur in the picture, on as many lines as that takes.
    private mutating func drawLegend(_ left: Int, _ top: Int) {
        let font = SVG.Font(size: 11, color: "#475569")
        let pods = model.groups.flatMap(\.pods)
        var (x, y) = (left, top)
        func entry(_ text: String, isThere: Bool, _ mark: (inout SVG, Int, Int) -> Void) {
            guard isThere else { return }
            let end = x + 30 + font.width(text)
            if end > left + nodeWidth, x > left { (x, y) = (left, y + 20) }
            mark(&picture, x, y)
            picture.text(text, x + 30, y + 4, font)
            x += 30 + font.width(text) + 22
        }
        let isSmall = size == .small
        func tag(_ colors: (fill: String, text: String)) -> (inout SVG, Int, Int) -> Void {
            { picture, x, y in
                if isSmall { return picture.dot(x + 12, y, radius: 4, fill: colors.text) }
                picture.rectangle(x, y - 7, 22, 14, radius: 7, fill: colors.fill, stroke: colors.text)
            }
        }
        entry("pod", isThere: !pods.isEmpty) { picture, x, y in
            picture.rectangle(x, y - 7, 22, 14, radius: 3, fill: "#ffffff", stroke: GraphPicture.palette[0])
        }
        entry(
            "port of the node → port of the pod", isThere: pods.contains { !$0.ports.isEmpty }, tag(PodCard.portColors))
        entry(
            "limit, bits per second to (↓) and from (↑) it",
            isThere: pods.contains { $0.ingressLimit != nil || $0.egressLimit != nil }, tag(PodCard.limitColors))
        entry(
            "rules", isThere: size == .large && pods.contains { $0.masquerade || $0.antiSpoof || $0.isolation },
            tag(PodCard.ruleColors))
        entry("orphan: what a pod has left", isThere: model.groups.contains { !$0.orphans.isEmpty }) { picture, x, y in
            picture.rectangle(x, y - 7, 22, 14, radius: 3, fill: "#fef2f2", stroke: "#dc2626", dashes: "5 3")
        }
        picture.text(
            "swiftletctl graph", width - GraphPicture.margin, top + 44, SVG.Font(size: 10, color: "#94a3b8"),
            anchor: .end)
    }
}

extension Snapshot {
    /// The node as a self-contained SVG picture.
    public var svg: String {
        var picture = GraphPicture(self)
        return picture.svg()
    }
}
