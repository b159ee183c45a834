internal import Attachments
internal import CNI
internal import JSON
internal import Posix

/// The settings of `vrf`.
struct VRFSettings {
    let name: String
    /// Nil for the VRF's existing table, or the first free one.
    let table: UInt32?

    enum Keys {
        static let vrfname = ConfigurationKey<String>.text(
            "vrfname", default: "", "Name of the VRF in the pod, which is made if it is missing. Required.")
        static let table = ConfigurationKey<UInt32?>(
            "table", default: nil, "Its routing table; 0 or absent: the one it has, or the first free one."
        ) { reader throws(Failure) in
            let number = try reader.uint32()
            guard !RoutingTables.reserved.contains(number) else {
                throw reader.wrong("none of the kernel's own tables (253 to 255)")
            }
            return number == 0 ? nil : number
        }

        @KeyList static var everything: [KeyDescription] {
            vrfname
            table
        }
    }

    /// - Throws: code 6 or 7, naming key and value.
    init(_ request: Request) throws(Failure) {
        name = try request.configuration[Keys.vrfname]
        table = try request.configuration[Keys.table]
        guard !name.isEmpty else {
            throw Failure(
                .invalidConfiguration, "configuration is expected to have a valid vrf name",
                details: "vrfname is missing")
        }
        guard Attachment.isInterfaceName(name), name != request.attachment.ifname else {
            throw Failure(
                .invalidConfiguration, "vrfname \"\(name)\" is not a name for a VRF",
                details: "at most 15 octets, without /, :, % and blanks, and not the pod's interface")
        }
    }
}
