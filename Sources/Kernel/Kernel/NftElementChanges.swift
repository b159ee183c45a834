public import NetlinkCodec
public import Posix

extension Changes {
    /// Adds elements, however many, in as many messages as they take.
    ///
    /// - Parameters:
    ///   - attempt: what it is called when it fails, for each of the messages.
    ///   - exclusive: fails with `EEXIST` where there is one of the same key.
    public mutating func addElements(
        _ attempt: String, _ elements: [NftSetElement], to set: String, of table: NftTable, exclusive: Bool = false
    ) {
        var rest = elements[...]
        while !rest.isEmpty {
            append(attempt) { rest = $0.addElements(rest, to: set, of: table, exclusive: exclusive) }
        }
    }

    /// Deletes elements, however many; fails with `ENOENT` where one is missing.
    public mutating func deleteElements(
        _ attempt: String, _ elements: [NftSetElement], of set: String, in table: NftTable
    ) {
        var rest = elements[...]
        while !rest.isEmpty { append(attempt) { rest = $0.deleteElements(rest, of: set, in: table) } }
    }
}

extension NetlinkSocket {
    /// The elements of a set or map, with their times and counters; empty where there is no such set.
    public mutating func setElements(of set: String, in table: NftTable) throws(Failure) -> [NftSetElement] {
        try emptyIfMissing { () throws(Failure) in
            try dump("list the elements of \(set) in table \(table)", NftSetElement.list) {
                $0.dumpElements(of: set, in: table)
            }.flatMap { $0 }
        }
    }

    /// The named counters of a table; empty where there is no such table.
    public mutating func counters(of table: NftTable) throws(Failure) -> [NftNamedCounter] {
        try emptyIfMissing { () throws(Failure) in
            try dump("list the counters of table \(table)", NftNamedCounter.init) { $0.dumpCounters(of: table) }
        }
    }

    /// A named counter; nil where there is none.
    ///
    /// - Parameter resets: whether it begins at zero again.
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
