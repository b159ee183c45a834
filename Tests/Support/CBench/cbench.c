#define _GNU_SOURCE
#include "cbench.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

int cbench_unshare_net(void) { return unshare(CLONE_NEWNET); }

int cbench_unshare_mounts(void) {
    if (unshare(CLONE_NEWNS) < 0) return -1;
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

int cbench_setns_net(int fd) { return setns(fd, CLONE_NEWNET); }

int cbench_stay_on_processor(void) {
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(sched_getcpu(), &own);
    return sched_setaffinity(0, sizeof own, &own);
}

int cbench_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int cbench_pipe_reserve(int fd, int bytes) { return fcntl(fd, F_SETPIPE_SZ, bytes) < 0 ? -1 : 0; }
