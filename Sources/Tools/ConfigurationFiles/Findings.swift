/// The findings in one file, with their lines.
struct Findings {
    let file: String
    let map: SourceMap
    private(set) var all: [Finding] = []

    init(file: String, map: SourceMap) {
        self.file = file
        self.map = map
    }

    /// - Parameter line: needed if the path does not determine it.
    mutating func add(
        _ severity: Finding.Severity, at path: String, _ message: String, _ hint: String = "", line: Int? = nil
    ) {
        // Many error messages begin with their path already.
        let text = path.isEmpty || message.hasPrefix(path) ? message : "\(path): \(message)"
        let finding = Finding(
            severity: severity, file: file, line: line ?? map.line(of: path), path: path, message: text, hint: hint)
        guard !all.contains(where: { $0.message == finding.message }) else { return }
        all.append(finding)
    }

    /// From top to bottom.
    var sorted: [Finding] { all.enumerated().sorted { ($0.1.line ?? 0, $0.0) < ($1.1.line ?? 0, $1.0) }.map { $0.1 } }
}
