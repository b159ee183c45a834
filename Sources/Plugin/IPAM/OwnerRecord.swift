internal import Attachments

// The owner of a reservation: an attachment, because the store belongs to a network. A reservation's file names it in the
// reference plugin's format; old releases of that plugin wrote only the container's ID.

extension Attachment {
    /// The most that a reservation file may hold, in octets.
    static let maximumRecordSize = 4096

    /// A reservation file's content, as the reference plugin writes it.
    var record: [UInt8] { Array((ifname.isEmpty ? containerID : "\(containerID)\r\n\(ifname)").utf8) }

    /// The owner as old releases wrote it: without the interface.
    var legacy: Attachment { Attachment(containerID: containerID, ifname: "") }

    /// Reads a reservation file's content, ignoring surrounding white space.
    ///
    /// Nil if it cannot name an owner: empty, over `maximumRecordSize`, more than two lines, or not text, such as the zeros that
    /// some file systems leave after a power failure.
    init?(record: [UInt8]) {
        let isSpace = { (octet: UInt8) in octet == 0x20 || (0x09...0x0d).contains(octet) }
        guard record.count <= Attachment.maximumRecordSize, let start = record.firstIndex(where: { !isSpace($0) }),
            let end = record.lastIndex(where: { !isSpace($0) })
        else { return nil }
        let lines = record[start...end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard lines.count <= 2 else { return nil }
        let id = lines[0].last == UInt8(ascii: "\r") ? lines[0].dropLast() : lines[0]
        let interface = lines.count == 2 ? lines[1] : []
        guard !(id + interface).contains(where: { $0 < 0x20 || $0 == 0x7f }),
            let containerID = String(validating: id, as: UTF8.self),
            let ifname = String(validating: interface, as: UTF8.self)
        else { return nil }
        self.init(containerID: containerID, ifname: ifname)
    }

    /// Whether its reservation can be found again: its record reads back as the same owner.
    var isRecordable: Bool { !ifname.isEmpty && Attachment(record: record) == self }

    /// Its name in the index: the 128-bit FNV-1a hash of the record, 32 hexadecimal digits.
    var key: String {
        var hash: UInt128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d
        for octet in record { hash = (hash ^ UInt128(octet)) &* 0x0000_0000_0100_0000_0000_0000_0000_013b }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 32 - digits.utf8.count) + digits
    }
}
