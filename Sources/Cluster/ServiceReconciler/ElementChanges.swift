internal import Addresses
internal import NetlinkCodec
internal import ServicePlan

/// Elements that go and elements that come, by the name of their set. Those that go, go first: an element cannot change its data.
struct ElementChanges {
    private(set) var deleted: [String: [NftSetElement]] = [:]
    private(set) var added: [String: [NftSetElement]] = [:]
    /// Sets that are emptied before anything is added.
    private(set) var emptied: [String] = []
    private(set) var count = 0

    mutating func delete(_ element: NftSetElement, of set: String) {
        deleted[set, default: []].append(element)
        count += 1
    }

    mutating func add(_ elements: [NftSetElement], to set: String) {
        added[set, default: []] += elements
        count += elements.count
    }

    mutating func empty(_ set: String) {
        emptied.append(set)
        count += 1
    }

    /// From what the kernel has for a frontend to what it should have.
    mutating func change(_ frontend: Frontend, from old: Standing, to new: Standing) {
        guard old != new else { return }
        let family = frontend.address.family
        let key = frontend.key
        // The comment is on all elements.
        let isRenamed = old.comment != new.comment
        func verdict(_ map: ServiceMap, _ path: KeyPath<Standing, NftVerdict?>, _ changes: inout ElementChanges) {
            guard old[keyPath: path] != new[keyPath: path] || isRenamed else { return }
            if old[keyPath: path] != nil {
                changes.delete(NftSetElement(key, comment: ""), of: map.name(family))
            }
            if let verdict = new[keyPath: path] {
                changes.add([NftSetElement(key, .verdict(verdict), comment: new.comment)], to: map.name(family))
            }
        }
        func endpoints(
            _ map: ServiceMap, _ old: [Target], _ new: [Target], _ comment: String, _ changes: inout ElementChanges
        ) {
            var (gone, come): ([NftSetElement], [NftSetElement]) = ([], [])
            for number in 0..<max(old.count, new.count) {
                let before = number < old.count ? old[number] : nil
                let after = number < new.count ? new[number] : nil
                guard before != after || isRenamed else { continue }
                let numbered = key + inHostOrder(UInt32(number))
                if before != nil { gone.append(NftSetElement(numbered, comment: "")) }
                if let after { come.append(NftSetElement(numbered, .value(after.data), comment: comment)) }
            }
            for element in gone { changes.delete(element, of: map.name(family)) }
            if !come.isEmpty { changes.add(come, to: map.name(family)) }
        }
        for surplus in old.surplus {
            delete(
                NftSetElement(key + inHostOrder(surplus.number), comment: ""), of: surplus.map.name(family))
        }
        verdict(.services, \.verdict, &self)
        verdict(.externals, \.external, &self)
        verdict(.sticky, \.sticky, &self)
        endpoints(.endpoints, old.endpoints, new.endpoints, new.comment, &self)
        endpoints(.ownEndpoints, old.ownEndpoints, new.ownEndpoints, new.comment, &self)
        if old.isLimited != new.isLimited || isRenamed {
            let name = ServiceMap.limited.name(family)
            if old.isLimited { delete(NftSetElement(key, comment: ""), of: name) }
            if new.isLimited { add([NftSetElement(key, comment: new.comment)], to: name) }
        }
        let name = ServiceMap.allowed.name(family)
        for range in old.allowed where isRenamed || !new.allowed.contains(range) {
            delete(.source(range, at: key, comment: ""), of: name)
        }
        let come = new.allowed.filter { isRenamed || !old.allowed.contains($0) }
        if !come.isEmpty { add(come.map { .source($0, at: key, comment: new.comment) }, to: name) }
    }
}

extension NftSetElement {
    /// A range of clients at a frontend.
    fileprivate static func source(_ range: CIDR, at key: [UInt8], comment: String) -> NftSetElement {
        NftSetElement(
            NftElement(key: key + range.first.bytes, keyEnd: key + range.last.bytes, comment: comment))
    }
}
