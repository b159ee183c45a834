public import NetlinkCodec
public import Posix

extension NetlinkSocket {
    /// The current generation of the ruleset.
    public mutating func generation() throws(Failure) -> NftGeneration {
        let message = try request("ask for the generation of the ruleset") { $0.getGeneration() }
        guard let generation = NftGeneration(message) else {
            throw Failure("ask for the generation of the ruleset", .badMessage)
        }
        return generation
    }

    /// NFT_TABLE_F_ of a table, linux/netfilter/nf_tables.h; nil if the table does not exist.
    public mutating func flags(of table: NftTable) throws(Failure) -> UInt32? {
        do throws(Failure) {
            return NftTable.flags(try request("look up table \(table)") { $0.getTable(table) })
        } catch {
            guard error.errno == .noSuchFile else { throw error }
            return nil
        }
    }

    /// All chains of one family, including those of other programs.
    public mutating func chains(_ family: NftFamily) throws(Failure) -> [NftListedChain] {
        try dump("list chains", NftListedChain.init) { $0.dumpChains(family) }
    }

    /// Which of these chains exist, in one set of queries.
    public mutating func present(
        _ chains: [(name: String, table: NftTable)]
    ) throws(Failure) -> [(name: String, table: NftTable)] {
        let answers = try requests(chains.count, "look up chains") { builder, position in
            builder.getChain(chains[position].name, of: chains[position].table)
        }
        return zip(chains, answers).filter { $0.1 != nil }.map { $0.0 }
    }

    /// The rules of a chain, or of all chains; empty if the chain does not exist.
    public mutating func rules(of chain: String? = nil, in table: NftTable) throws(Failure) -> [NftListedRule] {
        try emptyIfMissing { () throws(Failure) in
            try dump("list the rules of table \(table)", NftListedRule.init) { $0.dumpRules(of: chain, in: table) }
        }
    }

    /// The sets and maps of a table; empty if the table does not exist.
    public mutating func sets(of table: NftTable) throws(Failure) -> [NftListedSet] {
        try emptyIfMissing { () throws(Failure) in
            try dump("list the sets of table \(table)", NftListedSet.init) { $0.dumpSets(of: table) }
        }
    }

    /// The elements of a set or map; empty if the set does not exist.
    public mutating func elements(of set: String, in table: NftTable) throws(Failure) -> [NftElement] {
        try emptyIfMissing { () throws(Failure) in
            try dump("list the elements of \(set) in table \(table)", NftElement.list) {
                $0.dumpElements(of: set, in: table)
            }.flatMap { $0 }
        }
    }

    /// The elements of any set or map, with everything that the kernel reports; empty if the set does not exist.
    public mutating func listedElements(of set: String, in table: NftTable) throws(Failure) -> [NftListedElement] {
        try emptyIfMissing { () throws(Failure) in
            try dump("list the elements of \(set) in table \(table)", NftListedElement.list) {
                $0.dumpElements(of: set, in: table)
            }.flatMap { $0 }
        }
    }

    /// The elements of these keys, in one set of queries; nil for those that do not exist.
    public mutating func elements(
        _ keys: [(key: NftElement, set: String, table: NftTable)]
    ) throws(Failure) -> [NftElement?] {
        try requests(keys.count, "look up elements of sets") { builder, position in
            let (key, set, table) = keys[position]
            builder.getElement(key, of: set, in: table)
        }.map { $0.flatMap { NftElement.list($0).first } }
    }
}

func emptyIfMissing<Element>(_ body: () throws(Failure) -> [Element]) throws(Failure) -> [Element] {
    do throws(Failure) { return try body() } catch {
        guard error.errno == .noSuchFile else { throw error }
        return []
    }
}
