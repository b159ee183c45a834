// The least that attaching a pod to a bridge with a reserved address takes: raw netlink, no library, no configuration,
// no JSON read. It is what other programs that do the job are measured against; it is not a CNI plugin.
//
//   floor add BRIDGE NETNS_PATH IFNAME ADDRESS/PREFIX GATEWAY RESERVATION_FILE
//   floor del NETNS_PATH IFNAME RESERVATION_FILE
//
// IPv4 only. Build: gcc -O2 -static -o floor floor.c
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

// The peer's index in the pod: chosen here, so that the kernel need not be asked which it chose.
// A pod's namespace has lo as 1, and devices that the kernel puts into each new namespace soon after.
enum { POD_IFINDEX = 1000 };

static const char *reservation;  // removed again when a later step fails
static char host_name[IFNAMSIZ];  // the same for the link; empty until it exists
static int host_socket = -1;

static void delete_link(int fd, const char *name);

static void fail(const char *format, ...) {
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "floor: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, ": %s\n", strerror(error));
    va_end(arguments);
    const char *undo = reservation;
    reservation = NULL;  // should undoing fail too, do not come here for ever
    if (undo && host_name[0]) delete_link(host_socket, host_name);
    if (undo) unlink(undo);
    exit(1);
}

// ---- netlink: messages are appended to one buffer, sent by one sendmsg, and checked by one pass over the answers

static struct {
    _Alignas(4) char bytes[2048];
    size_t used;
    struct nlmsghdr *last;  // the message being written
    uint32_t count;
} batch;

static void *append(size_t size) {
    if (batch.used + NLMSG_ALIGN(size) > sizeof batch.bytes) abort();
    void *start = batch.bytes + batch.used;
    memset(start, 0, NLMSG_ALIGN(size));
    batch.used += NLMSG_ALIGN(size);
    return start;
}

// The length of the last message always reaches to the end of what has been written.
static void extend(void) { batch.last->nlmsg_len = batch.bytes + batch.used - (char *)batch.last; }

static void *message(uint16_t type, uint16_t flags, size_t payload) {
    batch.last = append(sizeof(struct nlmsghdr));
    batch.last->nlmsg_type = type;
    batch.last->nlmsg_flags = NLM_F_REQUEST | flags;
    batch.last->nlmsg_seq = ++batch.count;
    void *body = append(payload);
    extend();
    return body;
}

static void attribute(uint16_t type, const void *value, size_t size) {
    struct rtattr *header = append(RTA_LENGTH(size));
    header->rta_type = type;
    header->rta_len = RTA_LENGTH(size);
    memcpy(RTA_DATA(header), value, size);
    extend();
}

static void attribute_text(uint16_t type, const char *text) { attribute(type, text, strlen(text) + 1); }

static struct rtattr *nest(uint16_t type) {
    struct rtattr *header = append(RTA_LENGTH(0));
    header->rta_type = type | NLA_F_NESTED;
    return header;
}

static void end_nest(struct rtattr *header) {
    header->rta_len = batch.bytes + batch.used - (char *)header;
    extend();
}

static int open_netlink(void) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) fail("open a netlink socket");
    return fd;
}

// Sends all that has been appended. Only the last message asks for an acknowledgement: the kernel works through a batch in order,
// and reports a failure whether asked or not. Returns the number of the first failed message and sets errno, else 0.
static uint32_t commit(int fd) {
    uint32_t final = batch.count, failed = 0;
    int error = 0;
    batch.last->nlmsg_flags |= NLM_F_ACK;
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    if (sendto(fd, batch.bytes, batch.used, 0, (void *)&kernel, sizeof kernel) < 0) fail("send to netlink");
    batch.used = batch.count = 0;
    for (;;) {
        _Alignas(4) char answer[8192];
        ssize_t size = recv(fd, answer, sizeof answer, 0);
        if (size < 0) fail("receive from netlink");
        for (struct nlmsghdr *h = (void *)answer; NLMSG_OK(h, size); h = NLMSG_NEXT(h, size)) {
            if (h->nlmsg_type != NLMSG_ERROR) continue;
            int code = -((struct nlmsgerr *)NLMSG_DATA(h))->error;
            if (code && !failed) failed = h->nlmsg_seq, error = code;
            if (h->nlmsg_seq == final) {
                errno = error;
                return failed;
            }
        }
    }
}

static void delete_link(int fd, const char *name) {
    batch.used = batch.count = 0;
    message(RTM_DELLINK, 0, sizeof(struct ifinfomsg));
    attribute_text(IFLA_IFNAME, name);
    if (commit(fd) && errno != ENODEV) fail("delete link %s", name);
}

// ---- small helpers

// One ioctl is less than a netlink answer with all of a link's attributes.
static int index_of(int fd, const char *name) {
    struct ifreq request = {0};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    return ioctl(fd, SIOCGIFINDEX, &request) < 0 ? 0 : request.ifr_ifindex;
}

static void write_file(const char *path, int flags, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0600);
    if (fd < 0) fail("open %s", path);
    if (write(fd, text, strlen(text)) < 0) fail("write %s", path);
    close(fd);
}

static int lock_directory_of(const char *file, char *directory, size_t size) {
    char path[4096], copy[4096];
    snprintf(copy, sizeof copy, "%s", file);
    snprintf(directory, size, "%s", dirname(copy));
    snprintf(path, sizeof path, "%s/lock", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) < 0) fail("lock %s", path);
    return fd;
}

static int open_namespace(const char *path) { return open(path, O_RDONLY | O_CLOEXEC); }

static void add_address(int index, in_addr_t address, in_addr_t broadcast, int prefix) {
    struct ifaddrmsg *body = message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *body);
    *body = (struct ifaddrmsg){.ifa_family = AF_INET, .ifa_prefixlen = prefix, .ifa_index = index};
    attribute(IFA_LOCAL, &address, 4);
    attribute(IFA_ADDRESS, &address, 4);
    attribute(IFA_BROADCAST, &broadcast, 4);
}

static void set_up(int index) {
    struct ifinfomsg *body = message(RTM_NEWLINK, 0, sizeof *body);
    *body = (struct ifinfomsg){.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
}

// The bridge, the first time: created up and with its own MAC in one message, so that it does not change with its ports.
static int create_bridge(const char *name, const unsigned char mac[6], in_addr_t gateway, in_addr_t broadcast, int prefix) {
    struct ifinfomsg *body = message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *body);
    *body = (struct ifinfomsg){.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    attribute_text(IFLA_IFNAME, name);
    attribute(IFLA_ADDRESS, mac, 6);
    struct rtattr *info = nest(IFLA_LINKINFO);
    attribute_text(IFLA_INFO_KIND, "bridge");
    end_nest(info);
    if (commit(host_socket) && errno != EEXIST) fail("create bridge %s", name);  // EEXIST: another pod's add was first
    int index = index_of(host_socket, name);
    add_address(index, gateway, broadcast, prefix);
    if (commit(host_socket) && errno != EEXIST) fail("add the gateway's address to %s", name);
    return index;
}

// ---- the two commands

static int add(char **argv) {
    const char *bridge = argv[0], *netns = argv[1], *ifname = argv[2], *file = argv[5];
    char address_text[INET_ADDRSTRLEN];
    in_addr_t address, gateway;
    int prefix;
    errno = EINVAL;
    if (sscanf(argv[3], "%15[0-9.]/%d", address_text, &prefix) != 2 || prefix < 1 || prefix > 30) fail("address %s", argv[3]);
    if (inet_pton(AF_INET, address_text, &address) != 1) fail("address %s", argv[3]);
    if (inet_pton(AF_INET, argv[4], &gateway) != 1) fail("gateway %s", argv[4]);
    in_addr_t broadcast = address | htonl(0xffffffffu >> prefix);

    // The pod's namespace first: where there is none, nothing has to be undone.
    int pod = open_namespace(netns);
    if (pod < 0) fail("open %s", netns);

    // The reservation: O_EXCL makes it ours alone, last_reserved makes the next search start behind it.
    char directory[4000], last[4096];
    int lock = lock_directory_of(file, directory, sizeof directory);
    int reserved = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (reserved < 0) fail("reserve %s", file);
    reservation = file;
    if (dprintf(reserved, "%s\r\n%s", netns, ifname) < 0) fail("write %s", file);
    close(reserved);
    snprintf(last, sizeof last, "%s/last_reserved_ip.0", directory);
    write_file(last, O_CREAT | O_TRUNC, address_text);
    close(lock);

    // Forwarding, or packets go no further than the bridge: a write only where it is off.
    char forwarding = 0;
    int setting = open("/proc/sys/net/ipv4/ip_forward", O_RDWR | O_CLOEXEC);
    if (setting < 0 || read(setting, &forwarding, 1) != 1) fail("read ip_forward");
    if (forwarding != '1' && pwrite(setting, "1", 1, 0) != 1) fail("set ip_forward");
    close(setting);

    // Addresses of our choosing, locally administered, so that they need not be asked back for the result.
    unsigned char random[4 + 3 * 6 + 4];
    if (getrandom(random, sizeof random, 0) != sizeof random) fail("random bytes");
    unsigned char *host_mac = random + 4, *pod_mac = random + 10, *bridge_mac = random + 16;
    host_mac[0] = pod_mac[0] = bridge_mac[0] = 0x02;

    host_socket = open_netlink();
    int master = index_of(host_socket, bridge);
    if (!master) master = create_bridge(bridge, bridge_mac, gateway, broadcast, prefix);

    // The veth in one message: the host end up and on the bridge, the peer named, numbered and born in the pod.
    char name[IFNAMSIZ];
    snprintf(name, sizeof name, "veth%02x%02x%02x%02x", random[0], random[1], random[2], random[3]);
    struct ifinfomsg *body = message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *body);
    // The kernel heeds the peer's index only where this end's is chosen too: one of a billion that are in nobody's way.
    int index;
    memcpy(&index, random + 22, sizeof index);
    index = (index & 0x3fffffff) | 0x40000000;
    *body = (struct ifinfomsg){.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    attribute_text(IFLA_IFNAME, name);
    attribute(IFLA_ADDRESS, host_mac, 6);
    attribute(IFLA_MASTER, &master, 4);
    struct rtattr *info = nest(IFLA_LINKINFO);
    attribute_text(IFLA_INFO_KIND, "veth");
    struct rtattr *data = nest(IFLA_INFO_DATA);
    struct rtattr *peer = nest(VETH_INFO_PEER);
    struct ifinfomsg *peer_body = append(sizeof *peer_body);
    peer_body->ifi_index = POD_IFINDEX;
    attribute_text(IFLA_IFNAME, ifname);
    attribute(IFLA_ADDRESS, pod_mac, 6);
    attribute(IFLA_NET_NS_FD, &pod, 4);
    end_nest(peer);
    end_nest(data);
    end_nest(info);
    if (commit(host_socket)) fail("create veth %s with peer %s in %s", name, ifname, netns);
    strcpy(host_name, name);

    // From here on in the pod's namespace; the host's socket stays usable, so there is no way back to make.
    if (setns(pod, CLONE_NEWNET) < 0) fail("enter %s", netns);
    int pod_socket = open_netlink();

    // No router on the bridge may reconfigure the pod: before the link is up, and so before one can be heard.
    char path[128];
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/accept_ra", ifname);
    write_file(path, 0, "0");

    // lo, address, link, default route: in this order, as each needs the one before, and in one system call.
    set_up(1);
    add_address(POD_IFINDEX, address, broadcast, prefix);
    set_up(POD_IFINDEX);
    struct rtmsg *route = message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof *route);
    *route = (struct rtmsg){
        .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
        .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST};
    attribute(RTA_GATEWAY, &gateway, 4);
    uint32_t failed = commit(pod_socket);
    const char *steps[] = {"", "set lo up", "add the address", "set the link up", "add the default route"};
    if (failed) fail("%s in %s", steps[failed], netns);

    printf(
        "{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"%s\"},{\"name\":\"%s\"},{\"name\":\"%s\","
        "\"mac\":\"%02x:%02x:%02x:%02x:%02x:%02x\",\"sandbox\":\"%s\"}],\"ips\":[{\"interface\":2,\"address\":\"%s\","
        "\"gateway\":\"%s\"}],\"routes\":[{\"dst\":\"0.0.0.0/0\"}]}\n",
        bridge, name, ifname, pod_mac[0], pod_mac[1], pod_mac[2], pod_mac[3], pod_mac[4], pod_mac[5], netns, argv[3], argv[4]);
    return 0;
}

static int del(char **argv) {
    const char *netns = argv[0], *ifname = argv[1], *file = argv[2];
    // A namespace or link that is gone already is no error: del can come twice, and after the pod.
    int pod = open_namespace(netns);
    if (pod < 0 && errno != ENOENT) fail("open %s", netns);
    if (pod >= 0) {
        if (setns(pod, CLONE_NEWNET) < 0) fail("enter %s", netns);
        // Answered only when the kernel has freed both ends, which is most of the time this takes.
        delete_link(open_netlink(), ifname);
    }
    char directory[4000];
    lock_directory_of(file, directory, sizeof directory);  // released by exit
    if (unlink(file) < 0 && errno != ENOENT) fail("release %s", file);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 8 && !strcmp(argv[1], "add")) return add(argv + 2);
    if (argc == 5 && !strcmp(argv[1], "del")) return del(argv + 2);
    fprintf(stderr, "usage: floor add BRIDGE NETNS IFNAME ADDRESS/PREFIX GATEWAY FILE | floor del NETNS IFNAME FILE\n");
    return 2;
}
