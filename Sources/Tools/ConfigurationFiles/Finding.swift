/// Something to say about a configuration file.
public struct Finding: Sendable, Hashable, Encodable {
    public enum Severity: String, Sendable, Encodable, CaseIterable {
        /// The runtime or the plugin refuses it, or pods would not get what it says.
        case error
        /// Both accept it, but it is hardly intended.
        case warning
        /// Worth knowing.
        case note
    }

    public var severity: Severity
    public let file: String
    /// From 1; nil if the finding is about the file as a whole.
    public let line: Int?
    /// Such as `plugins[0].ipam.ranges[0][0].subnet`; empty for the document itself.
    public let path: String
    /// What is wrong, on one line.
    public let message: String
    /// What a person can do about it; may be empty.
    public let hint: String
}

extension Finding: CustomStringConvertible {
    /// `FILE:LINE: error: MESSAGE (HINT)`, the format of compilers, so that editors find the place.
    public var description: String {
        let place = line.map { "\(file):\($0)" } ?? file
        return "\(place): \(severity.rawValue): \(message)" + (hint.isEmpty ? "" : " (\(hint))")
    }
}
