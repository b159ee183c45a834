internal import Addresses
internal import Posix

/// Where a range set's search continues: the file in which the reference plugin also keeps the address handed out last.
///
/// A lost or wrong cursor only makes a search longer.
struct Cursor: Sendable, Hashable {
    private let name: String
    private let size: Int
    let last: IPAddress?

    init(set: Int, in directory: borrowing ReservationDirectory) {
        name = "last_reserved_ip.\(set)"
        var text: [UInt8] = []
        if let file = try? directory.descriptor.open(name, [.noFollow, .nonBlocking]) {
            text = (try? file.read(atMost: 64)) ?? []
        }
        size = text.count
        last = IPAddress(String(decoding: text, as: UTF8.self))
    }

    /// Writes in place: opening with O_TRUNC makes ext4 start writing to disk on close (auto_da_alloc, ext4(5)).
    func move(to address: IPAddress, in directory: borrowing ReservationDirectory) throws(Failure) {
        let text = Array(address.description.utf8)
        try storing("write \(directory.path)/\(name)") { () throws(Errno) in
            let file = try directory.descriptor.open(name, [.writeOnly, .create, .noFollow, .nonBlocking])
            try file.writeAll(text)
            if size > text.count { try file.truncate(to: text.count) }
        }
    }
}
