#pragma once

/*
 * A peer that follows the script of a test, on a plain blocking socket in a thread of its own,
 * while the loop under test runs. Header only; for tests.
 */

#include "base/buf.h"
#include "net/loop.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SCRIPT_TIMEOUT_S 5
#define TRICKLE          ((size_t)4096)

struct script {
    uint16_t port;
    const void *send;
    size_t send_size; /* 0: strlen(send) */
    size_t chunk;     /* bytes per send(); 0: all at once */
    const char
        *until; /* stop reading when the reply contains this; NULL: at the end of the connection */
    size_t until_size; /* stop reading when the reply has this many bytes */
    const void *then;  /* sent when reading has stopped; then it reads to the end */
    size_t then_size;
    int receive_buffer; /* SO_RCVBUF; 0: as it is */
    unsigned n_trickle; /* so many small reads with a pause of 1 ms come first */
    bool is_closing;    /* close after sending, read nothing */

    struct buf reply;
    bool is_timeout; /* nothing came for SCRIPT_TIMEOUT_S */
    bool is_reset;   /* the connection did not end, it broke */
    struct loop_io over;
    int over_fd; /* eventfd: the script is over */
};

static inline int script_connect(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {.tv_sec = SCRIPT_TIMEOUT_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline void script_send(int fd, const void *data, size_t size, size_t chunk)
{
    const char *at = data;

    while (size) {
        size_t n = chunk && chunk < size ? chunk : size;
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

        if (sent < 0)
            return; /* the server has closed: its reply is still to be read */
        at += sent;
        size -= (size_t)sent;
    }
}

static inline void script_read(struct script *s, int fd, bool is_to_end)
{
    char data[65536];
    unsigned n_reads = 0;

    for (;;) {
        ssize_t n;

        if (!is_to_end && s->until && strstr(buf_str(&s->reply), s->until))
            return;
        if (!is_to_end && s->until_size && s->reply.size >= s->until_size)
            return;
        if (n_reads < s->n_trickle)
            (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        n = recv(fd, data, n_reads++ < s->n_trickle ? TRICKLE : sizeof(data), 0);
        if (n < 0) {
            s->is_timeout = errno == EAGAIN;
            s->is_reset = errno == ECONNRESET;
        }
        if (n <= 0 || buf_append(&s->reply, data, (size_t)n) < 0)
            return;
    }
}

static inline void *script_main(void *arg)
{
    struct script *s = arg;
    int fd = script_connect(s->port);
    const uint64_t one = 1;

    if (fd >= 0) {
        if (s->receive_buffer)
            (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &s->receive_buffer, sizeof(int));
        size_t size = s->send_size ? s->send_size : s->send ? strlen(s->send) : 0;

        script_send(fd, s->send, size, s->chunk);
        if (!s->is_closing)
            script_read(s, fd, false);
        if (s->then) {
            script_send(fd, s->then, s->then_size ? s->then_size : strlen(s->then), s->chunk);
            script_read(s, fd, true);
        }
        close(fd);
    }
    return write(s->over_fd, &one, sizeof(one)) < 0 ? s : NULL;
}

static inline void script_on_over(struct loop_io *io, uint32_t events)
{
    (void)events;
    loop_stop(io->loop);
}

/* Runs the loop until the script is over. The reply is the caller's to free with buf_done(). */
static inline void script_run(struct loop *loop, struct script *s)
{
    pthread_t thread;

    buf_init(&s->reply, (size_t)64 * 1024 * 1024);
    s->over_fd = eventfd(0, EFD_CLOEXEC);
    if (loop_io_start(loop, &s->over, s->over_fd, EPOLLIN, script_on_over) < 0)
        return;
    if (pthread_create(&thread, NULL, script_main, s) == 0) {
        loop_run(loop);
        (void)pthread_join(thread, NULL);
    }
    loop_io_stop(&s->over);
    close(s->over_fd);
}
