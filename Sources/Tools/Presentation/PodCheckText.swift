public import Inventory

extension PodCheck {
    /// The result as lines for people.
    public func text(_ style: TextStyle = TextStyle(isColored: false)) -> String {
        let width = items.map(\.subject.count).max() ?? 0
        let lines = items.map { item in
            let subject = Words.padded(item.subject, to: width)
            let mark = item.isRight ? style.good("✓") : style.bad("✗")
            return "  \(mark) \(subject)  \(item.finding)" + (item.advice.isEmpty ? "" : "\n      → \(item.advice)")
        }
        return ([style.bold("\(attachment.id)")] + lines).joined(separator: "\n")
    }
}
