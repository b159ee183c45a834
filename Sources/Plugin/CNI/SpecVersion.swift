internal import Posix

/// A version of the CNI specification that this library supports.
public enum SpecVersion: String, Sendable, Hashable, Comparable, CaseIterable {
    case v0_1_0 = "0.1.0"
    case v0_2_0 = "0.2.0"
    case v0_3_0 = "0.3.0"
    case v0_3_1 = "0.3.1"
    case v0_4_0 = "0.4.0"
    case v1_0_0 = "1.0.0"
    case v1_1_0 = "1.1.0"

    public static let latest = SpecVersion.v1_1_0

    /// Reads a `cniVersion`; an absent one means 0.1.0.
    ///
    /// - Throws: code 1.
    init(decoding text: String?, supported: [SpecVersion] = SpecVersion.allCases) throws(Failure) {
        guard let version = SpecVersion(rawValue: text ?? "0.1.0"), supported.contains(version) else {
            let list = supported.map { $0.rawValue }.joined(separator: " ")
            throw Failure(
                .incompatibleVersion, "incompatible CNI versions",
                details: "config is \"\(text ?? "0.1.0")\", plugin supports [\(list)]")
        }
        self = version
    }

    private var rank: Int { SpecVersion.allCases.firstIndex(of: self)! }

    public static func < (a: SpecVersion, b: SpecVersion) -> Bool { a.rank < b.rank }

    /// Whether a configuration of this version may be used with the command (CNI spec 1.1.0, section 2).
    public func allows(_ command: Command) -> Bool {
        switch command {
        case .check: self >= .v0_4_0
        case .gc, .status: self >= .v1_1_0
        case .add, .del, .version: true
        }
    }
}
