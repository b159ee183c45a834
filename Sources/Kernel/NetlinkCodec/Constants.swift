/// Message flags, linux/netlink.h.
public enum MessageFlag {
    public static let request: UInt16 = 0x1
    public static let acknowledge: UInt16 = 0x4
    public static let echo: UInt16 = 0x8
    public static let dumpInterrupted: UInt16 = 0x10
    public static let exclusive: UInt16 = 0x200
    public static let create: UInt16 = 0x400
    public static let replace: UInt16 = 0x100
    public static let append: UInt16 = 0x800
    /// NLM_F_ROOT and NLM_F_MATCH.
    public static let dump: UInt16 = 0x300
}

/// Message types, linux/rtnetlink.h.
public enum RouteMessageType {
    public static let newLink: UInt16 = 16
    public static let deleteLink: UInt16 = 17
    public static let getLink: UInt16 = 18
    public static let setLink: UInt16 = 19
    public static let newAddress: UInt16 = 20
    public static let deleteAddress: UInt16 = 21
    public static let getAddress: UInt16 = 22
    public static let newRoute: UInt16 = 24
    public static let deleteRoute: UInt16 = 25
    public static let getRoute: UInt16 = 26
    public static let newNeighbour: UInt16 = 28
    public static let deleteNeighbour: UInt16 = 29
    public static let getNeighbour: UInt16 = 30
    public static let newRule: UInt16 = 32
    public static let deleteRule: UInt16 = 33
    public static let getRule: UInt16 = 34
    public static let newQdisc: UInt16 = 36
    public static let deleteQdisc: UInt16 = 37
    public static let getQdisc: UInt16 = 38
    public static let newTrafficFilter: UInt16 = 44
    public static let getTrafficFilter: UInt16 = 46
    public static let newNamespaceID: UInt16 = 88
    public static let getNamespaceID: UInt16 = 90
    public static let newNexthop: UInt16 = 104
    public static let deleteNexthop: UInt16 = 105
}

/// Address families, linux/socket.h.
enum AddressFamily {
    static let unspecified: UInt8 = 0
    static let inet: UInt8 = 2
    static let bridge: UInt8 = 7
    static let inet6: UInt8 = 10
}

/// Interface flags, linux/if.h.
public enum InterfaceFlag {
    public static let up: UInt32 = 0x1
    public static let promiscuous: UInt32 = 0x100
    public static let allMulticast: UInt32 = 0x200
}

/// Link attributes, linux/if_link.h and linux/veth.h.
enum IFLA {
    static let address: UInt16 = 1
    static let ifname: UInt16 = 3
    static let mtu: UInt16 = 4
    static let link: UInt16 = 5
    static let master: UInt16 = 10
    static let protinfo: UInt16 = 12
    static let txQueueLength: UInt16 = 13
    static let operstate: UInt16 = 16
    static let linkinfo: UInt16 = 18
    static let ifalias: UInt16 = 20
    static let statistics: UInt16 = 23
    static let afSpec: UInt16 = 26
    static let netNsFD: UInt16 = 28
    static let extMask: UInt16 = 29
    static let promiscuity: UInt16 = 30
    static let transmitQueues: UInt16 = 31
    static let carrier: UInt16 = 33
    static let linkNamespaceID: UInt16 = 37
    static let gsoMaxSize: UInt16 = 41
    static let xdp: UInt16 = 43
    static let tsoMaxSize: UInt16 = 59
    static let gsoIPv4MaxSize: UInt16 = 63

    static let infoKind: UInt16 = 1
    static let infoData: UInt16 = 2
    static let infoSlaveKind: UInt16 = 4
    static let infoSlaveData: UInt16 = 5

    static let xdpAttached: UInt16 = 2
    static let vethPeer: UInt16 = 1
    static let bridgeVlanFiltering: UInt16 = 7
    static let bridgePortMode: UInt16 = 4
    static let bridgePortIsolated: UInt16 = 33
    static let bridgePortState: UInt16 = 1

    static let macvlanMode: UInt16 = 1
    static let macvlanBroadcastQueueLength: UInt16 = 7
    static let ipvlanMode: UInt16 = 1
    static let vlanID: UInt16 = 1
    static let vrfTable: UInt16 = 1

    static let inet6AddrGenMode: UInt16 = 8
    static let inetConf: UInt16 = 1

    static let bridgeFlags: UInt16 = 0
    static let bridgeVlanInfo: UInt16 = 2

    /// RTEXT_FILTER_SKIP_STATS: leaves out the counters of IPv6 and of virtual functions.
    static let skipStatistics: UInt32 = 1 << 3
    /// RTEXT_FILTER_BRVLAN_COMPRESSED.
    static let withVLANs: UInt32 = 1 << 2
}

/// Address attributes and flags, linux/if_addr.h.
enum IFA {
    static let address: UInt16 = 1
    static let local: UInt16 = 2
    static let broadcast: UInt16 = 4
    static let flags: UInt16 = 8

    static let noDAD: UInt32 = 0x02
    static let noPrefixRoute: UInt32 = 0x200
}

/// Route attributes, linux/rtnetlink.h.
enum RTA {
    static let destination: UInt16 = 1
    static let source: UInt16 = 2
    static let inputInterface: UInt16 = 3
    static let outputInterface: UInt16 = 4
    static let gateway: UInt16 = 5
    static let priority: UInt16 = 6
    static let preferredSource: UInt16 = 7
    static let metrics: UInt16 = 8
    static let table: UInt16 = 15
    static let mark: UInt16 = 16
    static let via: UInt16 = 18
    static let protocolNumber: UInt16 = 27
    static let sourcePort: UInt16 = 28
    static let destinationPort: UInt16 = 29

    static let metricMTU: UInt16 = 2
    static let metricAdvertisedMSS: UInt16 = 8
}

/// Neighbour attributes, linux/neighbour.h.
enum NDA {
    static let destination: UInt16 = 1
    static let linkLayerAddress: UInt16 = 2
    static let interface: UInt16 = 8
    static let master: UInt16 = 9
}
