internal import Inventory

/// A pod, or what is left of one, as a box in the picture. The more boxes there are, the smaller they are.
struct PodCard {
    enum Size {
        case large, medium, small

        /// - Parameter count: of cards in the whole picture.
        init(count: Int) { self = count <= 12 ? .large : count <= 60 ? .medium : .small }

        var width: Int {
            switch self {
            case .large: 210
            case .medium: 170
            case .small: 118
            }
        }

        var gap: Int { self == .small ? 8 : 14 }
        fileprivate var padding: Int { self == .small ? 6 : 10 }
        fileprivate var maximumPorts: Int { self == .large ? 8 : 1 }
    }

    private enum State { case whole, troubled, gone }

    private let size: Size
    private let state: State
    private let title: String
    private let corner: String
    private let texts: [(text: String, font: SVG.Font)]
    private let chips: [(text: String, fill: String, color: String)]
    private let tooltip: String

    private static let grey = "#64748b"
    static let portColors = (fill: "#dbeafe", text: "#1e40af")
    static let limitColors = (fill: "#fef3c7", text: "#92400e")
    static let ruleColors = (fill: "#f1f5f9", text: "#475569")

    init(_ pod: Attachment, _ snapshot: Snapshot, _ shortIDs: [String: String], size: Size) {
        self.size = size
        let trouble = snapshot.trouble(pod.id) ?? (pod.stateText.isEmpty ? nil : pod.stateText)
        state = trouble == nil ? .whole : .troubled
        title = shortIDs[pod.id.containerID] ?? pod.id.containerID
        corner = pod.id.ifname
        var texts: [(String, SVG.Font)] = []
        let fixed = SVG.Font(size: size == .small ? 10 : 12, isFixed: true, color: "#334155")
        let faint = SVG.Font(size: 11, color: PodCard.grey)
        if size == .large, let namespace = pod.namespace { texts.append((namespace.name, faint)) }
        texts += pod.shownAddresses.prefix(size == .large ? 4 : 1).map { ($0, fixed) }
        if let trouble, size == .large {
            let warning = SVG.Font(size: 11, color: "#b45309")
            texts += warning.wrapped(trouble, into: size.width - 2 * size.padding).map { ($0, warning) }
        }
        self.texts = texts
        let shown = pod.ports.prefix(size.maximumPorts)
        var chips = shown.map { ($0.description, PodCard.portColors.fill, PodCard.portColors.text) }
        if pod.ports.count > shown.count {
            chips.append(("+\(pod.ports.count - shown.count)", PodCard.portColors.fill, PodCard.portColors.text))
        }
        if !pod.limitsText.isEmpty {
            chips.append((pod.limitsText, PodCard.limitColors.fill, PodCard.limitColors.text))
        }
        if size == .large {
            chips += pod.rulesText.split(separator: ",").map {
                (String($0), PodCard.ruleColors.fill, PodCard.ruleColors.text)
            }
        }
        self.chips = chips
        tooltip =
            ([pod.id.description, pod.namespace?.path ?? "", trouble ?? ""]
            + [pod.shownAddresses.joined(separator: " "), pod.portsText(atMost: 100), pod.limitsText, pod.rulesText])
            .filter { !$0.isEmpty }.joined(separator: "\n")
    }

    init(_ orphan: Orphan, _ shortIDs: [String: String], size: Size) {
        self.size = size
        state = .gone
        let id = orphan.id?.containerID ?? ""
        title = id.isEmpty ? "?" : shortIDs[id] ?? id
        corner = orphan.id?.ifname ?? ""
        let red = SVG.Font(size: size == .small ? 10 : 11, color: "#b91c1c")
        switch size {
        case .large:
            let width = size.width - 2 * size.padding
            let lines = red.wrapped(orphan.leftovers, into: width) + red.wrapped(orphan.reason.text, into: width)
            texts = lines.map { ($0, red) }
        case .medium, .small: texts = [(orphan.leftovers, red)]
        }
        chips = []
        tooltip = "\(orphan.id.map(\.description) ?? "?")\n\(orphan.leftovers)\n\(orphan.reason.text)"
    }

    private var titleFont: SVG.Font { SVG.Font(size: size == .small ? 10 : 12, isBold: true, isFixed: true) }
    private var chipFont: SVG.Font { SVG.Font(size: 10, isFixed: true) }
    private var innerWidth: Int { size.width - 2 * size.padding }
    private var lineHeight: Int { size == .small ? 13 : 16 }

    /// Chips in lines, as many on each as fit.
    private var chipLines: [[(text: String, fill: String, color: String)]] {
        var lines: [[(text: String, fill: String, color: String)]] = []
        var used = Int.max
        for chip in chips {
            let width = chipWidth(chip.text) + 4
            if used == .max || used + width > innerWidth + 4 {
                lines.append([])
                used = 0
            }
            lines[lines.count - 1].append(chip)
            used += width
        }
        return lines
    }

    private func chipWidth(_ text: String) -> Int { min(chipFont.width(text) + 10, innerWidth) }

    var height: Int {
        let text = lineHeight * (1 + texts.count)
        return 2 * size.padding + text - 2 + (size == .small || chips.isEmpty ? 0 : 2 + chipLines.count * 19)
    }

    /// - Parameter height: of the row that contains the card.
    func draw(on picture: inout SVG, _ x: Int, _ y: Int, height: Int, color: String) {
        picture.group(title: tooltip) { picture in
            switch state {
            case .whole: picture.rectangle(x, y, size.width, height, fill: "#ffffff", stroke: color)
            case .troubled:
                picture.rectangle(x, y, size.width, height, fill: "#fffbeb", stroke: "#d97706", thickness: 2)
            case .gone:
                picture.rectangle(x, y, size.width, height, fill: "#fef2f2", stroke: "#dc2626", dashes: "5 3")
            }
            let left = x + size.padding
            var line = y + size.padding + lineHeight - 5
            if size != .small {
                let font = SVG.Font(size: 11, color: PodCard.grey)
                picture.text(corner, x + size.width - size.padding, line, font, anchor: .end)
            }
            picture.text(titleFont.fitted(title, into: innerWidth - (size == .small ? 0 : 40)), left, line, titleFont)
            for (text, font) in texts {
                line += lineHeight
                picture.text(font.fitted(text, into: innerWidth), left, line, font)
            }
            guard size != .small else { return drawDots(on: &picture, x, y) }
            for chips in chipLines {
                var position = left
                line += 19
                for chip in chips {
                    let width = chipWidth(chip.text)
                    picture.rectangle(position, line - 11, width, 15, radius: 7, fill: chip.fill)
                    var font = chipFont
                    font.color = chip.color
                    let text = font.fitted(chip.text, into: innerWidth - 8)
                    picture.text(text, position + width / 2, line, font, anchor: .middle)
                    position += width + 4
                }
            }
        }
    }

    /// Used when there is no room for words.
    private func drawDots(on picture: inout SVG, _ x: Int, _ y: Int) {
        var right = x + size.width - 8
        for color in Set(chips.map(\.color)).sorted() {
            picture.dot(right, y + 10, radius: 3, fill: color)
            right -= 9
        }
    }
}
