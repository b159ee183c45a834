// The system calls that plugins make. A call that is missing here is shown by its number.
#define CALLS(X) \
    X(accept4) X(access) X(arch_prctl) X(bind) X(brk) X(chmod) X(clock_gettime) X(clock_nanosleep) X(clone) X(clone3) \
    X(close) X(close_range) X(connect) X(dup) X(dup2) X(dup3) X(execve) X(exit) X(exit_group) X(faccessat) \
    X(faccessat2) X(fchmod) X(fchown) X(fcntl) X(fdatasync) X(flock) X(fork) X(fstat) X(fstatfs) X(fsync) \
    X(ftruncate) X(futex) X(getcwd) X(getdents64) X(getegid) X(geteuid) X(getgid) X(getpeername) X(getpid) \
    X(getrandom) X(getsockname) X(getsockopt) X(gettid) X(getuid) X(ioctl) X(kill) X(link) X(linkat) X(listen) \
    X(lseek) X(lstat) X(madvise) X(mkdir) X(mkdirat) X(mmap) X(mount) X(mprotect) X(mremap) X(munmap) X(nanosleep) \
    X(newfstatat) X(open) X(openat) X(pipe) X(pipe2) X(poll) X(ppoll) X(prctl) X(pread64) X(prlimit64) X(pwrite64) \
    X(read) X(readlink) X(readlinkat) X(readv) X(recvfrom) X(recvmsg) X(rename) X(renameat) X(renameat2) X(rmdir) \
    X(rseq) X(rt_sigaction) X(rt_sigprocmask) X(rt_sigreturn) X(sched_getaffinity) X(sched_yield) X(sendmsg) \
    X(sendto) X(set_robust_list) X(set_tid_address) X(setitimer) X(setns) X(setsockopt) X(shutdown) X(sigaltstack) \
    X(socket) X(socketpair) X(stat) X(statfs) X(statx) X(symlink) X(symlinkat) X(sysinfo) X(tgkill) X(umount2) \
    X(uname) X(unlink) X(unlinkat) X(unshare) X(utimensat) X(vfork) X(wait4) X(waitid) X(write) X(writev)
