internal import Addresses
internal import Kernel
internal import NetlinkCodec
internal import Posix
internal import ServicePlan

/// What the kernel has of our table.
struct Present {
    /// What is fixed.
    var frame: Frame
    var frontends: [Frontend: Standing] = [:]
    var hairpins: Set<IPAddress> = []
    var clusterIPs: Set<IPAddress> = []
    var serviceRanges: Set<RangeBound> = []
    var pods: Set<RangeBound> = []
    var chains: Set<CountedChain> = []
    /// Those with other rules than they should have.
    var damagedChains: [CountedChain] = []
    /// Chains and elements that nobody wants.
    var strayChains: [String] = []
    var strays: [(set: String, element: NftSetElement)] = []
    /// How many elements and chains lead to a chain.
    var uses: [CountedChain: Int] = [:]

    enum Frame {
        case missing
        /// Of another edition, or somebody has changed it.
        case deviating
        case whole
    }

    /// The first address of a range, or the first one behind it.
    struct RangeBound: Hashable {
        let key: [UInt8]
        let isEnd: Bool

        init(_ element: NftSetElement) {
            key = element.element.key
            isEnd = element.isRangeEnd
        }

        static func of(_ ranges: [CIDR]) -> Set<RangeBound> {
            Set(ranges.flatMap(NftSetElement.range).map(RangeBound.init))
        }
    }

    init(_ frame: Frame) { self.frame = frame }

    /// Counts the chains to which a frontend's elements lead.
    mutating func set(_ standing: Standing?, at frontend: Frontend) {
        for chain in frontends[frontend]?.chains ?? [] { release(chain) }
        for chain in standing?.chains ?? [] { use(chain) }
        frontends[frontend] = standing
    }

    private mutating func use(_ chain: CountedChain) {
        let count = uses[chain, default: 0]
        uses[chain] = count + 1
        if count == 0 { for target in chain.targets { use(target) } }
    }

    private mutating func release(_ chain: CountedChain) {
        let count = uses[chain, default: 1]
        uses[chain] = count == 1 ? nil : count - 1
        if count == 1 { for target in chain.targets { release(target) } }
    }
}

extension Present {
    /// More endpoints than this are asked for one by one: a listing takes the kernel time that grows with the square of their number
    /// (250,000: 5 s), because it looks for each piece from the beginning.
    static let listingLimit = 60_000

    /// Reads all of the table, except for affinities.
    ///
    /// - Parameter isThorough: lists all endpoints, also those that no frontend uses.
    static func read(
        _ socket: inout NetlinkSocket, dropsInvalid: Bool, isThorough: Bool
    ) throws(Failure) -> Present {
        let table = ServiceRuleset.table
        guard let flags = try socket.flags(of: table) else { return Present(.missing) }
        let sets = try socket.sets(of: table)
        let chains = try socket.chains(table.family).filter { $0.table.name == table.name }
        let rules = Dictionary(grouping: try socket.rules(in: table), by: \.chain)
        // NFT_TABLE_F_DORMANT, linux/netfilter/nf_tables.h.
        guard flags & 1 == 0, isFrameWhole(sets, chains, rules, dropsInvalid) else { return Present(.deviating) }
        var present = Present(.whole)
        let fixed = Set(ServiceRuleset.chains(dropsInvalid: dropsInvalid).map(\.chain.name))
        for listed in chains where !fixed.contains(listed.chain.name) {
            guard listed.chain.hook == nil, let chain = CountedChain(listed.chain.name) else {
                present.strayChains.append(listed.chain.name)
                continue
            }
            present.chains.insert(chain)
            if !isSame(rules[chain.name] ?? [], chain.rules) { present.damagedChains.append(chain) }
        }
        for family in IPFamily.allCases { try present.readElements(&socket, family, isThorough) }
        for standing in present.frontends.values {
            for chain in standing.chains { present.use(chain) }
        }
        return present
    }

    private static func isSame(_ listed: [NftListedRule], _ rules: [NftRule]) -> Bool {
        listed.count == rules.count && zip(listed, rules).allSatisfy { $0.isSame(as: $1) }
    }

    private static func isFrameWhole(
        _ sets: [NftListedSet], _ chains: [NftListedChain], _ rules: [String: [NftListedRule]], _ dropsInvalid: Bool
    ) -> Bool {
        guard sets.contains(where: { $0.isSame(as: ServiceRuleset.versionSet) }) else { return false }
        for family in IPFamily.allCases {
            for map in ServiceMap.allCases {
                guard let listed = sets.first(where: { $0.name == map.name(family) }) else { return false }
                // Flags for rules that change it are not compared.
                guard map.options != nil || listed.isSame(as: map.set(family)) else { return false }
            }
        }
        let wanted = ServiceRuleset.chains(dropsInvalid: dropsInvalid)
        // None of another's or another edition's on a hook.
        guard chains.count(where: { $0.chain.hook != nil }) == wanted.count(where: { $0.chain.hook != nil }) else {
            return false
        }
        return wanted.allSatisfy { chain, wantedRules in
            chains.contains { $0.chain == chain && $0.policy != 0 } && isSame(rules[chain.name] ?? [], wantedRules)
        }
    }

    private mutating func readElements(
        _ socket: inout NetlinkSocket, _ family: IPFamily, _ isThorough: Bool
    ) throws(Failure) {
        for (element, frontend) in try readFrontends(&socket, .services, family) {
            frontends[frontend, default: Standing()].verdict = element.verdict
            frontends[frontend]!.comment = element.element.comment
        }
        for (element, frontend) in try readFrontends(&socket, .externals, family) {
            frontends[frontend, default: Standing()].external = element.verdict
        }
        for (element, frontend) in try readFrontends(&socket, .sticky, family) {
            frontends[frontend, default: Standing()].sticky = element.verdict
        }
        for (_, frontend) in try readFrontends(&socket, .limited, family) {
            frontends[frontend, default: Standing()].isLimited = true
        }
        try readEndpoints(&socket, .endpoints, \.endpoints, family, isThorough)
        try readEndpoints(&socket, .ownEndpoints, \.ownEndpoints, family, isThorough)
        try readAllowed(&socket, family)
        for element in try socket.setElements(of: ServiceMap.hairpins.name(family), in: ServiceRuleset.table) {
            let key = element.element.key
            guard let address = IPAddress(bytes: key.prefix(family.byteWidth)), key == address.bytes + address.bytes
            else {
                strays.append((ServiceMap.hairpins.name(family), element))
                continue
            }
            hairpins.insert(address)
        }
        for element in try socket.setElements(of: ServiceMap.clusterIPs.name(family), in: ServiceRuleset.table) {
            if let address = IPAddress(bytes: element.element.key) { clusterIPs.insert(address) }
        }
        let table = ServiceRuleset.table
        serviceRanges.formUnion(
            try socket.setElements(of: ServiceMap.serviceRanges.name(family), in: table).map(RangeBound.init))
        pods.formUnion(try socket.setElements(of: ServiceMap.pods.name(family), in: table).map(RangeBound.init))
    }

    private mutating func readFrontends(
        _ socket: inout NetlinkSocket, _ map: ServiceMap, _ family: IPFamily
    ) throws(Failure) -> [(NftSetElement, Frontend)] {
        let name = map.name(family)
        var known: [(NftSetElement, Frontend)] = []
        for element in try socket.setElements(of: name, in: ServiceRuleset.table) {
            if let frontend = Frontend(element.element.key[...], family) {
                known.append((element, frontend))
            } else {
                strays.append((name, element))
            }
        }
        return known
    }

    private mutating func readEndpoints(
        _ socket: inout NetlinkSocket, _ map: ServiceMap, _ path: WritableKeyPath<Standing, [Target]>,
        _ family: IPFamily,
        _ isThorough: Bool
    ) throws(Failure) {
        let known = frontends.filter { $0.key.address.family == family }.map { ($0.key, $0.value.count(in: map)) }
        if !isThorough, known.reduce(0, { $0 + $1.1 }) > Present.listingLimit {
            return try askFor(known, &socket, map, path, family)
        }
        // While the kernel makes room in a map that has just been filled, a listing may show elements twice, or not all.
        for _ in 0..<5 where try !readNumbered(&socket, map, path, family) {}
    }

    private mutating func askFor(
        _ known: [(frontend: Frontend, count: Int)], _ socket: inout NetlinkSocket, _ map: ServiceMap,
        _ path: WritableKeyPath<Standing, [Target]>, _ family: IPFamily
    ) throws(Failure) {
        let name = map.name(family)
        var rest = known[...]
        while !rest.isEmpty {
            var asked: [(frontend: Frontend, count: Int)] = []
            var keys: [(key: NftElement, set: String, table: NftTable)] = []
            while keys.count < 4096, let next = rest.popFirst() {
                asked.append(next)
                let key = next.frontend.key
                for number in 0..<next.count {
                    keys.append((NftElement(key: key + inHostOrder(UInt32(number))), name, ServiceRuleset.table))
                }
            }
            var answers = try socket.elements(keys)[...]
            for (frontend, count) in asked {
                let own = answers.prefix(count).map { element -> Target? in
                    guard case .value(let data)? = element?.data else { return nil }
                    return Target(data, family)
                }
                answers = answers.dropFirst(count)
                let whole = own.prefix { $0 != nil }.compactMap { $0 }
                frontends[frontend]![keyPath: path] = whole
                for number in whole.count..<max(count, whole.count) where own[number] != nil {
                    frontends[frontend]!.surplus.append(Standing.Surplus(map: map, number: UInt32(number)))
                }
            }
        }
    }

    /// - Returns: whether the numbers have neither gaps nor repetitions.
    private mutating func readNumbered(
        _ socket: inout NetlinkSocket, _ map: ServiceMap, _ path: WritableKeyPath<Standing, [Target]>,
        _ family: IPFamily
    ) throws(Failure) -> Bool {
        let name = map.name(family)
        let length = Frontend.keyLength(family)
        strays.removeAll { $0.set == name }
        var numbered: [Frontend: [(number: UInt32, target: Target)]] = [:]
        for element in try socket.elements(of: name, in: ServiceRuleset.table) {
            guard case .value(let data)? = element.data, let target = Target(data, family),
                let frontend = Frontend(element.key.prefix(length), family), element.key.count == length + 4
            else {
                strays.append((name, NftSetElement(element)))
                continue
            }
            let number = element.key[length...].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            numbered[frontend, default: []].append((UInt32(littleEndian: number), target))
        }
        var isConsistent = true
        for (frontend, list) in numbered {
            var targets: [Target] = []
            var surplus: [Standing.Surplus] = []
            targets.reserveCapacity(list.count)
            for (number, target) in list.sorted(by: { $0.number < $1.number }) {
                if number == targets.count {
                    targets.append(target)
                } else {
                    isConsistent = false
                    if number > targets.count, surplus.last?.number != number {
                        surplus.append(Standing.Surplus(map: map, number: number))
                    }
                }
            }
            frontends[frontend, default: Standing()][keyPath: path] = targets
            frontends[frontend]!.surplus.removeAll { $0.map == map }
            frontends[frontend]!.surplus += surplus
        }
        return isConsistent
    }

    private mutating func readAllowed(_ socket: inout NetlinkSocket, _ family: IPFamily) throws(Failure) {
        let name = ServiceMap.allowed.name(family)
        let length = Frontend.keyLength(family)
        for element in try socket.setElements(of: name, in: ServiceRuleset.table) {
            guard let frontend = Frontend(element.element.key.prefix(length), family),
                let last = element.element.keyEnd,
                let range = CIDR(from: element.element.key[length...], to: last[length...])
            else {
                strays.append((name, element))
                continue
            }
            frontends[frontend, default: Standing()].allowed.insert(range)
        }
    }
}

extension NftSetElement {
    fileprivate var verdict: NftVerdict? {
        guard case .verdict(let verdict)? = element.data else { return nil }
        return verdict
    }
}

extension CIDR {
    /// Nil if these are not the bounds of a subnet.
    fileprivate init?(from first: ArraySlice<UInt8>, to last: ArraySlice<UInt8>) {
        guard let low = IPAddress(bytes: first), let high = IPAddress(bytes: last), low.family == high.family else {
            return nil
        }
        let hostBits = 128 - (low.value ^ high.value).leadingZeroBitCount
        self.init(low, low.family.bitWidth - hostBits)
        guard self.first == low, self.last == high else { return nil }
    }
}
