// The libmnl calls that swiftlet uses. With SWIFTLET_SYSTEM_LIBMNL they are libmnl's own. Otherwise mnl.c implements them under
// the same names, for the static executable (Debian has no static libmnl).
#ifndef SWIFTLET_MNL_H
#define SWIFTLET_MNL_H

#include <linux/netlink.h>

#ifdef SWIFTLET_SYSTEM_LIBMNL
#include <libmnl/libmnl.h>
#else
#include <sys/socket.h>
#include <sys/types.h>

struct mnl_socket;

struct mnl_socket *mnl_socket_open2(int bus, int flags);
int mnl_socket_bind(struct mnl_socket *nl, unsigned int groups, pid_t pid);
int mnl_socket_close(struct mnl_socket *nl);
int mnl_socket_get_fd(const struct mnl_socket *nl);
int mnl_socket_setsockopt(const struct mnl_socket *nl, int type, void *buf, socklen_t len);
ssize_t mnl_socket_sendto(const struct mnl_socket *nl, const void *req, size_t siz);
ssize_t mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf, size_t siz);
#endif

#endif
