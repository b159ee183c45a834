// What Swift's Glibc module lacks: calls that it cannot see, and macros that it cannot read. No policy here.
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

// What is a macro or takes a varying number of arguments.
int ck_errno(void);
void ck_set_errno(int number);
char *const *ck_environment(void);
int ck_open(const char *path, int flags, mode_t mode);
int ck_openat(int directory, const char *path, int flags, mode_t mode);
int ck_set_nonblocking(int fd);

// getdents64(2): fills `buffer` with entries of a directory (struct linux_dirent64), and returns how many octets they are.
ssize_t ck_read_directory(int fd, void *buffer, size_t size);

// signal(2) with SIG_DFL.
void (*ck_default_signal(int signal))(int);

// Lets this process open as many files as it may allow itself (RLIMIT_NOFILE).
int ck_raise_file_limit(void);

int ck_setns(int fd, int type);
int ck_unshare(int flags);

// The CLONE_NEW* type of a namespace file (NS_GET_NSTYPE, linux/nsfs.h), or -1 with errno.
int ck_namespace_type(int fd);

// 1 if the descriptor is a file of nsfs, 0 if of another file system, -1 with errno.
int ck_is_namespace_file(int fd);

// Makes a tap device that stays, in the caller's namespace; `owner` and `group` -1 for anybody. 0, or -1 with errno, EBUSY
// where the name is taken.
int ck_make_tap(const char *name, int multi_queue, int64_t owner, int64_t group);

int ck_pipe(int ends[2]);
int ck_bind_mount(const char *source, const char *target);
int ck_make_shared_mount(const char *target);
int ck_unmount(const char *target);

// Forks a child that keeps nothing but `fd`, writes the message to that socket and exits.
// Returns the child's process ID, or -1 with errno.
pid_t ck_send_from_child(int fd, const void *message, size_t size);

// Starts a child that holds `fd` open until a moment of CLOCK_MONOTONIC, and nothing else of this process. It shares this
// process's memory and sends no signal when it ends; `memory`, of `size` octets, is its own until then. Its process ID, or -1
// with errno.
pid_t ck_hold_open(int fd, const struct timespec *until, void *memory, size_t size);

// fcntl(2) with F_DUPFD_CLOEXEC.
int ck_duplicate(int fd);

// Runs `path` with descriptors 0 and 1 replaced and every other one above 2 closed on exec (all of ours are).
// Returns the child's process ID, or -1 with errno, that of execve included.
pid_t ck_spawn(const char *path, char *const environment[], int standard_input, int standard_output);

// accept4(2), the new descriptor close-on-exec.
int ck_accept(int fd);

// A descriptor that becomes readable when SIGTERM or SIGINT comes, which end the process no more; or -1 with errno. What
// is of a terminal has SIGQUIT and SIGHUP among them.
int ck_termination(int is_of_terminal);

// An AF_PACKET socket that receives and sends network-layer packets of one EtherType on one interface, as far as a
// classic BPF program of `count` instructions lets them in. An instruction is code << 48 | jt << 40 | jf << 32 | k.
int ck_packet_socket(unsigned interface, uint16_t ethertype, const uint64_t *program, size_t count);
// sendto(2) on such a socket, to a hardware address of six octets.
ssize_t ck_send_packet(
    int fd, unsigned interface, uint16_t ethertype, const uint8_t *hardware, const void *packet, size_t size);

// recvfrom(2) on such a socket; fills in the hardware address that it came from, zeros where there is none of six octets.
ssize_t ck_receive_packet(int fd, void *packet, size_t size, uint8_t hardware[6]);

// A probe: one packet of IPPROTO_TCP (its SYN), _UDP (empty), or _ICMP and _ICMPV6 (an echo request), and what comes back.
// Addresses are 4 or 16 octets in network byte order.
// A socket bound to `source`; fills in its port, which for ICMP is the identifier of the echo. -1 with errno.
int ck_probe_open(int is_v6, int protocol, const uint8_t *source, uint16_t *port);
// Sends it; 0, or -1 with errno.
int ck_probe_send(int fd, int is_v6, int protocol, const uint8_t *destination, uint16_t port);
// 1 if an answer is there, 0 if not yet, -1 with errno for a refusal.
int ck_probe_answer(int fd, int is_v6, int protocol, uint16_t identifier);

#endif
