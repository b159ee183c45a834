internal import Addresses
internal import NetlinkCodec
internal import ServicePlan

/// What the kernel has for a frontend.
struct Standing: Hashable {
    /// Nil if it is not among the services.
    var verdict: NftVerdict?
    /// The owner, on every element.
    var comment = ""
    /// By their numbers in the map.
    var endpoints: [Target] = []
    var ownEndpoints: [Target] = []
    /// Elements behind a gap in the numbers, which nobody chooses.
    var surplus: [Surplus] = []
    var external: NftVerdict?
    var sticky: NftVerdict?
    var isLimited = false
    var allowed: Set<CIDR> = []

    struct Surplus: Hashable {
        let map: ServiceMap
        let number: UInt32
    }

    init() {}

    /// What it should have.
    ///
    /// - Parameter present: endpoints keep their numbers, so that a change of one is a change of one element.
    init(_ frontend: Frontend, _ entry: FrontendEntry, over present: Standing?) {
        let family = frontend.address.family
        comment = entry.service.description
        let isSticky = entry.affinity != nil
        switch entry.answer {
        case .reject: verdict = ServiceRuleset.reject
        case .drop: verdict = .drop
        case .targets(let targets):
            verdict = .goto(CountedChain(isSticky ? .sticky : .pick, family, targets.count).name)
            endpoints = Standing.numbered(targets, over: present?.endpoints ?? [])
        case .split(let all, let own):
            verdict = .goto(CountedChain(isSticky ? .stickySplit : .split, family, all.count, own.count).name)
            endpoints = Standing.numbered(all, over: present?.endpoints ?? [])
            ownEndpoints = Standing.numbered(own, over: present?.ownEndpoints ?? [])
        }
        switch entry.masquerade {
        case .foreign: external = nil
        case .everybody: external = ServiceRuleset.masquerade
        case .node: external = ServiceRuleset.masqueradeNode
        }
        sticky = entry.affinity.map { .jump(CountedChain(.remember, family, Int($0)).name) }
        if let sources = entry.sources {
            isLimited = true
            allowed = Set(sources)
        }
    }

    /// Puts new ones where old ones were, and the last ones where nothing would be left.
    private static func numbered(_ wanted: [Target], over present: [Target]) -> [Target] {
        if present.isEmpty || present == wanted { return wanted }
        var missing = Set(wanted)
        var numbered: [Target?] = present.map { missing.remove($0) }
        var rest = missing.sorted()
        for position in numbered.indices where numbered[position] == nil && !rest.isEmpty {
            numbered[position] = rest.removeLast()
        }
        numbered += rest
        var position = 0
        while position < numbered.count {
            if numbered[position] == nil {
                let last = numbered.removeLast()
                if position < numbered.count { numbered[position] = last }
                // The last one may be missing too.
                continue
            }
            position += 1
        }
        return numbered.compactMap { $0 }
    }

    /// How many endpoints its chains choose from.
    func count(in map: ServiceMap) -> Int {
        guard let chain = verdict?.target.flatMap(CountedChain.init) else { return 0 }
        switch chain.kind {
        case .pick, .sticky: return map == .endpoints ? chain.numbers[0] : 0
        case .split, .stickySplit: return chain.numbers[map == .endpoints ? 0 : 1]
        case .own, .stickyOwn, .remember: return 0
        }
    }

    /// The counted chains to which its elements lead.
    var chains: [CountedChain] { [verdict, sticky].compactMap { $0?.target.flatMap(CountedChain.init) } }
}

extension NftVerdict {
    /// The chain that it leads to.
    var target: String? {
        switch self {
        case .jump(let name), .goto(let name): name
        case .accept, .drop, .return: nil
        }
    }
}
