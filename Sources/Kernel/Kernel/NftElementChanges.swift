public import NetlinkCodec
public import Posix

extension Changes {
    /// Adds any number of elements, in as many messages as needed.
    ///
    /// - Parameters:
    ///   - attempt: describes each of the messages in errors.
    ///   - exclusive: fails with `EEXIST` if an element has the same key.
    public mutating func addElements(
        _ attempt: String, _ elements: [NftSetElement], to set: String, of table: NftTable, exclusive: Bool = false
    ) {
        var rest = elements[...]
        while !rest.isEmpty {
            append(attempt) { rest = $0.addElements(rest, to: set, of: table, exclusive: exclusive) }
        }
    }

    /// Deletes any number of elements; fails with `ENOENT` if one is missing.
    public mutating func deleteElements(
        _ attempt: String, _ elements: [NftSetElement], of set: String, in table: NftTable
    ) {
        var rest = elements[...]
        while !rest.isEmpty { append(attempt) { rest = $0.deleteElements(rest, of: set, in: table) } }
    }
}

extension NetlinkSocket {
    /// The elements of a set or map, with their times and counters; empty if the set does not exist.
    public mutating func setElements(of set: String, in table: NftTable) throws(Failure) -> [NftSetElement] {
        try emptyIfMissing { () throws(Failure) in
            try dump("list the elements of \(set) in table \(table)", NftSetElement.list) {
                $0.dumpElements(of: set, in: table)
            }.flatMap { $0 }
        }
    }

    /// The named counters of a table; empty if the table does not exist.
    public mutating func counters(of table: NftTable) throws(Failure) -> [NftNamedCounter] {
        try emptyIfMissing { () throws(Failure) in
            try dump("list the counters of table \(table)", NftNamedCounter.init) { $0.dumpCounters(of: table) }
        }
    }

    /// A named counter; nil if it does not exist.
    ///
    /// - Parameter resets: whether to set it to zero.
    public mutating func counter(
        _ name: String, of table: NftTable, resets: Bool = false
    ) throws(Failure) -> NftNamedCounter? {
        do throws(Failure) {
            let message = try request("look up counter \(name) of table \(table)") {
                $0.getCounter(name, of: table, resets: resets)
            }
            guard let counter = NftNamedCounter(message) else {
                throw Failure("look up counter \(name) of table \(table)", .badMessage)
            }
            return counter
        } catch {
            guard error.errno == .noSuchFile else { throw error }
            return nil
        }
    }
}
