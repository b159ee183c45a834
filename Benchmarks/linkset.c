// linkset INTERFACE NAME VALUE ...: properties of a link that Debian 12's ip and no ethtool at all can set.
//
//   gso gro gso4 gro4    largest packet before and after segmentation, octets (IFLA_GSO_MAX_SIZE, ...; 4: of IPv4)
//   offload              1: generic receive offload (ETHTOOL_SGRO), with which a veth receives by NAPI
//   queues               so many in each direction (ETHTOOL_SCHANNELS)
//
// For the variants of the data path. Build: gcc -O2 -static -o linkset linkset.c
#define _GNU_SOURCE
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// linux/if_link.h has the last two since 6.3.
static const struct { const char *name; uint16_t attribute; } sizes[] = {
    {"gso", 41}, {"gro", 58}, {"gso4", 63}, {"gro4", 64}};

static int set_size(int netlink, int index, uint16_t attribute, uint32_t value) {
    struct {
        struct nlmsghdr header;
        struct ifinfomsg link;
        struct rtattr attribute;
        uint32_t value;
    } request = {
        .header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .link = {.ifi_index = index},
        .attribute = {.rta_len = RTA_LENGTH(4), .rta_type = attribute},
        .value = value};
    char reply[4096];
    if (send(netlink, &request, sizeof request, 0) < 0) return -1;
    if (recv(netlink, reply, sizeof reply, 0) < (ssize_t)NLMSG_LENGTH(sizeof(int))) return -1;
    int error;
    memcpy(&error, NLMSG_DATA((struct nlmsghdr *)reply), sizeof error);
    errno = -error;
    return error == 0 ? 0 : -1;
}

static int set_by_ethtool(int control, const char *interface, void *command) {
    struct ifreq request = {.ifr_data = command};
    snprintf(request.ifr_name, IFNAMSIZ, "%s", interface);
    return ioctl(control, SIOCETHTOOL, &request);
}

int main(int argc, char **argv) {
    int netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), control = socket(AF_INET, SOCK_DGRAM, 0);
    int index = argc > 1 ? (int)if_nametoindex(argv[1]) : 0;
    if (argc < 4 || argc % 2 != 0 || netlink < 0 || control < 0 || index == 0) {
        fprintf(stderr, "usage: linkset INTERFACE NAME VALUE ...\n");
        return 2;
    }
    for (int at = 2; at < argc; at += 2) {
        const char *name = argv[at];
        uint32_t value = (uint32_t)strtoul(argv[at + 1], NULL, 10);
        int done = -1;
        errno = EINVAL;
        if (strcmp(name, "offload") == 0) {
            struct ethtool_value gro = {.cmd = ETHTOOL_SGRO, .data = value};
            done = set_by_ethtool(control, argv[1], &gro);
        } else if (strcmp(name, "queues") == 0) {
            struct ethtool_channels channels = {.cmd = ETHTOOL_SCHANNELS, .rx_count = value, .tx_count = value};
            done = set_by_ethtool(control, argv[1], &channels);
        }
        for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++)
            if (strcmp(name, sizes[size].name) == 0) done = set_size(netlink, index, sizes[size].attribute, value);
        if (done != 0) {
            fprintf(stderr, "%s: %s %u: %s\n", argv[1], name, value, strerror(errno));
            return 1;
        }
    }
    return 0;
}
