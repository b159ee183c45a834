/// One container's place in one network: what a plugin's resources belong to.
public struct Attachment: Sendable, Hashable {
    /// `CNI_CONTAINERID`.
    public let containerID: String
    /// `CNI_IFNAME`: the interface's name in the container.
    public let ifname: String

    public init(containerID: String, ifname: String) {
        self.containerID = containerID
        self.ifname = ifname
    }
}
