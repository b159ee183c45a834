/// Cuts an object's JSON text down to the fields that are used.
///
/// Decoding a whole Node takes longer than everything else together, and nearly every change of a Node (the kubelet's
/// heartbeats, its images) concerns none of the used fields: equal cut texts need not be decoded.
struct FieldFilter: Sendable {
    /// What is left of an object.
    struct Cut: Sendable {
        /// JSON with only the wanted fields.
        var text: [UInt8] = []
        var name: String?
        var namespace: String?
        var version: String?
    }

    private struct Branch: Sendable {
        let key: [UInt8]
        var children: [Branch] = []
        /// The value is copied as it is.
        var isWanted = false
        var part: Part?
    }

    /// Metadata that is told apart.
    private enum Part { case name, namespace, version }

    private var branches: [Branch] = []

    /// - Parameter fields: such as `spec.podCIDRs`; elements of arrays are not named: `status.addresses.type`.
    init(_ fields: [String]) {
        for field in fields + ["metadata.name", "metadata.namespace"] {
            Self.add(Self.path(field), to: &branches) { $0.isWanted = true }
        }
        Self.add(Self.path("metadata.name"), to: &branches) { $0.part = .name }
        Self.add(Self.path("metadata.namespace"), to: &branches) { $0.part = .namespace }
        Self.add(Self.path("metadata.resourceVersion"), to: &branches) { $0.part = .version }
    }

    private static func path(_ field: String) -> ArraySlice<[UInt8]> {
        field.split(separator: ".").map { Array($0.utf8) }[...]
    }

    private static func add(
        _ path: ArraySlice<[UInt8]>, to branches: inout [Branch], _ mark: (inout Branch) -> Void
    ) {
        guard let key = path.first else { return }
        let known = branches.firstIndex { $0.key == key }
        let index = known ?? branches.endIndex
        if known == nil { branches.append(Branch(key: key)) }
        if path.count == 1 {
            mark(&branches[index])
        } else {
            add(path.dropFirst(), to: &branches[index].children, mark)
        }
    }

    /// - Parameters:
    ///   - position: of the object's first octet; is moved behind the last one.
    ///   - cut: gets the result; its text's storage is used again.
    func cut(_ json: Span<UInt8>, _ position: inout Int, into cut: inout Cut) throws(BrokenJSON) {
        cut.text.removeAll(keepingCapacity: true)
        (cut.name, cut.namespace, cut.version) = (nil, nil, nil)
        guard position < json.count, json[position] == UInt8(ascii: "{") else { throw BrokenJSON(position) }
        try copy(json, &position, branches, depth: 0, into: &cut)
    }

    /// Nothing of interest is deeper; the stack is not the sender's to exhaust.
    private static let deepest = 16

    /// Copies an object, an array's elements, or any other value as it is.
    private func copy(
        _ json: Span<UInt8>, _ position: inout Int, _ branches: [Branch], depth: Int, into cut: inout Cut
    ) throws(BrokenJSON) {
        guard position < json.count, depth < Self.deepest else { throw BrokenJSON(position) }
        let open = json[position]
        guard open == UInt8(ascii: "{") || open == UInt8(ascii: "[") else {
            return try copyWhole(json, &position, into: &cut)
        }
        cut.text.append(open)
        var isFirst = true
        try json.eachPart(&position) { (key, position) throws(BrokenJSON) in
            guard let key else {
                if !isFirst { cut.text.append(UInt8(ascii: ",")) }
                isFirst = false
                return try copy(json, &position, branches, depth: depth + 1, into: &cut)
            }
            guard let index = branches.firstIndex(where: { json.has($0.key, at: key) }) else {
                return try json.skipValue(&position)
            }
            let branch = branches[index]
            let start = position
            if branch.isWanted || !branch.children.isEmpty {
                if !isFirst { cut.text.append(UInt8(ascii: ",")) }
                isFirst = false
                cut.text.append(UInt8(ascii: "\""))
                cut.text += branch.key
                cut.text.append(UInt8(ascii: "\""))
                cut.text.append(UInt8(ascii: ":"))
            }
            if branch.isWanted {
                try copyWhole(json, &position, into: &cut)
            } else if branch.children.isEmpty {
                try json.skipValue(&position)
            } else {
                try copy(json, &position, branch.children, depth: depth + 1, into: &cut)
            }
            guard let part = branch.part, json[start] == UInt8(ascii: "\"") else { return }
            let text = json.plainText(start + 1..<position - 1)
            switch part {
            case .name: cut.name = text
            case .namespace: cut.namespace = text
            case .version: cut.version = text
            }
        }
        cut.text.append(open == UInt8(ascii: "{") ? UInt8(ascii: "}") : UInt8(ascii: "]"))
    }

    private func copyWhole(_ json: Span<UInt8>, _ position: inout Int, into cut: inout Cut) throws(BrokenJSON) {
        let start = position
        try json.skipValue(&position)
        for octet in start..<position { cut.text.append(json[octet]) }
    }
}
