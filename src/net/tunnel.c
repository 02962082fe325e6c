#include "net/tunnel.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "net/http_head.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define REQUEST_MAX ((size_t)4 * 1024)
#define READ_SIZE   4096

enum http_status {
    STATUS_OK = 200,
    STATUS_FORBIDDEN = 403,
    STATUS_PROXY_AUTHENTICATION = 407,
    STATUS_BAD_GATEWAY = 502,
    STATUS_GATEWAY_TIMEOUT = 504,
};

struct tunnel {
    struct proxy proxy;
    char *to; /* host:port */
    struct buf request;
    size_t sent;
    struct buf answer;
    size_t scanned;
};

static void write_request(struct tunnel *t, const char *agent)
{
    int r;

    buf_init(&t->request, REQUEST_MAX);
    r = buf_printf(&t->request, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", t->to, t->to);
    if (r == 0 && agent)
        r = buf_printf(&t->request, "User-Agent: %s\r\n", agent);
    if (r == 0 && t->proxy.credentials) {
        r = buf_printf(&t->request, "Proxy-Authorization: Basic %s\r\n", t->proxy.credentials);
    }
    if (r == 0)
        r = buf_append_str(&t->request, "\r\n");
    assert(r == 0); /* all parts are bounded */
}

struct tunnel *tunnel_new(struct proxy *proxy, const struct address *to, const char *agent)
{
    struct tunnel *t = xcalloc(1, sizeof(*t));

    t->proxy = TAKE(*proxy, (struct proxy){0});
    t->to = xstrdup(to->display);
    buf_init(&t->answer, HTTP_HEAD_MAX + READ_SIZE);
    write_request(t, agent);
    return t;
}

void tunnel_free(struct tunnel *t)
{
    if (!t)
        return;
    proxy_done(&t->proxy);
    explicit_bzero(t->request.data, t->request.size);
    buf_done(&t->request);
    buf_done(&t->answer);
    free(t->to);
    free(t);
}

const struct address *tunnel_proxy(const struct tunnel *t)
{
    return &t->proxy.address;
}

bool tunnel_wants_write(const struct tunnel *t)
{
    return t->sent < t->request.size;
}

static int fail(char *why, size_t size, int code, const char *text)
{
    str_copy(why, size, text);
    return code;
}

static int send_request(struct tunnel *t, struct wire *w, char *why, size_t size)
{
    while (tunnel_wants_write(t)) {
        ssize_t n = wire_send(w, t->request.data + t->sent, t->request.size - t->sent);

        if (n == -EAGAIN)
            return -EAGAIN;
        if (n < 0)
            return fail(why, size, (int)n, error_text((int)n));
        t->sent += (size_t)n;
    }
    return 0;
}

/* Whether the proxy takes Basic authentication. Cuts `head` into lines. */
static bool takes_basic(char *head)
{
    static const char name[] = "proxy-authenticate:";

    for (char *rest = head, *line; (line = strsep(&rest, "\n"));) {
        if (strncasecmp(line, name, strlen(name)) == 0 && strcasestr(line, "basic"))
            return true;
    }
    return false;
}

static const char *explain_status(const struct tunnel *t, unsigned status, bool is_basic)
{
    if (status != STATUS_PROXY_AUTHENTICATION)
        return "";
    if (!is_basic)
        return ", and asks for a kind of authentication that is not supported (only Basic is)";
    return t->proxy.credentials ? ", which refuses the user and password of "
                                : ", which asks for a user and password in ";
}

static int refuse(const struct tunnel *t, unsigned status, bool is_basic, char *why, size_t size)
{
    const char *reason = explain_status(t, status, is_basic);

    (void)snprintf(why, size, "it answered CONNECT %s with HTTP status %u%s%s", t->to, status,
                   reason, str_ends_with(reason, " ") ? t->proxy.variable : "");
    switch (status) {
    case STATUS_FORBIDDEN:
    case STATUS_PROXY_AUTHENTICATION: return -EACCES;
    default:
        return status >= STATUS_BAD_GATEWAY && status <= STATUS_GATEWAY_TIMEOUT ? -EHOSTUNREACH
                                                                                : -EPROTO;
    }
}

static int judge_answer(struct tunnel *t, size_t head_size, char *why, size_t size)
{
    _cleanup_free_ char *head = xstrndup(t->answer.data, head_size);
    unsigned status = http_head_status(head);

    if (!status)
        return fail(why, size, -EPROTO, "it does not speak HTTP");
    if (status / 100 != STATUS_OK / 100)
        return refuse(t, status, takes_basic(head), why, size);
    if (t->answer.size > head_size)
        return fail(why, size, -EPROTO, "it sent bytes of its own into the tunnel");
    return 0;
}

static int read_answer(struct tunnel *t, struct wire *w, char *why, size_t size)
{
    char data[READ_SIZE];

    for (;;) {
        ssize_t n = wire_read(w, data, sizeof(data));
        int r;

        if (n == -EAGAIN || n == -EINTR)
            return -EAGAIN;
        if (n == 0)
            return fail(why, size, -ECONNRESET, "it closed the connection before its answer");
        if (n < 0)
            return fail(why, size, (int)n, error_text((int)n));
        r = buf_append(&t->answer, data, (size_t)n);
        assert(r == 0); /* http_head_find() has refused more than the maximum */
        r = http_head_find(buf_str(&t->answer), t->answer.size, &t->scanned);
        if (r == -EMSGSIZE)
            return fail(why, size, -EPROTO, "the head of its answer is too long");
        if (r < 0)
            return fail(why, size, -EPROTO, "it does not speak HTTP");
        if (r > 0)
            return judge_answer(t, (size_t)r, why, size);
    }
}

int tunnel_run(struct tunnel *t, struct wire *w, char *why, size_t size)
{
    int r = send_request(t, w, why, size);

    return r == 0 ? read_answer(t, w, why, size) : r;
}
