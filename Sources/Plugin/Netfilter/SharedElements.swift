internal import Addresses
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// Elements of networks. Those of different networks may overlap, which the kernel does not accept.
extension NodeRules {
    /// Brings the elements of networks in line with what all records together ask for. No record can appear or
    /// disappear meanwhile.
    ///
    /// The elements of a network stay if it has no record, or one that cannot be read.
    /// - Parameters:
    ///   - leaving: an owner whose record no longer counts. The record must be removed before the lock is released.
    ///   - ending: a network without any attachment left.
    mutating func rebuildShared(
        _ lock: borrowing RecordDirectory.NodeLock, except leaving: RulesOwner? = nil, ending: String? = nil
    ) throws(Failure) {
        try lock.becomeSole()
        var seen: [OwnedElement] = []
        var known = Set([leaving?.network, ending].compactMap { $0 })
        var unknown: Set<String> = []
        for owner in try records.owners() where owner != leaving {
            guard let rules = try records.record(of: owner)?.rules else {
                unknown.insert(owner.network)
                continue
            }
            known.insert(owner.network)
            for element in rules.sharedElements(of: owner.network)
            where !seen.contains(where: { $0.isSamePlace(as: element) }) { seen.append(element) }
        }
        known.subtract(unknown)
        for attempt in 1...NodeRules.attempts {
            // Other programs do not take the lock and may change the ruleset meanwhile.
            let generation = try socket.generation()
            var listed: [OwnedElement] = []
            for (table, set) in SharedElements.sets { listed += try list(set, in: table) }
            let kept = listed.filter { !known.contains($0.owner) }
            var wanted = Array(SharedElements.disjoint(kept + seen).dropFirst(kept.count))
            var obsolete: [OwnedElement] = []
            for element in listed where !kept.contains(element) {
                if let position = wanted.firstIndex(of: element) {
                    wanted.remove(at: position)
                } else {
                    obsolete.append(element)
                }
            }
            guard !wanted.isEmpty || !obsolete.isEmpty else { return }
            var changes = Changes.batch(generation: generation)
            changes.delete(obsolete)
            changes.add(wanted)
            do throws(Failure) { return try socket.execute(changes) } catch {
                switch error.errno {
                case .restart where attempt < NodeRules.attempts: continue
                case .noSuchFile where attempt < NodeRules.attempts:
                    for table in OwnTable.allCases where wanted.contains(where: { $0.table == table }) {
                        try install(table)
                    }
                default: throw error
                }
            }
        }
    }
}

enum SharedElements {
    static let sets: [(OwnTable, String)] =
        [MainTable.SetName.siblings, .masqueraded, .unmasqueraded].flatMap { set in
            IPFamily.allCases.map { (.main, set.of($0)) }
        } + [(.isolation, IsolationTable.sameBridge), (.isolation, IsolationTable.bridges)]

    /// The same pairs of subnets without overlaps: an element of one network also covers what other networks ask for.
    static func disjoint(_ elements: [OwnedElement]) -> [OwnedElement] {
        var result: [OwnedElement] = []
        for element in elements {
            var pieces = [element]
            for other in result where other.table == element.table && other.set == element.set {
                pieces = pieces.flatMap { $0.without(other) }
            }
            result += pieces
        }
        return result
    }
}

extension OwnedElement {
    func isSamePlace(as other: OwnedElement) -> Bool {
        set == other.set && element.key == other.element.key && element.keyEnd == other.element.keyEnd
    }

    /// The parts of this element outside the other, as pairs of ranges; the element itself if they do not overlap.
    func without(_ other: OwnedElement) -> [OwnedElement] {
        guard let end = element.keyEnd, let otherEnd = other.element.keyEnd else {
            return element.key == other.element.key ? [] : [self]
        }
        let half = element.key.count / 2
        guard let source = Span(element.key.prefix(half), end.prefix(half)),
            let destination = Span(element.key.suffix(half), end.suffix(half)),
            let otherSource = Span(other.element.key.prefix(half), otherEnd.prefix(half)),
            let otherDestination = Span(other.element.key.suffix(half), otherEnd.suffix(half)),
            source.overlaps(otherSource), destination.overlaps(otherDestination)
        else { return [self] }
        // First the sources outside the other with all destinations, then the common sources with the destinations left over.
        let beside = source.without(otherSource).map { ($0, destination) }
        let common = Span(max(source.first, otherSource.first), min(source.last, otherSource.last))
        let under = destination.without(otherDestination).map { (common, $0) }
        return (beside + under).map { source, destination in
            var piece = self
            piece.element.key = source.first.bytes + destination.first.bytes
            piece.element.keyEnd = source.last.bytes + destination.last.bytes
            return piece
        }
    }
}

/// A range of addresses.
private struct Span {
    let first: IPAddress
    let last: IPAddress

    init(_ first: IPAddress, _ last: IPAddress) {
        self.first = first
        self.last = last
    }

    init?(_ first: ArraySlice<UInt8>, _ last: ArraySlice<UInt8>) {
        guard let first = IPAddress(bytes: first), let last = IPAddress(bytes: last) else { return nil }
        self.init(first, last)
    }

    func overlaps(_ other: Span) -> Bool { first <= other.last && other.first <= last }

    /// What is left on both sides of an overlapping range.
    func without(_ other: Span) -> [Span] {
        var rest: [Span] = []
        if first < other.first { rest.append(Span(first, IPAddress(first.family, other.first.value - 1))) }
        if last > other.last { rest.append(Span(IPAddress(first.family, other.last.value + 1), last)) }
        return rest
    }
}
