/// Terminal colours and weights (ECMA-48); plain text if they are not wanted.
public struct TextStyle: Sendable {
    let isColored: Bool

    public init(isColored: Bool) { self.isColored = isColored }

    func bold(_ text: String) -> String { wrapped(text, "1") }
    func faint(_ text: String) -> String { wrapped(text, "2") }
    public func bad(_ text: String) -> String { wrapped(text, "31") }
    public func good(_ text: String) -> String { wrapped(text, "32") }
    public func warning(_ text: String) -> String { wrapped(text, "33") }

    public func note(_ text: String) -> String { wrapped(text, "36") }

    private func wrapped(_ text: String, _ code: String) -> String {
        isColored ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }
}

extension TextStyle {
    /// Every parameter that the styles use.
    static let marks = ["0", "1", "2", "31", "32", "33", "36"].map { Array("\u{1b}[\($0)m".unicodeScalars) }
}
