// What Swift's Glibc module lacks for starting and measuring processes in namespaces; no policy here.
// Like the calls that they wrap, all functions return 0 or a descriptor, or -1 with errno set.
#pragma once

/// unshare(CLONE_NEWNET): the calling thread gets a new, empty network namespace.
int cbench_unshare_net(void);
/// unshare(CLONE_NEWNS), then makes all mounts private: later ones stay in this process and its children.
int cbench_unshare_mounts(void);
/// setns(fd, CLONE_NEWNET) for the calling thread.
int cbench_setns_net(int fd);
/// sched_setaffinity(2): pins the calling thread to its current processor.
int cbench_stay_on_processor(void);
/// pipe2(O_CLOEXEC), so that processes started by other threads cannot inherit an end.
int cbench_pipe(int ends[2]);
/// Room for at least `bytes` in the pipe (F_SETPIPE_SZ).
int cbench_pipe_reserve(int fd, int bytes);
