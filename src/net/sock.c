#include "net/sock.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* TLS records are 16 KiB; lws copies what the kernel does not take, so this bounds that copy. */
#define TLS_WRITE_MAX 16384

/*
 * Careful: while lws holds unwritten bytes it does not read, but still polls for input, and would
 * spin on a peer that sends and does not read. So reading is off then.
 */
static void apply_pause(struct sock *s)
{
    lws_rx_flow_control(s->wsi, s->is_paused || s->is_choked ? 0 : 1);
}

static void update_choked(struct sock *s)
{
    bool is_choked = lws_partial_buffered(s->wsi);

    if (is_choked == s->is_choked)
        return;
    s->is_choked = is_choked;
    apply_pause(s);
}

static void lose(struct sock *s)
{
    lws_set_opaque_user_data(s->wsi, NULL);
    s->wsi = NULL;
}

static void count_closed(struct sock_group *g)
{
    g->n_open--;
    if (!g->n_open && g->on_empty)
        g->on_empty(g); /* g may be gone now */
}

int sock_callback(
    struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
    struct sock *s = lws_get_opaque_user_data(wsi);

    (void)user;
    switch ((int)reason) {
    case LWS_CALLBACK_RAW_ADOPT:
        ((struct sock_group *)lws_vhost_user(lws_get_vhost(wsi)))->n_open++;
        break;
    case LWS_CALLBACK_RAW_RX:
        if (s)
            s->ops->on_data(s, in, size);
        break;
    case LWS_CALLBACK_RAW_WRITEABLE:
        if (!s)
            break;
        update_choked(s);
        s->ops->on_writable(s);
        break;
    case LWS_CALLBACK_RAW_CLOSE:
        if (s) {
            lose(s);
            s->ops->on_closed(s); /* s is gone now */
        }
        count_closed(lws_vhost_user(lws_get_vhost(wsi)));
        break;
    default: break;
    }
    return 0;
}

int sock_adopt(struct sock *s, struct lws_vhost *vhost, int fd, const struct sock_ops *ops)
{
    lws_sock_file_fd_type desc = {.sockfd = fd};
    struct lws *wsi;

    wsi = lws_adopt_descriptor_vhost(vhost, LWS_ADOPT_SOCKET | LWS_ADOPT_ALLOW_SSL, desc,
                                     SOCK_PROTOCOL, NULL);
    if (!wsi)
        return -ENOMEM; /* lws has closed fd */

    *s = (struct sock){.wsi = wsi, .ops = ops};
    lws_set_opaque_user_data(wsi, s);
    return 0;
}

void sock_move(struct sock *to, struct sock *from, const struct sock_ops *ops)
{
    *to = *from;
    to->ops = ops;
    lws_set_opaque_user_data(to->wsi, to);
    from->wsi = NULL;
}

void sock_close(struct sock *s)
{
    struct lws *wsi = s->wsi;

    if (!wsi)
        return;
    lose(s);
    /* Not the synchronous kind: lws may be in a callback of this very connection. */
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

static ssize_t write_tls(struct sock *s, unsigned char *data, size_t size)
{
    int n;

    if (lws_partial_buffered(s->wsi))
        return 0;
    n = lws_write(s->wsi, data, size < TLS_WRITE_MAX ? size : TLS_WRITE_MAX, LWS_WRITE_RAW);
    if (n < 0)
        return -EPIPE;
    update_choked(s);
    return n;
}

ssize_t sock_write(struct sock *s, unsigned char *data, size_t size)
{
    ssize_t n;

    if (!s->wsi)
        return -ENOTCONN;
    if (!size)
        return 0;
    if (lws_is_ssl(s->wsi))
        return write_tls(s, data, size);

    do {
        n = send(lws_get_socket_fd(s->wsi), data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
    return n;
}

void sock_want_write(struct sock *s)
{
    if (s->wsi)
        lws_callback_on_writable(s->wsi);
}

bool sock_is_flushed(const struct sock *s)
{
    return !s->wsi || !lws_partial_buffered(s->wsi);
}

void sock_end(struct sock *s)
{
    if (s->wsi && !lws_is_ssl(s->wsi))
        (void)shutdown(lws_get_socket_fd(s->wsi), SHUT_WR); /* a dead socket says so elsewhere */
}

void sock_pause(struct sock *s, bool is_paused)
{
    if (!s->wsi || s->is_paused == is_paused)
        return;
    s->is_paused = is_paused;
    apply_pause(s);
}

bool sock_is_tls(const struct sock *s)
{
    return s->wsi && lws_is_ssl(s->wsi);
}

void sock_address_of_fd(int fd, char ret[SOCK_ADDRESS_SIZE])
{
    static const char mapped[] = "::ffff:";
    struct sockaddr_storage a = {0};
    socklen_t size = sizeof(a);
    const void *ip = &((const struct sockaddr_in *)&a)->sin_addr;
    char text[SOCK_ADDRESS_SIZE] = "";

    if (getpeername(fd, (struct sockaddr *)&a, &size) == 0) {
        if (a.ss_family == AF_INET6)
            ip = &((const struct sockaddr_in6 *)&a)->sin6_addr;
        if (!inet_ntop(a.ss_family, ip, text, sizeof(text)))
            text[0] = '\0';
    }
    str_copy(ret, SOCK_ADDRESS_SIZE, str_starts_with(text, mapped) ? text + strlen(mapped) : text);
}

void sock_address(const struct sock *s, char ret[SOCK_ADDRESS_SIZE])
{
    sock_address_of_fd(s->wsi ? lws_get_socket_fd(s->wsi) : -1, ret);
}
