#ifdef SWIFTLET_SYSTEM_LIBMNL
typedef int not_an_empty_file;
#else
#include "mnl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

struct mnl_socket {
    int fd;
};

struct mnl_socket *mnl_socket_open2(int bus, int flags) {
    struct mnl_socket *nl = calloc(1, sizeof *nl);
    if (!nl) return NULL;
    nl->fd = socket(AF_NETLINK, SOCK_RAW | flags, bus);
    if (nl->fd < 0) {
        free(nl);
        return NULL;
    }
    return nl;
}

int mnl_socket_bind(struct mnl_socket *nl, unsigned int groups, pid_t pid) {
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups, .nl_pid = (unsigned)pid};
    // libmnl also queries the port that the kernel has chosen; nothing here needs it.
    return bind(nl->fd, (struct sockaddr *)&address, sizeof address);
}

int mnl_socket_close(struct mnl_socket *nl) {
    int result = close(nl->fd);
    free(nl);
    return result;
}

int mnl_socket_get_fd(const struct mnl_socket *nl) { return nl->fd; }

int mnl_socket_setsockopt(const struct mnl_socket *nl, int type, void *buf, socklen_t len) {
    return setsockopt(nl->fd, SOL_NETLINK, type, buf, len);
}

ssize_t mnl_socket_sendto(const struct mnl_socket *nl, const void *req, size_t siz) {
    static const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    return sendto(nl->fd, req, siz, 0, (const struct sockaddr *)&kernel, sizeof kernel);
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf, size_t siz) {
    struct sockaddr_nl sender;
    struct iovec vector = {.iov_base = buf, .iov_len = siz};
    struct msghdr message = {
        .msg_name = &sender, .msg_namelen = sizeof sender, .msg_iov = &vector, .msg_iovlen = 1};
    ssize_t size = recvmsg(nl->fd, &message, 0);
    if (size < 0) return -1;
    // A truncated message must not be taken for a complete one.
    if (message.msg_flags & MSG_TRUNC) {
        errno = ENOSPC;
        return -1;
    }
    if (message.msg_namelen != sizeof sender) {
        errno = EINVAL;
        return -1;
    }
    return size;
}
#endif
