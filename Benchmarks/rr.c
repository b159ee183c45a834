// rr serve PORT               answers every octet with an octet, on every address
// rr ask ADDRESS PORT MS      asks for so many milliseconds, one octet at a time; prints "COUNT RATE P50 P99": exchanges,
//                             exchanges per second, and the latency in nanoseconds that 50 and 99 of 100 stay within
//
// What request-response costs: each exchange crosses the data path twice, and waits for it. Build: gcc -O2 -static -o rr rr.c
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4 << 20 };

static int fail(const char *what) {
    perror(what);
    return 1;
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void undelayed(int socket) {
    int one = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static int serve(const char *port) {
    // An IPv6 socket takes IPv4 as well.
    int listener = socket(AF_INET6, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port))};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (listener < 0 || bind(listener, (struct sockaddr *)&any, sizeof any) != 0 || listen(listener, 8) != 0)
        return fail("listen");
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0) return fail("accept");
        undelayed(connection);
        char octet;
        while (recv(connection, &octet, 1, 0) == 1 && send(connection, &octet, 1, MSG_NOSIGNAL) == 1) continue;
        close(connection);
    }
}

static int ascending(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static int ask(const char *address, const char *port, int64_t milliseconds) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4.sin_port};
    int is4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    if (!is4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) {
        fprintf(stderr, "%s: no address\n", address);
        return 2;
    }
    int connection = socket(is4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
    const struct sockaddr *peer = is4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
    if (connection < 0 || connect(connection, peer, is4 ? sizeof v4 : sizeof v6) != 0) return fail("connect");
    undelayed(connection);
    uint32_t *latencies = malloc(MOST * sizeof *latencies);
    if (!latencies) return fail("memory");
    int64_t begin = now(), last = begin, end = begin + milliseconds * 1000000;
    size_t count = 0;
    char octet = 'x';
    while (last < end && count < MOST) {
        if (send(connection, &octet, 1, 0) != 1 || recv(connection, &octet, 1, 0) != 1) return fail("exchange");
        int64_t time = now();
        latencies[count++] = (uint32_t)(time - last);
        last = time;
    }
    if (count == 0) return 2;
    qsort(latencies, count, sizeof *latencies, ascending);
    printf("%zu %.0f %u %u\n", count, count * 1e9 / (double)(last - begin), latencies[count / 2],
           latencies[count * 99 / 100]);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && argv[1][0] == 's') return serve(argv[2]);
    if (argc == 5 && argv[1][0] == 'a') return ask(argv[2], argv[3], atoll(argv[4]));
    fprintf(stderr, "usage: rr serve PORT | rr ask ADDRESS PORT MILLISECONDS\n");
    return 2;
}
