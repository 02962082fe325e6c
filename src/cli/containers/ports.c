#include "cli/containers/ports.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/common/member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT ((size_t)64 * 1024)

struct port {
    const char *ip;   /* "" when only exposed */
    const char *type; /* "tcp", ... */
    json_int_t private, public;
};

/* By private port first, so that the ports of a range are found in order. */
static int compare(const void *a, const void *b)
{
    const struct port *x = a, *y = b;

    if (x->private != y->private)
        return x->private < y->private ? -1 : 1;
    if (strcmp(x->ip, y->ip) != 0)
        return strcmp(x->ip, y->ip);
    if (x->public != y->public)
        return x->public < y->public ? -1 : 1;
    return strcmp(x->type, y->type);
}

static size_t read_ports(const json_t *list, struct port *ports)
{
    size_t n = json_array_size(list) < PORTS_MAX ? json_array_size(list) : PORTS_MAX;

    for (size_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(list, i);

        ports[i] = (struct port){
            .ip = member_text(o, "IP"),
            .type = *member_text(o, "Type") ? member_text(o, "Type") : "tcp",
            .private = member_integer(o, "PrivatePort"),
            .public = member_integer(o, "PublicPort"),
        };
    }
    qsort(ports, n, sizeof(*ports), compare);
    return n;
}

/* Published under another number: such a port is not joined to a range. */
static bool is_moved(const struct port *p)
{
    return p->ip[0] && p->public != p->private;
}

/* Ports of one group can be joined to a range. */
static bool is_same_group(const struct port *a, const struct port *b)
{
    return !is_moved(a) && !is_moved(b) && str_eq(a->ip, b->ip) && str_eq(a->type, b->type);
}

/* Appending fails only when the text is too long to be useful; then it is truncated. */
static void put_address(struct buf *out, const struct port *p)
{
    if (p->ip[0])
        (void)buf_printf(out, strchr(p->ip, ':') ? "[%s]:" : "%s:", p->ip);
}

static void put_range(struct buf *out, const struct port *p, json_int_t last)
{
    char range[48];

    (void)snprintf(range, sizeof(range), last > p->private ? "%lld-%lld" : "%lld", p->private,
                   last);
    (void)buf_append_str(out, out->size ? ", " : "");
    put_address(out, p);
    if (p->ip[0])
        (void)buf_printf(out, "%s->", range);
    (void)buf_printf(out, "%s/%s", range, p->type);
}

/* All ranges of the group that the first port belongs to; its ports are marked as done. */
static void put_group(struct buf *out, const struct port *ports, size_t n, bool *is_done)
{
    const struct port *first = ports;
    json_int_t last = first->private;

    for (size_t i = 1; i < n; i++) {
        if (is_done[i] || !is_same_group(&ports[0], &ports[i]))
            continue;
        is_done[i] = true;
        if (ports[i].private > last + 1) {
            put_range(out, first, last);
            first = &ports[i];
        }
        last = ports[i].private;
    }
    put_range(out, first, last);
}

char *ports_text(const json_t *list)
{
    struct port ports[PORTS_MAX] = {0};
    bool is_done[PORTS_MAX] = {false};
    struct buf out = BUF_INIT(MAX_TEXT);
    size_t n = read_ports(list, ports);

    for (size_t i = 0; i < n; i++) {
        if (!is_done[i] && !is_moved(&ports[i]))
            put_group(&out, &ports[i], n - i, &is_done[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_moved(&ports[i]))
            continue;
        (void)buf_append_str(&out, out.size ? ", " : "");
        put_address(&out, &ports[i]);
        (void)buf_printf(&out, "%lld->%lld/%s", ports[i].public, ports[i].private, ports[i].type);
    }
    return buf_take(&out);
}
