/// The names of rtnetlink's messages and attributes, linux/rtnetlink.h and the headers of each kind.
enum RouteText {
    static func kind(_ type: UInt16) -> MessageText.Kind? {
        guard type >= RouteMessageType.newLink else { return nil }
        // Four numbers per object: NEW, DEL, GET, SET.
        let (verb, prefix): (MessageText.Verb, String) =
            switch type % 4 {
            case 1: (.delete, "DEL")
            case 2: (.get, "GET")
            case 3: (.new, "SET")
            default: (.new, "NEW")
            }
        guard let object = object(type & ~3) else { return nil }
        return MessageText.Kind(
            name: "RTM_\(prefix)\(object.name)", verb: verb, header: object.header, attributes: object.attributes)
    }

    private static func object(
        _ type: UInt16
    ) -> (name: String, header: [(name: String, size: Int)], attributes: [AttributeName])? {
        switch type {
        case RouteMessageType.newLink: ("LINK", linkHeader, link)
        case RouteMessageType.newAddress:
            ("ADDR", [("family", 1), ("prefixlen", 1), ("flags", 1), ("scope", 1), ("index", 4)], address)
        case RouteMessageType.newRoute:
            (
                "ROUTE",
                [
                    ("family", 1), ("dst_len", 1), ("src_len", 1), ("tos", 1), ("table", 1), ("protocol", 1),
                    ("scope", 1), ("type", 1), ("flags", 4),
                ], route
            )
        case RouteMessageType.newNeighbour:
            (
                "NEIGH", [("family", 1), ("", 3), ("index", 4), ("state", 2), ("flags", 1), ("type", 1)],
                [
                    AttributeName(NDA.destination, "dst", .address),
                    AttributeName(NDA.linkLayerAddress, "lladdr", .address),
                ]
            )
        case RouteMessageType.newRule:
            (
                "RULE",
                [
                    ("family", 1), ("dst_len", 1), ("src_len", 1), ("tos", 1), ("table", 1), ("", 2), ("action", 1),
                    ("flags", 4),
                ],
                [
                    // linux/fib_rules.h
                    AttributeName(1, "dst", .address), AttributeName(2, "src", .address),
                    AttributeName(3, "iifname", .text), AttributeName(6, "priority", .number),
                    AttributeName(10, "fwmark", .number), AttributeName(15, "table", .number),
                    AttributeName(17, "oifname", .text),
                ]
            )
        case RouteMessageType.newQdisc: ("QDISC", trafficControlHeader, trafficControl)
        case 40: ("TCLASS", trafficControlHeader, trafficControl)
        case RouteMessageType.newTrafficFilter: ("TFILTER", trafficControlHeader, trafficControl)
        default: nil
        }
    }

    /// struct ifinfomsg.
    static let linkHeader: [(name: String, size: Int)] = [
        ("family", 1), ("", 1), ("type", 2), ("index", 4), ("flags", 4), ("change", 4),
    ]

    static let link = [
        AttributeName(IFLA.address, "address", .address), AttributeName(2, "broadcast", .address),
        AttributeName(IFLA.ifname, "ifname", .text), AttributeName(IFLA.mtu, "mtu", .number),
        AttributeName(IFLA.link, "link", .number), AttributeName(6, "qdisc", .text),
        AttributeName(IFLA.master, "master", .number), AttributeName(IFLA.txQueueLength, "txqlen", .number),
        AttributeName(IFLA.operstate, "operstate", .number), AttributeName(17, "linkmode", .number),
        AttributeName(IFLA.linkinfo, "linkinfo", .group(linkInfo)), AttributeName(IFLA.ifalias, "ifalias", .text),
        AttributeName(27, "group", .number), AttributeName(IFLA.netNsFD, "net_ns_fd", .number),
        AttributeName(IFLA.extMask, "ext_mask", .number), AttributeName(IFLA.promiscuity, "promiscuity", .number),
        AttributeName(IFLA.transmitQueues, "num_tx_queues", .number), AttributeName(32, "num_rx_queues", .number),
        AttributeName(33, "carrier", .number), AttributeName(37, "link_netnsid", .number),
        AttributeName(IFLA.gsoMaxSize, "gso_max_size", .number),
        AttributeName(IFLA.tsoMaxSize, "tso_max_size", .number),
        AttributeName(IFLA.gsoIPv4MaxSize, "gso_ipv4_max_size", .number),
    ]

    private static let linkInfo = [
        AttributeName(IFLA.infoKind, "kind", .text),
        // Only a veth has a nested attribute with the first number and this length.
        AttributeName(IFLA.infoData, "data", .group([AttributeName(IFLA.vethPeer, "1", .peer)])),
        AttributeName(IFLA.infoSlaveKind, "slave_kind", .text),
        AttributeName(IFLA.infoSlaveData, "slave_data", .list(.octets)),
    ]

    private static let address = [
        AttributeName(IFA.address, "address", .address), AttributeName(IFA.local, "local", .address),
        AttributeName(3, "label", .text), AttributeName(IFA.broadcast, "broadcast", .address),
        AttributeName(IFA.flags, "flags", .number),
    ]

    private static let route = [
        AttributeName(RTA.destination, "dst", .address), AttributeName(2, "src", .address),
        AttributeName(RTA.outputInterface, "oif", .number), AttributeName(RTA.gateway, "gateway", .address),
        AttributeName(RTA.priority, "priority", .number), AttributeName(RTA.preferredSource, "prefsrc", .address),
        AttributeName(
            RTA.metrics, "metrics",
            .group([
                AttributeName(RTA.metricMTU, "mtu", .number), AttributeName(RTA.metricAdvertisedMSS, "advmss", .number),
            ])),
        AttributeName(RTA.table, "table", .number),
    ]

    /// struct tcmsg.
    private static let trafficControlHeader: [(name: String, size: Int)] = [
        ("family", 1), ("", 3), ("index", 4), ("handle", 4), ("parent", 4), ("info", 4),
    ]

    private static let trafficControl = [
        AttributeName(1, "kind", .text), AttributeName(2, "options", .octets), AttributeName(11, "chain", .number),
    ]
}
