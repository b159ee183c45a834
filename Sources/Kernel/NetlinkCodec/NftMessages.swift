/// Building nf_tables messages, linux/netfilter/nf_tables.h. Their integers are in network byte order.
extension MessageBuilder {
    /// Opens or closes a batch: the kernel makes all of its changes or none (linux/netfilter/nfnetlink.h).
    ///
    /// - Parameter generation: of the ruleset on which the changes are based; `ERESTART` if it has changed since.
    public mutating func beginBatch(generation: UInt32? = nil) {
        batchEdge(NfnlMessageType.batchBegin, generation)
    }

    public mutating func endBatch() { batchEdge(NfnlMessageType.batchEnd, nil) }

    private mutating func batchEdge(_ type: UInt16, _ generation: UInt32?) {
        message(type, flags: MessageFlag.request) { builder in
            builder.netfilterHeader(0, resource: NfnlSubsystem.nftables)
            if let generation { builder.attribute(NfnlAttribute.batchGeneration, bigEndian: generation) }
        }
    }

    /// struct nfgenmsg.
    mutating func netfilterHeader(_ family: UInt8, resource: UInt16 = 0) {
        append(family)
        append(UInt8(0))
        append(resource.bigEndian)
    }

    /// One message to the nf_tables subsystem about something in a table.
    mutating func nft(
        _ type: UInt16, flags: UInt16, _ family: NftFamily, _ body: (inout MessageBuilder) -> Void
    ) {
        message(NfnlSubsystem.nftables << 8 | type, flags: MessageFlag.request | flags) { builder in
            builder.netfilterHeader(family.rawValue)
            body(&builder)
        }
    }

    // Tables.

    /// Makes a table unless it exists.
    public mutating func addTable(_ table: NftTable) {
        nft(NftMessageType.newTable, flags: MessageFlag.create, table.family) { builder in
            builder.attribute(NFTA.tableName, text: table.name)
            builder.attribute(NFTA.tableFlags, bigEndian: UInt32(0))
            if !table.comment.isEmpty {
                builder.attribute(NFTA.tableUserData, NftUserData.comment(table.comment))
            }
        }
    }

    public mutating func getTable(_ table: NftTable) {
        nft(NftMessageType.getTable, flags: 0, table.family) { $0.attribute(NFTA.tableName, text: table.name) }
    }

    // Chains.

    /// Makes a chain unless it exists.
    public mutating func addChain(_ chain: NftChain, to table: NftTable) {
        nft(NftMessageType.newChain, flags: MessageFlag.create, table.family) { builder in
            builder.attribute(NFTA.chainTable, text: table.name)
            builder.attribute(NFTA.chainName, text: chain.name)
            guard let hook = chain.hook else { return }
            builder.nested(NFTA.chainHook) { nested in
                nested.attribute(NFTA.hookNumber, bigEndian: hook.point.rawValue)
                nested.attribute(NFTA.hookPriority, bigEndian: UInt32(bitPattern: hook.priority))
            }
            // NF_ACCEPT, linux/netfilter.h.
            builder.attribute(NFTA.chainPolicy, bigEndian: UInt32(1))
            builder.attribute(NFTA.chainType, text: hook.type)
        }
    }

    /// `EBUSY` while something jumps to it.
    public mutating func deleteChain(_ name: String, of table: NftTable) {
        nft(NftMessageType.deleteChain, flags: 0, table.family) { builder in
            builder.attribute(NFTA.chainTable, text: table.name)
            builder.attribute(NFTA.chainName, text: name)
        }
    }

    /// Asks for one chain; `ENOENT` if the chain or its table does not exist.
    public mutating func getChain(_ name: String, of table: NftTable) {
        nft(NftMessageType.getChain, flags: 0, table.family) { builder in
            builder.attribute(NFTA.chainTable, text: table.name)
            builder.attribute(NFTA.chainName, text: name)
        }
    }

    public mutating func dumpChains(_ family: NftFamily) {
        nft(NftMessageType.getChain, flags: MessageFlag.dump, family) { _ in }
    }

    // Rules.

    /// Appends a rule to a chain, or inserts it at the start.
    public mutating func addRule(
        _ rule: NftRule, to chain: String, of table: NftTable, first: Bool = false
    ) {
        let flags = MessageFlag.create | (first ? 0 : MessageFlag.append)
        nft(NftMessageType.newRule, flags: flags, table.family) { builder in
            builder.attribute(NFTA.ruleTable, text: table.name)
            builder.attribute(NFTA.ruleChain, text: chain)
            builder.nested(NFTA.ruleExpressions) { list in
                for expression in rule.expressions { list.nested(NFTA.listElement) { expression.encode(&$0) } }
            }
            if !rule.comment.isEmpty { builder.attribute(NFTA.ruleUserData, NftUserData.comment(rule.comment)) }
        }
    }

    /// Deletes one rule, or all of the chain.
    public mutating func deleteRule(_ handle: UInt64? = nil, of chain: String, in table: NftTable) {
        nft(NftMessageType.deleteRule, flags: 0, table.family) { builder in
            builder.attribute(NFTA.ruleTable, text: table.name)
            builder.attribute(NFTA.ruleChain, text: chain)
            if let handle { builder.attribute(NFTA.ruleHandle, bigEndian: handle) }
        }
    }

    /// - Parameter chain: nil for all chains.
    public mutating func dumpRules(of chain: String? = nil, in table: NftTable) {
        nft(NftMessageType.getRule, flags: MessageFlag.dump, table.family) { builder in
            builder.attribute(NFTA.ruleTable, text: table.name)
            if let chain { builder.attribute(NFTA.ruleChain, text: chain) }
        }
    }

    // Sets and maps.

    /// Makes a set or map unless it exists.
    ///
    /// - Parameter number: by which rules of the same batch may refer to it; not 0.
    public mutating func addSet(_ set: NftSet, to table: NftTable, number: UInt32) {
        nft(NftMessageType.newSet, flags: MessageFlag.create, table.family) { builder in
            builder.attribute(NFTA.setTable, text: table.name)
            builder.set(set, number: number, size: set.dynamicSize, userData: set.key.userData)
        }
    }

    /// The attributes of a set, without its table and rare options.
    mutating func set(
        _ set: NftSet, number: UInt32, otherFlags: UInt32 = 0, size: UInt32? = nil, userData: [UInt8]
    ) {
        attribute(NFTA.setName, text: set.name)
        attribute(NFTA.setFlags, bigEndian: set.flags | otherFlags)
        attribute(NFTA.setKeyType, bigEndian: set.key.typeNumber)
        attribute(NFTA.setKeyLength, bigEndian: set.key.length)
        switch set.data {
        case .none: break
        case .verdict:
            attribute(NFTA.setDataType, bigEndian: NftConstant.verdictType)
            attribute(NFTA.setDataLength, bigEndian: UInt32(0))
        case .value(let type):
            attribute(NFTA.setDataType, bigEndian: type.typeNumber)
            attribute(NFTA.setDataLength, bigEndian: type.length)
        }
        if size != nil || set.isRangeOfFields {
            nested(NFTA.setDescription) { description in
                if let size { description.attribute(NFTA.setDescriptionSize, bigEndian: size) }
                guard set.isRangeOfFields else { return }
                description.nested(NFTA.setDescriptionConcatenation) { fields in
                    for field in set.key.fields {
                        fields.nested(NFTA.listElement) {
                            $0.attribute(NFTA.setFieldLength, bigEndian: field.length)
                        }
                    }
                }
            }
        }
        attribute(NFTA.setID, bigEndian: number)
        if !userData.isEmpty { attribute(NFTA.setUserData, userData) }
    }

    /// Changes nothing; fails with `ENOENT` if the set does not exist.
    public mutating func requireSet(_ name: String, in table: NftTable) {
        // Adds no elements. Among the messages without effect, this is one after which the kernel has nothing to clean up;
        // closing the socket would wait for that.
        nft(NftMessageType.newElement, flags: MessageFlag.create, table.family) { builder in
            builder.attribute(NFTA.elementsTable, text: table.name)
            builder.attribute(NFTA.elementsSet, text: name)
            builder.nested(NFTA.elementsList) { _ in }
        }
    }

    public mutating func deleteSet(_ name: String, of table: NftTable) {
        nft(NftMessageType.deleteSet, flags: 0, table.family) { builder in
            builder.attribute(NFTA.setTable, text: table.name)
            builder.attribute(NFTA.setName, text: name)
        }
    }

    public mutating func dumpSets(of table: NftTable) {
        nft(NftMessageType.getSet, flags: MessageFlag.dump, table.family) {
            $0.attribute(NFTA.setTable, text: table.name)
        }
    }

    // Elements.

    /// Adds elements; existing ones with the same value stay as they are.
    ///
    /// - Parameter exclusive: fails with `EEXIST` if an element has the same key.
    public mutating func addElements(
        _ elements: ArraySlice<NftElement>, to set: String, of table: NftTable, exclusive: Bool = false
    ) {
        let flags = MessageFlag.create | (exclusive ? MessageFlag.exclusive : 0)
        self.elements(NftMessageType.newElement, flags: flags, elements, set, table, keysOnly: false)
    }

    /// Fails with `ENOENT` if one is missing.
    public mutating func deleteElements(_ elements: ArraySlice<NftElement>, of set: String, in table: NftTable) {
        self.elements(NftMessageType.deleteElement, flags: 0, elements, set, table, keysOnly: true)
    }

    /// Asks for one element by its key; `ENOENT` if it does not exist.
    public mutating func getElement(_ element: NftElement, of set: String, in table: NftTable) {
        elements(NftMessageType.getElement, flags: 0, [element], set, table, keysOnly: true)
    }

    public mutating func dumpElements(of set: String, in table: NftTable) {
        elements(NftMessageType.getElement, flags: MessageFlag.dump, [], set, table, keysOnly: true)
    }

    private mutating func elements(
        _ type: UInt16, flags: UInt16, _ elements: ArraySlice<NftElement>, _ set: String, _ table: NftTable,
        keysOnly: Bool
    ) {
        nft(type, flags: flags, table.family) { builder in
            builder.attribute(NFTA.elementsTable, text: table.name)
            builder.attribute(NFTA.elementsSet, text: set)
            guard !elements.isEmpty else { return }
            builder.nested(NFTA.elementsList) { list in
                for element in elements { list.nested(NFTA.listElement) { element.encode(&$0, keyOnly: keysOnly) } }
            }
        }
    }

    public mutating func getGeneration() {
        nft(NftMessageType.getGeneration, flags: 0, .unspecified) { _ in }
    }
}
