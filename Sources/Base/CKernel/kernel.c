#define _GNU_SOURCE
#include "CKernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

const int ck_clone_newnet = CLONE_NEWNET;
const int ck_clone_newns = CLONE_NEWNS;

int ck_errno(void) { return errno; }
void ck_set_errno(int number) { errno = number; }
char *const *ck_environment(void) { return environ; }
int ck_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }
int ck_openat(int directory, const char *path, int flags, mode_t mode) { return openat(directory, path, flags, mode); }
ssize_t ck_read_directory(int fd, void *buffer, size_t size) { return getdents64(fd, buffer, size); }
int ck_set_nonblocking(int fd) { return fcntl(fd, F_SETFL, O_NONBLOCK); }

void (*ck_default_signal(int number))(int) { return signal(number, SIG_DFL); }

int ck_raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1) return -1;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit);
}

#ifdef SWIFTLET_EMBEDDED
// Embedded Swift takes its random numbers and its hash seed from here. glibc's version ends the process if the kernel has no
// random data to give. This one starts from the value that the kernel passes to each process (AT_RANDOM, getauxval(3)), which
// cannot fail and needs no call. Use it for hashes, MACs and delays, not for secrets.
void arc4random_buf(void *buffer, size_t size) {
    static uint64_t state[2];
    if (state[0] == 0) memcpy(state, (const void *)getauxval(AT_RANDOM), sizeof state);
    for (unsigned char *at = buffer; size > 0;) {
        // SplitMix64, Steele, Lea and Flood 2014.
        uint64_t mixed = state[0] += 0x9e3779b97f4a7c15;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        mixed ^= (mixed >> 31) ^ state[1];
        size_t part = size < sizeof mixed ? size : sizeof mixed;
        memcpy(at, &mixed, part);
        at += part;
        size -= part;
    }
}
#endif

const char *ck_invoked_name(void) { return program_invocation_short_name; }

int ck_setns(int fd, int type) { return setns(fd, type); }
int ck_unshare(int flags) { return unshare(flags); }

int ck_namespace_type(int fd) { return ioctl(fd, NS_GET_NSTYPE); }

int ck_is_namespace_file(int fd) {
    struct statfs info;
    if (fstatfs(fd, &info) < 0) return -1;
    return info.f_type == NSFS_MAGIC;
}

int ck_space(const char *path, uint64_t *octets, uint64_t *inodes) {
    struct statfs info;
    if (statfs(path, &info) < 0) return -1;
    *octets = (uint64_t)info.f_bavail * (uint64_t)info.f_bsize;
    // File systems that make inodes as needed report none at all.
    *inodes = info.f_files == 0 ? UINT64_MAX : (uint64_t)info.f_ffree;
    return 0;
}

int ck_port_is_taken(int is_udp, const uint8_t address[16], uint16_t port) {
    int is_v4 = memcmp(address, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
    int fd = socket(AF_INET6, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    if (fd < 0) return 0;
    // Both families. A TCP connection that has just ended is in nobody's way, a listener is in spite of this option.
    int no = 0, yes = 1;
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (!is_udp) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memcpy(&name.sin6_addr, address, 16);
    // 0.0.0.0 as a mapped address would be refused by some kernels; :: stands for both.
    if (is_v4 && memcmp(address + 12, "\0\0\0\0", 4) == 0) memset(&name.sin6_addr, 0, 16);
    int taken = bind(fd, (struct sockaddr *)&name, sizeof name) < 0 && errno == EADDRINUSE;
    close(fd);
    return taken;
}

int ck_make_tap(const char *name, int multi_queue, int64_t owner, int64_t group) {
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0) return -1;
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | (short)IFF_TUN_EXCL};
    if (multi_queue) request.ifr_flags |= IFF_MULTI_QUEUE;
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    int status = ioctl(fd, TUNSETIFF, &request);
    if (status == 0 && owner >= 0) status = ioctl(fd, TUNSETOWNER, (unsigned long)owner);
    if (status == 0 && group >= 0) status = ioctl(fd, TUNSETGROUP, (unsigned long)group);
    // Until here, closing the descriptor removes the device.
    if (status == 0) status = ioctl(fd, TUNSETPERSIST, 1UL);
    int error = errno;
    close(fd);
    errno = error;
    return status;
}

int ck_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int ck_bind_mount(const char *source, const char *target) { return mount(source, target, "none", MS_BIND, NULL); }

int ck_make_shared_mount(const char *target) {
    if (mount("", target, "none", MS_SHARED | MS_REC, NULL) == 0) return 0;
    // Not a mount point yet: make it one first.
    if (errno != EINVAL || mount(target, target, "none", MS_BIND | MS_REC, NULL) < 0) return -1;
    return mount("", target, "none", MS_SHARED | MS_REC, NULL);
}

int ck_unmount(const char *target) { return umount2(target, MNT_DETACH); }

// Closes every descriptor except one. The caller is a child that must not hold its parent's pipes open.
static void keep_only(int fd) {
#ifdef SYS_close_range
    if (syscall(SYS_close_range, fd + 1, ~0u, 0) == 0 && (fd == 0 || syscall(SYS_close_range, 0, fd - 1, 0) == 0))
        return;
#endif
    // Kernels before 5.9. The limit may be a billion, but what matters has low numbers: a runtime's pipes and our few files.
    for (int other = 0; other < 4096; other++)
        if (other != fd) close(other);
}

pid_t ck_send_from_child(int fd, const void *message, size_t size) {
    pid_t child = fork();
    if (child != 0) return child;
    keep_only(fd);
    ssize_t sent = send(fd, message, size, 0);
    _exit(sent == (ssize_t)size ? 0 : 1);
}

struct hold {
    int fd;
    struct timespec until;
};

// Runs in the caller's memory, perhaps after the caller has ended: uses only system calls and the stack.
static int hold(void *argument) {
    const struct hold *what = argument;
    keep_only(what->fd);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &what->until, NULL);
    _exit(0);
}

pid_t ck_hold_open(int fd, const struct timespec *until, void *memory, size_t size) {
    // Sharing the memory instead of copying it takes 30 us instead of 150. Descriptors are copied.
    struct hold *what = memory;
    *what = (struct hold){fd, *until};
    return clone(hold, (char *)memory + size, CLONE_VM, what);
}

int ck_duplicate(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 0); }

pid_t ck_spawn(const char *path, char *const environment[], int standard_input, int standard_output) {
    char *const argv[] = {(char *)path, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child = -1;
    int error = posix_spawn_file_actions_init(&actions);
    if (error == 0) {
        error = posix_spawn_file_actions_adddup2(&actions, standard_input, 0);
        if (error == 0) error = posix_spawn_file_actions_adddup2(&actions, standard_output, 1);
        if (error == 0) error = posix_spawn(&child, path, &actions, NULL, argv, environment);
        posix_spawn_file_actions_destroy(&actions);
    }
    if (error == 0) return child;
    errno = error;
    return -1;
}

int ck_accept(int fd) { return accept4(fd, NULL, NULL, SOCK_CLOEXEC); }

int ck_termination(int is_of_terminal) {
    sigset_t signals;
    struct sigaction hangup;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (is_of_terminal) {
        sigaddset(&signals, SIGQUIT);
        // nohup(1) sets SIGHUP to ignored; blocking it would defeat that.
        if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) sigaddset(&signals, SIGHUP);
    }
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0) return -1;
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

static int close_failed(int fd) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int ck_packet_socket(unsigned interface, uint16_t ethertype, const uint64_t *program, size_t count) {
    // Without a protocol the socket receives nothing until its filter is attached.
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    struct sock_filter instructions[32];
    if (count > sizeof instructions / sizeof *instructions) {
        errno = EINVAL;
        return close_failed(fd);
    }
    for (size_t i = 0; i < count; i++)
        instructions[i] = (struct sock_filter){
            (uint16_t)(program[i] >> 48), (uint8_t)(program[i] >> 40), (uint8_t)(program[i] >> 32), (uint32_t)program[i]};
    struct sock_fprog filter = {.len = (unsigned short)count, .filter = instructions};
    struct sockaddr_ll local = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ethertype), .sll_ifindex = (int)interface};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0) return close_failed(fd);
    if (bind(fd, (struct sockaddr *)&local, sizeof local) < 0) return close_failed(fd);
    return fd;
}

ssize_t ck_send_packet(
    int fd, unsigned interface, uint16_t ethertype, const uint8_t *hardware, const void *packet, size_t size) {
    struct sockaddr_ll target = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ethertype), .sll_ifindex = (int)interface, .sll_halen = 6};
    memcpy(target.sll_addr, hardware, 6);
    return sendto(fd, packet, size, 0, (struct sockaddr *)&target, sizeof target);
}

ssize_t ck_receive_packet(int fd, void *packet, size_t size, uint8_t hardware[6]) {
    struct sockaddr_ll source = {0};
    socklen_t length = sizeof source;
    ssize_t received = recvfrom(fd, packet, size, 0, (struct sockaddr *)&source, &length);
    memset(hardware, 0, 6);
    if (received >= 0 && source.sll_halen == 6) memcpy(hardware, source.sll_addr, 6);
    return received;
}

static socklen_t probe_address(struct sockaddr_storage *storage, int is_v6, const uint8_t *address, uint16_t port) {
    memset(storage, 0, sizeof *storage);
    if (is_v6) {
        struct sockaddr_in6 *name = (struct sockaddr_in6 *)storage;
        name->sin6_family = AF_INET6;
        name->sin6_port = htons(port);
        memcpy(&name->sin6_addr, address, 16);
        return sizeof *name;
    }
    struct sockaddr_in *name = (struct sockaddr_in *)storage;
    name->sin_family = AF_INET;
    name->sin_port = htons(port);
    memcpy(&name->sin_addr, address, 4);
    return sizeof *name;
}

static int is_echo(int protocol) { return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6; }

int ck_probe_open(int is_v6, int protocol, const uint8_t *source, uint16_t *port) {
    int type = protocol == IPPROTO_TCP ? SOCK_STREAM : is_echo(protocol) ? SOCK_RAW : SOCK_DGRAM;
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0) return -1;
    struct sockaddr_storage name;
    socklen_t length = probe_address(&name, is_v6, source, 0);
    if (bind(fd, (struct sockaddr *)&name, length) < 0) return close_failed(fd);
    if (is_echo(protocol)) {
        *port = (uint16_t)getpid();
        return fd;
    }
    if (getsockname(fd, (struct sockaddr *)&name, &length) < 0) return close_failed(fd);
    *port = ntohs(is_v6 ? ((struct sockaddr_in6 *)&name)->sin6_port : ((struct sockaddr_in *)&name)->sin_port);
    return fd;
}

int ck_probe_send(int fd, int is_v6, int protocol, const uint8_t *destination, uint16_t port) {
    struct sockaddr_storage name;
    socklen_t length = probe_address(&name, is_v6, destination, is_echo(protocol) ? 0 : port);
    // Only a connected socket reports refusals.
    if (connect(fd, (struct sockaddr *)&name, length) < 0 && errno != EINPROGRESS) return -1;
    if (protocol == IPPROTO_TCP) return 0;
    if (!is_echo(protocol)) return send(fd, "", 0, MSG_NOSIGNAL) < 0 ? -1 : 0;
    uint16_t echo[4] = {htons(is_v6 ? 128 << 8 : 8 << 8), 0, htons((uint16_t)getpid()), htons(1)};
    uint32_t sum = (uint32_t)echo[0] + echo[2] + echo[3];
    // For ICMPv6 the kernel computes the checksum itself.
    if (!is_v6) echo[1] = (uint16_t)~((sum & 0xffff) + (sum >> 16));
    return send(fd, echo, sizeof echo, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int ck_probe_answer(int fd, int is_v6, int protocol, uint16_t identifier) {
    if (protocol == IPPROTO_TCP) {
        int error = 0;
        socklen_t length = sizeof error;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -1;
        errno = error;
        if (error != 0) return -1;
        struct sockaddr_storage name;
        length = sizeof name;
        return getpeername(fd, (struct sockaddr *)&name, &length) == 0;
    }
    uint8_t answer[256];
    for (;;) {
        ssize_t received = recv(fd, answer, sizeof answer, 0);
        if (received < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
        if (!is_echo(protocol)) return 1;
        size_t header = is_v6 ? 0 : (size_t)(answer[0] & 15) * 4;
        if ((size_t)received < header + 8) continue;
        const uint8_t *echo = answer + header;
        if (echo[0] == (is_v6 ? 129 : 0) && (echo[4] << 8 | echo[5]) == identifier) return 1;
    }
}
