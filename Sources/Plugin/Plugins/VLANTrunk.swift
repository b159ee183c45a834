internal import CNI
internal import JSON
internal import NetlinkCodec
internal import Posix

/// The `vlanTrunk` key: VLANs that reach the pod tagged.
enum VLANTrunk {
    static func read(_ reader: JSONReader) throws(Failure) -> [PortVLAN] {
        let list = try reader.elements()
        // Longer lists make no sense, and a message has no room for more.
        guard list.count <= 1024 else { throw reader.tooLong(limit: 1024) }
        let entries = try list.map { entry throws(Failure) in
            var vlans: [PortVLAN] = []
            switch (try entry.member("minID"), try entry.member("maxID")) {
            case (let minimum?, let maximum?):
                let first = try id(minimum, "incorrect trunk minID parameter")
                let last = try id(maximum, "incorrect trunk maxID parameter")
                guard first <= last else {
                    throw entry.wrong("a range: minID is greater than maxID in trunk parameter")
                }
                vlans.append(PortVLAN(first, through: last))
            case (nil, nil): break
            case (let minimum, _):
                throw entry.wrong(
                    "whole: minID and maxID should be configured simultaneously, \(minimum == nil ? "minID" : "maxID") is missing"
                )
            }
            if let single = try entry.member("id") {
                vlans.append(PortVLAN(try id(single, "incorrect trunk id parameter")))
            }
            return vlans
        }
        return Array(entries.joined())
    }

    private static func id(_ reader: JSONReader, _ text: String) throws(Failure) -> UInt16 {
        let number = try reader.integer()
        guard (1...4094).contains(number) else { throw reader.wrong("from 1 to 4094 (\(text))") }
        return UInt16(number)
    }
}
