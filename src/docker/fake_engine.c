#include "docker/fake_engine.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "docker/engine.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MAX_REQUESTS 20000
#define MAX_HEAD     65536

struct fake_engine {
    const struct fake_line *lines;
    size_t n;
    char dir[32];
    char *path, *address;
    int listener;
    int stop[2]; /* closing the write end stops the thread and all connections */
    pthread_t thread;
    pthread_mutex_t lock;
    char *requests[MAX_REQUESTS]; /* request lines without version */
    char *bodies[MAX_REQUESTS];
    size_t n_requests;
};

struct connection {
    struct fake_engine *engine;
    int fd;
};

static const struct fake_line version = {
    .request = "GET /version", .body = "{\"ApiVersion\":\"1.45\",\"MinAPIVersion\":\"1.24\"}"};
static const struct fake_line absent = {
    .answer =
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n"
        "{\"message\":\"no such thing\"}"};

static void send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

        if (r <= 0)
            return;
        p += r;
        n -= (size_t)r;
    }
}

static void wait_for_stop(const struct connection *c)
{
    struct pollfd fds[] = {
        {.fd = c->engine->stop[0], .events = POLLIN},
        {.fd = c->fd,              .events = POLLIN}
    };
    char byte;

    for (;;) {
        if (poll(fds, 2, -1) < 0 || fds[0].revents || recv(c->fd, &byte, 1, 0) <= 0)
            return;
    }
}

static void answer(const struct connection *c, const struct fake_line *line)
{
    struct linger reset = {.l_onoff = 1};
    _cleanup_free_ char *text = NULL;
    size_t size;

    if (line->answer) {
        text = xstrdup(line->answer);
    } else {
        text = xasprintf(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
            strlen(line->body), line->body);
    }
    if (line->how == FAKE_DRIP) {
        for (const char *p = text; *p; p++)
            send_all(c->fd, p, 1);
    } else {
        size = strlen(text);
        for (char *p = strchr(text, 0xfe); p; p = strchr(p + 1, 0xfe))
            *p = '\0';
        send_all(c->fd, text, size);
    }
    if (line->how == FAKE_HANG)
        wait_for_stop(c);
    if (line->how == FAKE_RESET)
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

static const struct fake_line *find_line(const struct fake_engine *f,
                                         const char *request,
                                         const char *head)
{
    for (size_t i = 0; i < f->n; i++) {
        if (str_starts_with(request, f->lines[i].request) ||
            str_starts_with(head, f->lines[i].request))
            return f->lines[i].how == FAKE_ABSENT ? &absent : &f->lines[i];
    }
    return str_starts_with(request, version.request) ? &version : &absent;
}

/* "GET /v1.45/info HTTP/1.1..." -> "GET /info" */
static char *request_of(const char *head)
{
    const char *space = strchr(head, ' '), *path, *end;

    assert(space);
    path = space + 1;
    if (str_starts_with(path, "/v1."))
        path = strchr(path + 1, '/');
    assert(path);
    end = path + strcspn(path, " \r\n");
    return xasprintf("%.*s %.*s", (int)(space - head), head, (int)(end - path), path);
}

/* Whether the head and the whole body were received. */
static bool is_complete(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "\r\nContent-Length: ");
    uint64_t n = 0;

    if (!end)
        return false;
    if (length && length < end) {
        _cleanup_free_ char *digits = xstrndup(length + 18, strcspn(length + 18, "\r"));

        (void)parse_u64(digits, MAX_HEAD, &n);
    }
    return strlen(end + 4) >= n;
}

static void *serve_connection(void *arg)
{
    struct connection *c = arg;
    struct buf head = BUF_INIT(MAX_HEAD);
    char piece[4096];
    ssize_t n = 1;

    while (n > 0 && !is_complete(buf_str(&head))) {
        n = recv(c->fd, piece, sizeof(piece), 0);
        if (n > 0 && buf_append(&head, piece, (size_t)n) < 0)
            break;
    }
    if (n > 0) {
        char *request = request_of(buf_str(&head));
        const struct fake_line *line = find_line(c->engine, request, buf_str(&head));

        pthread_mutex_lock(&c->engine->lock);
        assert(c->engine->n_requests < MAX_REQUESTS);
        c->engine->bodies[c->engine->n_requests] = xstrdup(strstr(buf_str(&head), "\r\n\r\n") + 4);
        c->engine->requests[c->engine->n_requests++] = request;
        pthread_mutex_unlock(&c->engine->lock);
        answer(c, line);
    }
    close(c->fd);
    buf_done(&head);
    free(c);
    return NULL;
}

static void *serve(void *arg)
{
    struct fake_engine *f = arg;
    struct pollfd fds[] = {
        {.fd = f->stop[0],  .events = POLLIN},
        {.fd = f->listener, .events = POLLIN}
    };
    pthread_t threads[MAX_REQUESTS];
    size_t n = 0;

    while (poll(fds, 2, -1) > 0 && !fds[0].revents) {
        int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
        struct connection *c = xcalloc(1, sizeof(*c));

        *c = (struct connection){f, fd};
        assert(fd >= 0 && n < MAX_REQUESTS);
        if (pthread_create(&threads[n], NULL, serve_connection, c) == 0)
            n++;
    }
    for (size_t i = 0; i < n; i++)
        (void)pthread_join(threads[i], NULL);
    return NULL;
}

void fake_engine_resume(struct fake_engine *f)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int r;

    str_copy(a.sun_path, sizeof(a.sun_path), f->path);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    r = bind(f->listener, (const struct sockaddr *)&a, sizeof(a));
    assert(r == 0);
    r = listen(f->listener, 128);
    assert(r == 0);
    r = pipe(f->stop);
    assert(r == 0);
    r = pthread_create(&f->thread, NULL, serve, f);
    assert(r == 0);
}

void fake_engine_pause(struct fake_engine *f)
{
    close(f->stop[1]);
    (void)pthread_join(f->thread, NULL);
    close(f->stop[0]);
    close(f->listener);
    (void)unlink(f->path);
}

struct fake_engine *fake_engine_open(const struct fake_line *lines, size_t n)
{
    struct fake_engine *f = xcalloc(1, sizeof(*f));
    const char *dir;

    f->lines = lines;
    f->n = n;
    str_copy(f->dir, sizeof(f->dir), "/tmp/fake-engine-XXXXXX");
    dir = mkdtemp(f->dir);
    assert(dir);
    f->path = xasprintf("%s/sock", f->dir);
    f->address = xasprintf("unix://%s", f->path);
    pthread_mutex_init(&f->lock, NULL);
    fake_engine_resume(f);
    return f;
}

void fake_engine_close(struct fake_engine *f)
{
    if (!f)
        return;
    fake_engine_pause(f);
    (void)rmdir(f->dir);
    for (size_t i = 0; i < f->n_requests; i++) {
        free(f->requests[i]);
        free(f->bodies[i]);
    }
    free(f->path);
    free(f->address);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

const char *fake_engine_address(const struct fake_engine *f)
{
    return f->address;
}

struct engine *fake_engine_client(const struct fake_engine *f, struct loop *loop)
{
    struct engine *engine = NULL;

    if (engine_new(&engine, &(struct engine_options){.loop = loop, .address = f->address}, NULL) <
        0)
        abort();
    return engine;
}

unsigned fake_engine_count(struct fake_engine *f, const char *request)
{
    unsigned count = 0;

    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n_requests; i++)
        count += str_starts_with(f->requests[i], request) ? 1 : 0;
    pthread_mutex_unlock(&f->lock);
    return count;
}

bool fake_engine_received(struct fake_engine *f, const char *body)
{
    bool is_found = false;

    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n_requests; i++)
        is_found = is_found || str_eq(f->bodies[i], body);
    pthread_mutex_unlock(&f->lock);
    return is_found;
}
