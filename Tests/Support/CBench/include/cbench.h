// What Swift's Glibc module lacks, for starting and measuring processes in namespaces. No policy here.
// Every function returns 0 or a descriptor, or -1 with errno set, like the call that it stands for.
#pragma once

/// unshare(CLONE_NEWNET): the calling thread gets a new, empty network namespace.
int cbench_unshare_net(void);
/// unshare(CLONE_NEWNS), then everything private: later mounts stay in this process and its children.
int cbench_unshare_mounts(void);
/// setns(fd, CLONE_NEWNET) for the calling thread.
int cbench_setns_net(int fd);
/// sched_setaffinity(2): the calling thread stays on the processor that it is on.
int cbench_stay_on_processor(void);
/// pipe2(O_CLOEXEC), so that no process started by another thread can inherit an end.
int cbench_pipe(int ends[2]);
/// Room for at least `bytes` in the pipe (F_SETPIPE_SZ).
int cbench_pipe_reserve(int fd, int bytes);
