// Runs a program and makes one of its system calls fail.
//
//     fault-injector LOG SECONDS FAULT PROCESS CALL PROGRAM [ARGUMENT...]
//
// FAULT is what happens at that call of that process: `none`; `kill` before the kernel executes the call; `error=N`: the call
// is not executed and fails with that error number; `truncate`: a received message is reported as longer than it was; `halve`:
// the second half of the received data is missing; `hold`: the call waits until somebody has opened the named pipe LOG.held for
// writing, which shows that the call is about to happen, and closed it again.
// PROCESS 0 is the program; the others are its descendants in order of creation. CALL counts from 1, for the program from
// execve on; it can also be NAME:N, the N-th call of that name. Each call is a line of the log, `PROCESS CALL NUMBER-IN-MAIN
// NAME`, with `!` in front of the faulty one. Calls before main come from libc and the language's runtime. strace(1) can do
// nearly all of this, but it counts each kind of call separately, and cannot tell a child from its parent.
//
// Exits with the program's status: when the program ends or, for `none` and for faults of descendants, when all processes have
// ended. Exits with 124 after SECONDS; all processes have then been killed.
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "names.h"

enum { most_processes = 64 };

struct process {
    pid_t pid;
    long calls, calls_in_main;
    int is_in_main, is_faulty;
    struct __ptrace_syscall_info entry;
};

static struct process processes[most_processes];
static int process_count;
static volatile sig_atomic_t is_late;

static struct {
    enum { none, kill_it, fail, truncate_it, halve, hold } kind;
    long error, process, call;
    /// If not NULL, only calls of that name are counted, in `seen`.
    const char *name;
    long seen;
    char pipe[PATH_MAX];
} fault;

static void die(const char *what) {
    fprintf(stderr, "fault-injector: %s: %s\n", what, strerror(errno));
    exit(125);
}

static const char *name_of(uint64_t number) {
    static char unknown[32];
    switch (number) {
#define NAME(call) case SYS_##call: return #call;
        CALLS(NAME)
    }
    snprintf(unknown, sizeof unknown, "call_%llu", (unsigned long long)number);
    return unknown;
}

static struct process *find(pid_t pid) {
    for (int i = 0; i < process_count; i++)
        if (processes[i].pid == pid) return &processes[i];
    if (process_count == most_processes) exit(125);
    processes[process_count].pid = pid;
    // Descendants are created in main.
    processes[process_count].is_in_main = process_count > 0;
    return &processes[process_count++];
}

static void copy(pid_t pid, void *here, uint64_t there, size_t size, int writes) {
    struct iovec local = {here, size}, remote = {(void *)(uintptr_t)there, size};
    ssize_t done = writes ? process_vm_writev(pid, &local, 1, &remote, 1, 0)
                          : process_vm_readv(pid, &local, 1, &remote, 1, 0);
    if (done != (ssize_t)size) die("reach the program's memory");
}

// In main, the first call examines the pod's namespace, or reads the configuration if there is no namespace.
static int begins_main(pid_t pid, const struct __ptrace_syscall_info *info) {
    uint64_t number = info->entry.nr;
    if (number == SYS_read) return info->entry.args[0] == 0;
    uint64_t path;
    if (number == SYS_newfstatat || number == SYS_statx) path = info->entry.args[1];
#ifdef SYS_stat
    else if (number == SYS_stat) path = info->entry.args[0];
#endif
    else return 0;
    const char *netns = getenv("CNI_NETNS");
    char text[PATH_MAX];
    size_t size = netns ? strlen(netns) + 1 : 0;
    struct iovec local = {text, size}, remote = {(void *)(uintptr_t)path, size};
    return size > 1 && size <= sizeof text && process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)size
        && memcmp(text, netns, size) == 0;
}

#if defined __x86_64__
static void change(pid_t pid, int sets_result, uint64_t value) {
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, pid, 0, &registers) < 0) die("read registers");
    if (sets_result) registers.rax = value; else registers.orig_rax = value;
    if (ptrace(PTRACE_SETREGS, pid, 0, &registers) < 0) die("write registers");
}
static void set_first_argument(pid_t pid, uint64_t value) {
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, pid, 0, &registers) < 0) die("read registers");
    registers.rdi = value;
    if (ptrace(PTRACE_SETREGS, pid, 0, &registers) < 0) die("write registers");
}
// Programs rely on this register, because no system call changes it.
static void restore_first_argument(pid_t pid, uint64_t value) { set_first_argument(pid, value); }
static void set_call(pid_t pid, uint64_t number) { change(pid, 0, number); }
static void set_result(pid_t pid, uint64_t value) { change(pid, 1, value); }
#elif defined __aarch64__
static void set_register(pid_t pid, int which, uint64_t value) {
    struct user_pt_regs registers;
    struct iovec vector = {&registers, sizeof registers};
    if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &vector) < 0) die("read registers");
    registers.regs[which] = value;
    if (ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &vector) < 0) die("write registers");
}
static void set_first_argument(pid_t pid, uint64_t value) { set_register(pid, 0, value); }
// The result is in the same register.
static void restore_first_argument(pid_t pid, uint64_t value) { (void)pid, (void)value; }
static void set_call(pid_t pid, uint64_t number) {
    int value = (int)number;
    struct iovec vector = {&value, sizeof value};
    if (ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &vector) < 0) die("change a call");
}
static void set_result(pid_t pid, uint64_t value) { set_register(pid, 0, value); }
#else
#error "say how a system call is changed here"
#endif

static int is_meant(const struct process *process) {
    if (fault.kind == none || process != &processes[fault.process]) return 0;
    if (!fault.name) return process->calls == fault.call;
    return strcmp(name_of(process->entry.entry.nr), fault.name) == 0 && ++fault.seen == fault.call;
}

static void wait_for_release(void) {
    int gate = open(fault.pipe, O_RDONLY | O_CLOEXEC);
    char octet;
    // The caller handles the timeout.
    if (gate < 0 && errno == EINTR) return;
    if (gate < 0) die(fault.pipe);
    while (read(gate, &octet, 1) > 0) continue;
    close(gate);
}

static void on_entry(struct process *process, FILE *log) {
    struct __ptrace_syscall_info *info = &process->entry;
    // Calls before execve belong to the injector itself.
    if (process == processes && process->calls == 0 && info->entry.nr != SYS_execve) return;
    process->calls++;
    if (!process->is_in_main) process->is_in_main = begins_main(process->pid, info);
    if (process->is_in_main) process->calls_in_main++;
    process->is_faulty = is_meant(process);
    fprintf(
        log, "%s%d %ld %ld %s\n", process->is_faulty ? "! " : "", (int)(process - processes), process->calls,
        process->calls_in_main, name_of(info->entry.nr));
    fflush(log);
    if (!process->is_faulty) return;
    if (fault.kind == kill_it) kill(process->pid, SIGKILL);
    if (fault.kind == hold) wait_for_release();
    if (fault.kind != fail) return;
    // The kernel's brk reports failure by leaving the break where it is.
    if (info->entry.nr == SYS_brk) set_first_argument(process->pid, 0);
    else set_call(process->pid, (uint64_t)-1);
}

static void on_exit_of_call(struct process *process, const struct __ptrace_syscall_info *info) {
    if (!process->is_faulty) return;
    process->is_faulty = 0;
    int64_t result = info->exit.rval;
    const struct __ptrace_syscall_info *entry = &process->entry;
    if (fault.kind == fail && entry->entry.nr == SYS_brk) restore_first_argument(process->pid, entry->entry.args[0]);
    else if (fault.kind == fail) set_result(process->pid, (uint64_t)-fault.error);
    int is_message = entry->entry.nr == SYS_recvmsg && result > 0;
    if (fault.kind == halve && is_message) set_result(process->pid, (uint64_t)(result / 2));
    if (fault.kind == truncate_it && is_message) {
        struct msghdr message;
        copy(process->pid, &message, entry->entry.args[1], sizeof message, 0);
        message.msg_flags |= MSG_TRUNC;
        copy(process->pid, &message, entry->entry.args[1], sizeof message, 1);
    }
}

static void on_time_over(int signal) {
    (void)signal;
    is_late = 1;
}

static int end_all(void) {
    for (int i = 0; i < process_count; i++) kill(processes[i].pid, SIGKILL);
    return 124;
}

static int end_as(int status) {
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
    return 128 + WTERMSIG(status);
}

static int trace(pid_t program, FILE *log) {
    find(program);
    int result = 0, running = 1, waits_for_all = fault.kind == none || fault.process > 0;
    for (;;) {
        int status;
        if (is_late) return end_all();
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) die("wait");
        int before = process_count;
        struct process *process = find(pid);
        running += process_count - before;
        if (!WIFSTOPPED(status)) {
            if (pid == program) result = status;
            if (--running == 0 || (pid == program && !waits_for_all)) return end_as(result);
            continue;
        }
        int signal = WSTOPSIG(status), event = status >> 16, passed_on = 0;
        if (signal == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info info;
            if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) < 0) {
                if (errno == ESRCH) continue;
                die("look at a system call");
            }
            if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
                process->entry = info;
                on_entry(process, log);
            } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
                on_exit_of_call(process, &info);
            }
        } else if (event == 0) {
            passed_on = signal;
        }
        ptrace(PTRACE_SYSCALL, pid, 0, passed_on);
    }
}

static void read_fault(char *kind, char *process, char *call) {
    if (strcmp(kind, "kill") == 0) fault.kind = kill_it;
    else if (strcmp(kind, "truncate") == 0) fault.kind = truncate_it;
    else if (strcmp(kind, "halve") == 0) fault.kind = halve;
    else if (strcmp(kind, "hold") == 0) fault.kind = hold;
    else if (strncmp(kind, "error=", 6) == 0) fault.kind = fail, fault.error = atol(kind + 6);
    fault.process = atol(process);
    char *number = strchr(call, ':');
    if (number) *number++ = 0, fault.name = call;
    fault.call = atol(number ? number : call);
}

int main(int count, char **arguments) {
    if (count < 7) {
        fprintf(stderr, "fault-injector LOG SECONDS FAULT PROCESS CALL PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    FILE *log = fopen(arguments[1], "we");
    if (!log) die(arguments[1]);
    read_fault(arguments[3], arguments[4], arguments[5]);
    snprintf(fault.pipe, sizeof fault.pipe, "%s.held", arguments[1]);
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) < 0) die("make a pipe");
    pid_t program = fork();
    if (program < 0) die("fork");
    if (program == 0) {
        char go;
        if (read(ready[0], &go, 1) != 1) _exit(127);
        execvp(arguments[6], arguments + 6);
        _exit(127);
    }
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE
        | PTRACE_O_TRACEEXEC;
    if (ptrace(PTRACE_SEIZE, program, 0, options) < 0) die("trace");
    struct sigaction action = {.sa_handler = on_time_over};
    sigaction(SIGALRM, &action, NULL);
    // The parent may have left it blocked.
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
    alarm((unsigned)atoi(arguments[2]));
    if (ptrace(PTRACE_INTERRUPT, program, 0, 0) < 0) die("stop");
    close(ready[0]);
    if (write(ready[1], "!", 1) != 1) die("begin");
    return trace(program, log);
}
