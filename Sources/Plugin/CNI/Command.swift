/// The command that a runtime gives in `CNI_COMMAND`.
public enum Command: String, Sendable, Hashable, CaseIterable {
    case add = "ADD"
    case del = "DEL"
    case check = "CHECK"
    case gc = "GC"
    case status = "STATUS"
    case version = "VERSION"

    /// The environment variables that must be set (CNI spec 1.1.0, section 2, "CNI operations").
    var requiredVariables: [String] {
        switch self {
        case .add, .check: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]
        case .del: ["CNI_CONTAINERID", "CNI_IFNAME"]
        case .gc: ["CNI_PATH"]
        case .status, .version: []
        }
    }
}
