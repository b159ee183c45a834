// peak FILE PROGRAM [ARGUMENT...]: runs the program and adds a line to FILE: its peak resident set in KiB.
//
// The kernel counts the memory that exec replaces as the new program's, so a large parent hides the peak of a small child.
// This parent is as small as they come. Build: gcc -O2 -static -o peak peak.c
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 3) return 125;
    pid_t child = fork();
    if (child < 0) return 125;
    if (child == 0) {
        execv(argv[2], argv + 2);
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (wait4(child, &status, 0, &usage) < 0) return 125;
    FILE *file = fopen(argv[1], "a");
    if (!file) return 125;
    fprintf(file, "%ld\n", usage.ru_maxrss);
    if (fclose(file) != 0) return 125;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
