// What Swift's Glibc module lacks: calls that it does not expose and macros that it cannot import. No policy here.
#ifndef SWIFTLET_CKERNEL_H
#define SWIFTLET_CKERNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libc.h"
#include "mnl.h"

// Flags behind _GNU_SOURCE, as values that Swift can read.
extern const int ck_clone_newnet;
extern const int ck_clone_newns;

/// program_invocation_short_name(3).
const char *ck_invoked_name(void);

// These are macros or variadic functions.
int ck_errno(void);
void ck_set_errno(int number);
char *const *ck_environment(void);
int ck_open(const char *path, int flags, mode_t mode);
int ck_openat(int directory, const char *path, int flags, mode_t mode);
int ck_set_nonblocking(int fd);

// getdents64(2): fills `buffer` with directory entries (struct linux_dirent64) and returns their size in octets.
ssize_t ck_read_directory(int fd, void *buffer, size_t size);

// signal(2) with SIG_DFL.
void (*ck_default_signal(int signal))(int);

// Raises this process's limit of open files (RLIMIT_NOFILE) to its maximum.
int ck_raise_file_limit(void);

int ck_setns(int fd, int type);
int ck_unshare(int flags);

// The CLONE_NEW* type of a namespace file (NS_GET_NSTYPE, linux/nsfs.h), or -1 with errno.
int ck_namespace_type(int fd);

// 1 if the descriptor is a file of nsfs, 0 if it is of another file system, -1 with errno.
int ck_is_namespace_file(int fd);
// statfs(2): the octets that anybody may use, and the free inodes; UINT64_MAX where they are not counted.
int ck_space(const char *path, uint64_t *octets, uint64_t *inodes);
// Whether a socket of this network namespace already has the port of that address (:: for all, IPv4 mapped); 0 if unknown.
int ck_port_is_taken(int is_udp, const uint8_t *address, uint16_t port);

// Makes a persistent tap device in the caller's namespace; `owner` and `group` are -1 for anyone. Returns 0, or -1 with errno;
// EBUSY if the name is taken.
int ck_make_tap(const char *name, int multi_queue, int64_t owner, int64_t group);

int ck_pipe(int ends[2]);
int ck_bind_mount(const char *source, const char *target);
int ck_make_shared_mount(const char *target);
int ck_unmount(const char *target);

// Forks a child that keeps only `fd` open, writes the message to that socket and exits. Returns the child's process ID, or -1
// with errno.
pid_t ck_send_from_child(int fd, const void *message, size_t size);

// Starts a child that holds `fd` open until a point of CLOCK_MONOTONIC, and nothing else of this process. It shares this
// process's memory and sends no signal when it ends. Until then only the child uses `memory`, of `size` octets. Returns the
// child's process ID, or -1 with errno.
pid_t ck_hold_open(int fd, const struct timespec *until, void *memory, size_t size);

// fcntl(2) with F_DUPFD_CLOEXEC.
int ck_duplicate(int fd);

// Runs `path` with descriptors 0 and 1 replaced and every other one above 2 closed on exec (all of ours are). Returns the child's
// process ID, or -1 with errno, including that of execve.
pid_t ck_spawn(const char *path, char *const environment[], int standard_input, int standard_output);

// accept4(2); the new descriptor is close-on-exec.
int ck_accept(int fd);

// A descriptor that becomes readable when SIGTERM or SIGINT arrives; these no longer end the process. -1 with errno on failure. A
// program run from a terminal also includes SIGQUIT and SIGHUP.
int ck_termination(int is_of_terminal);

// An AF_PACKET socket that receives and sends network-layer packets of one EtherType on one interface. It receives only what a
// classic BPF program of `count` instructions accepts. An instruction is code << 48 | jt << 40 | jf << 32 | k.
int ck_packet_socket(unsigned interface, uint16_t ethertype, const uint64_t *program, size_t count);
// sendto(2) on such a socket, to a hardware address of six octets.
ssize_t ck_send_packet(
    int fd, unsigned interface, uint16_t ethertype, const uint8_t *hardware, const void *packet, size_t size);

// recvfrom(2) on such a socket; fills in the sender's hardware address, or zeros if it does not have six octets.
ssize_t ck_receive_packet(int fd, void *packet, size_t size, uint8_t hardware[6]);

// A probe: one packet of IPPROTO_TCP (its SYN), _UDP (empty), or _ICMP and _ICMPV6 (an echo request), and the answer to it.
// Addresses are 4 or 16 octets in network byte order.
// A socket bound to `source`; fills in its port, or the echo's identifier for ICMP. -1 with errno.
int ck_probe_open(int is_v6, int protocol, const uint8_t *source, uint16_t *port);
// Sends it; 0, or -1 with errno.
int ck_probe_send(int fd, int is_v6, int protocol, const uint8_t *destination, uint16_t port);
// 1 if an answer has arrived, 0 if not yet, -1 with errno for a refusal.
int ck_probe_answer(int fd, int is_v6, int protocol, uint16_t identifier);

#endif
