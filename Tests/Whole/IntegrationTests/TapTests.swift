import ContainerRuntime
import Foundation
import Testing

/// `tap`: a device that a program in the pod, such as a virtual machine, drives.
@Suite(.realKernel) struct TapTests {
    static let ipam: [String: JSONValue] = ["subnet": "10.44.0.0/24", "rangeStart": "10.44.0.10"]

    /// Attaches file 3, which is /dev/net/tun, to the tap device named first, with the flags of linux/if_tun.h given next
    /// as well; then, if there is a third word, answers every echo request.
    static let program = """
        open(my $tap, "+<&=", 3) or die "open: $!\\n";
        my $request = pack("a16 S x22", $ARGV[0], 0x1002 | $ARGV[1]);
        ioctl($tap, 0x400454ca, $request) or die "attach: $!\\n";
        my $ready = "";
        vec($ready, 3, 1) = 1;
        # Ends by itself when nothing comes.
        while ($ARGV[2] && select(my $copy = $ready, undef, undef, 15) > 0) {
            sysread($tap, my $frame, 2000);
            next unless substr($frame, 12, 2) eq "\\x08\\x00";
            substr($frame, 0, 12) = substr($frame, 6, 6) . substr($frame, 0, 6);
            substr($frame, 26, 8) = substr($frame, 30, 4) . substr($frame, 26, 4);
            my $sum = unpack("n", substr($frame, 36, 2)) + 0x0800;
            substr($frame, 34, 4) = pack("CCn", 0, 0, ($sum & 0xffff) + ($sum >> 16));
            syswrite($tap, $frame);
        }
        """

    /// Runs the program in the pod without privileges, but for the right to open /dev/net/tun, which not every machine
    /// gives everybody.
    func attach(_ pod: Pod, user: Int, group: Int, flags: Int = 0) throws {
        try pod.exec(
            "sh", "-c",
            #"exec setpriv --reuid "$1" --regid "$2" --clear-groups perl -e "$0" eth0 "$3" 3<>/dev/net/tun"#,
            Self.program, "\(user)", "\(group)", "\(flags)")
    }

    @Test func itsOwnerPassesFrames() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.plugin("tap", ["owner": 4711, "group": 4711], ipam: Self.ipam))
        _ = try node.runtime().add(list, pod.attachment)
        // Whom the program pretends to be.
        try pod.set("neigh", "add", "10.44.0.2", "lladdr", "02:00:00:00:00:02", "dev", "eth0")
        try pod.exec(
            "sh", "-c",
            """
            setpriv --reuid 4711 --regid 4711 --clear-groups perl -e "$0" eth0 0 answer 3<>/dev/net/tun & program=$!
            ping -n -q -c 1 -i 0.2 -w 10 10.44.0.2; code=$?
            kill -KILL $program; exit $code
            """, Self.program)
        try node.runtime().check(list, pod.attachment)
        try node.runtime().del(list, pod.attachment)
        #expect(try isUntouched(pod))
    }

    @Test func onlyWhoIsNamedMayOpenIt() throws {
        let node = try Node()
        for (keys, users) in [
            (["owner": 4711], [(4711, 1, true), (4712, 1, false)]),
            (["group": 4711], [(1, 4711, true), (1, 4712, false)]),
            (["owner": 4711, "group": 4711], [(4711, 4711, true), (4712, 4711, false), (4711, 4712, false)]),
        ] as [([String: JSONValue], [(Int, Int, Bool)])] {
            let pod = try node.pod()
            _ = try node.runtime().add(node.network(node.plugin("tap", keys, ipam: nil)), pod.attachment)
            for (user, group, isAllowed) in users {
                let words = "user \(user), group \(group), \(keys)"
                do {
                    try attach(pod, user: user, group: group)
                    #expect(isAllowed, "\(words)")
                } catch let error as CommandError {
                    #expect(
                        !isAllowed && error.description.contains("attach: Operation not permitted"),
                        "\(words): \(error)")
                }
            }
        }
    }

    @Test(arguments: [true, false]) func severalQueuesAreForWhoAsksForThem(_ asks: Bool) throws {
        let node = try Node()
        let pod = try node.pod()
        let keys: [String: JSONValue] = ["multiQueue": .bool(asks), "owner": 4711]
        _ = try node.runtime().add(node.network(node.plugin("tap", keys, ipam: nil)), pod.attachment)
        let IFF_MULTI_QUEUE = 0x100
        try attach(pod, user: 4711, group: 1, flags: asks ? IFF_MULTI_QUEUE : 0)
        #expect(throws: CommandError.self) {
            try attach(pod, user: 4711, group: 1, flags: asks ? 0 : IFF_MULTI_QUEUE)
        }
    }

    @Test(arguments: everyVersion.suffix(4)) func theResultSaysWhatIsThere(_ version: String) throws {
        let node = try Node()
        let pod = try node.pod()
        try pod.set("link", "add", "br0", "type", "bridge")
        let keys: [String: JSONValue] = ["mtu": 1400, "mac": "02:00:00:00:00:01", "bridge": "br0"]
        let list = try node.network(node.plugin("tap", keys, ipam: Self.ipam), version: version)
        let result = try node.runtime().add(list, pod.attachment).result
        let link = try #require(try pod.link("eth0"))
        #expect(link["linkinfo"]?["info_data"]?["type"] == "tap")
        #expect(link["mtu"] == 1400 && link["address"] == "02:00:00:00:00:01" && link["master"] == "br0")
        #expect(result["interfaces"]?.array?.count == 1)
        #expect(result.interface("eth0")?["mac"] == "02:00:00:00:00:01")
        #expect(result.interface("eth0")?["sandbox"]?.string == pod.path)
        if version == "1.1.0" { #expect(result.interface("eth0")?["mtu"] == 1400) }
        #expect(result.addresses == ["10.44.0.10/24"])
        #expect(try pod.addresses("eth0") == ["10.44.0.10/24"] && pod.isUp("eth0"))
        if version >= "0.4.0" { try node.runtime().check(list, pod.attachment) }
        try node.runtime().del(list, pod.attachment)
        #expect(try pod.links().compactMap { $0["ifname"]?.string } == ["lo", "br0"])
    }

    @Test(arguments: [
        (#"{"multiQueue":"yes"}"#, 6, "multiQueue"), (#"{"owner":"root"}"#, 6, "owner"), (#"{"owner":-1}"#, 7, "owner"),
        (#"{"group":4294967296}"#, 7, "group"), (#"{"mtu":70000}"#, 7, "mtu"), (#"{"mtu":60}"#, 7, "mtu"),
        (#"{"mac":"ff:ff:ff:ff:ff:ff"}"#, 7, "mac"), (#"{"bridge":"nosuch"}"#, 7, #"no link "nosuch""#),
        (#"{"bridge":"lo"}"#, 100, "tap eth0"),
        (#"{"selinuxContext":"system_u:system_r:container_t:s0"}"#, 2, "selinuxContext"),
    ])
    func aWrongConfigurationIsNamedAndNothingIsLeft(_ keys: String, _ code: Int, _ text: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let plugin = node.plugin("tap", try JSONValue(parsing: keys).object ?? [:], ipam: Self.ipam)
        try expectRefused(node.network(plugin), pod, code: code, text)
        try node.runtime().del(node.network(plugin), pod.attachment)
    }

    @Test func aNodeWithoutTheDriverIsNotReady() throws {
        let node = try Node()
        let list = try node.network(node.plugin("tap", ipam: nil))
        try node.runtime().status(list)
        let without = node.runtime(wrapper: [
            "unshare", "--mount", "sh", "-c", #"mount -t tmpfs none /dev/net && exec "$@""#, "sh",
        ])
        let error = try failure { try without.status(list) }
        #expect(error.code == 50 && error.msg.contains("/dev/net/tun"))
        try expectRefused(list, node.pod(), runtime: without, code: 100, "create tap eth0")
    }

    static let damages: [CheckTests.Damage] = [
        .init("it is missing", "interface eth0 is missing") { try $1.set("link", "del", "eth0") },
        .init("it is down", "is down") { try $1.set("link", "set", "eth0", "down") },
        .init("its MAC is another", "has MAC") { try $1.set("link", "set", "eth0", "address", "02:00:00:00:00:99") },
        .init("its MTU is another", "has MTU 1300, not 1400") { try $1.set("link", "set", "eth0", "mtu", "1300") },
        .init("it is no port of the bridge", "is not a port of br0") { try $1.set("link", "set", "eth0", "nomaster") },
        .init("the bridge is gone", "is not a port of br0") { try $1.set("link", "del", "br0") },
        .init("its address is missing", "address 10.44.0.10/24 is missing") {
            try $1.set("addr", "del", "10.44.0.10/24", "dev", "eth0")
        },
        .init("it is of another kind", "is not a tun") { _, pod in
            try pod.set("link", "del", "eth0")
            try pod.set("link", "add", "eth0", "type", "veth", "peer", "name", "other")
        },
    ]

    @Test(arguments: damages) func checkFinds(_ damage: CheckTests.Damage) throws {
        let node = try Node()
        let pod = try node.pod()
        try pod.set("link", "add", "br0", "type", "bridge")
        let keys: [String: JSONValue] = ["mtu": 1400, "bridge": "br0"]
        try CheckTests.expectFound(damage, of: pod, on: node, node.network(node.plugin("tap", keys, ipam: Self.ipam)))
    }
}
