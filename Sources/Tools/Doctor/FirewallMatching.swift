internal import Addresses
internal import JSON

/// Decides matches of nft's JSON (libnftables-json(5)); nil where that cannot be known.
struct Matching {
    let packet: Firewall.Packet
    let sets: [String: JSON]
    /// Family and table, in which the names of sets count.
    let place: String

    func holds(_ match: JSON) -> Bool? {
        guard let left = match["left"], let right = match["right"], let isEqual = equality(match["op"]?.text) else {
            return nil
        }
        // What a packet does not have is neither equal nor unequal.
        guard !isAbsent(left) else { return false }
        return isOne(left, of: right).map { $0 == isEqual }
    }

    /// The verdict of a verdict map for the packet.
    ///
    /// - Returns: nil for none; with false where it cannot be known, or not whether it is that one.
    func look(up map: JSON) -> (verdict: JSON?, isKnown: Bool) {
        guard let key = map["key"], let data = map["data"], let elements = elements(data) else { return (nil, false) }
        guard !isAbsent(key) else { return (nil, true) }
        var isKnown = true
        for element in elements {
            guard case .array(let pair) = element, pair.count == 2 else { return (nil, false) }
            switch isOne(key, of: pair[0]["elem"]?["val"] ?? pair[0]) {
            case true?: return (isKnown || pair[1]["drop"] == nil ? pair[1] : nil, isKnown)
            // Only what would let it pass is of interest.
            case nil where pair[1]["drop"] == nil: isKnown = false
            case nil, false?: break
            }
        }
        return (nil, isKnown)
    }

    /// Whether the packet's value is one of those.
    private func isOne(_ left: JSON, of right: JSON) -> Bool? {
        if case .array(let parts)? = left["concat"], case .array(let values)? = right["concat"],
            parts.count == values.count
        {
            let results = zip(parts, values).map { isAbsent($0) ? false : isOne($0, of: $1) }
            return results.contains(false) ? false : results.contains(nil) ? nil : true
        }
        if let payload = left["payload"] { return field(payload, right) }
        if let key = left["meta"]?["key"]?.text { return meta(key, right) }
        switch left["ct"]?["key"]?.text {
        case "state": return anyOf(right) { $0.text.map { $0 == packet.state } }
        case "direction":
            let direction = packet.state == "new" ? "original" : "reply"
            return anyOf(right) { $0.text.map { $0 == direction } }
        case "status": return anyOf(right) { $0.text.flatMap(hasStatus) }
        default: return nil
        }
    }

    /// Connections of a pod's own are translated after the forward hook, and to where they were going.
    private func hasStatus(_ bit: String) -> Bool? {
        switch bit {
        case "dnat", "expected", "dying": false
        case "seen-reply", "assured", "confirmed": packet.state != "new"
        default: nil
        }
    }

    /// Whether it is a field of a header that the packet has not.
    private func isAbsent(_ left: JSON) -> Bool {
        switch left["payload"]?["protocol"]?.text {
        case "ip": packet.family == .v6
        case "ip6": packet.family == .v4
        case "icmp", "icmpv6", "igmp", "udp", "udplite", "sctp", "dccp", "ah", "esp", "comp", "arp": true
        default: false
        }
    }

    private func field(_ payload: JSON, _ right: JSON) -> Bool? {
        switch (payload["protocol"]?.text, payload["field"]?.text) {
        case ("ip", "saddr"), ("ip6", "saddr"): isIn(packet.source, right)
        case ("ip", "daddr"), ("ip6", "daddr"): isIn(packet.destination, right)
        case ("ip", "protocol"), ("ip6", "nexthdr"): anyOf(right, isTCP)
        case ("tcp", "dport"), ("tcp", "sport"), ("th", "dport"), ("th", "sport"): anyOf(right, isAnyPort)
        default: nil
        }
    }

    private func isTCP(_ value: JSON) -> Bool? {
        value.text.map { $0 == "tcp" } ?? value.integer.map { $0 == 6 }
    }

    /// A port that nobody has chosen is none that is named; it may be in a range of many.
    private func isAnyPort(_ value: JSON) -> Bool? {
        guard case .array(let ends)? = value["range"] else { return false }
        guard ends.count == 2, let first = ends[0].integer, let last = ends[1].integer else { return nil }
        return last - first < 1 << 13 ? false : nil
    }

    private func equality(_ operation: String?) -> Bool? {
        switch operation {
        case "==", "in": true
        case "!=": false
        default: nil
        }
    }

    private func meta(_ key: String, _ right: JSON) -> Bool? {
        switch key {
        case "iifname", "iif": packet.input.flatMap { name in anyOf(right) { $0.text.map { matches(name, $0) } } }
        case "oifname", "oif": packet.output.flatMap { name in anyOf(right) { $0.text.map { matches(name, $0) } } }
        case "nfproto": anyOf(right) { $0.text.map { $0 == "ip\(packet.family)" } }
        case "l4proto": anyOf(right, isTCP)
        case "protocol": anyOf(right) { $0.text.map { $0 == (packet.family == .v4 ? "ip" : "ip6") } }
        default: nil
        }
    }

    private func matches(_ name: String, _ pattern: String) -> Bool {
        pattern.hasSuffix("*") ? name.hasPrefix(pattern.dropLast()) : name == pattern
    }

    private func isIn(_ address: IPAddress, _ right: JSON) -> Bool? {
        anyOf(right) { value in
            if let text = value.text { return IPAddress(text).map { $0 == address } }
            if let prefix = value["prefix"], let first = prefix["addr"]?.text.flatMap({ IPAddress($0) }),
                let length = prefix["len"]?.integer, (0...Int64(first.family.bitWidth)).contains(length)
            {
                return CIDR(first, Int(length)).contains(address)
            }
            if case .array(let ends)? = value["range"], ends.count == 2,
                let first = ends[0].text.flatMap({ IPAddress($0) }), let last = ends[1].text.flatMap({ IPAddress($0) }),
                first.family == last.family, first <= last
            {
                return AddressRange(first, last).contains(address)
            }
            return nil
        }
    }

    /// Whether one of the values matches; nil if none does for sure, and of one it is not known.
    private func anyOf(_ right: JSON, _ test: (JSON) -> Bool?) -> Bool? {
        guard let values = elements(right) else { return nil }
        var isUnsure = false
        for value in values {
            switch test(value["elem"]?["val"] ?? value) {
            case true?: return true
            case nil: isUnsure = true
            case false?: break
            }
        }
        return isUnsure ? nil : false
    }

    /// What there is in a set or map, by its name or as it stands; nil for one that is not known.
    private func elements(_ right: JSON) -> [JSON]? {
        var value = right
        if let name = right.text, name.hasPrefix("@") {
            guard let set = sets["\(place) \(name)"] else { return nil }
            value = set
        }
        if let inner = value["set"] { value = inner }
        guard case .array(let elements) = value else { return [value] }
        return elements
    }
}
