#include "agent/stats/link_stats.h"

#include "base/alloc.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_SIZE ((size_t)64 * 1024)
#define REQUEST_MAX 64

struct peer {
    int index, nsid;
};

struct link_stats {
    int fd;
    uint32_t seq;
    char *answer;
    struct link_counters *counters; /* by index, which mostly is the order of the kernel's dump */
    size_t n_counters, counters_capacity;
    struct peer *peers;
    size_t n_peers, peers_capacity;
};

struct request {
    uint16_t type;
    bool is_dump;
    const void *body;
    size_t size;
    void (*on_message)(void *owner, const struct nlmsghdr *h);
    void *owner;
};

int link_stats_new(struct link_stats **ret, struct error *err)
{
    _cleanup_(link_stats_freep) struct link_stats *ls = xcalloc(1, sizeof(*ls));

    ls->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (ls->fd < 0)
        return error_set(err, -errno, "cannot open a netlink socket: %s", error_text(-errno));
    ls->answer = xmalloc(ANSWER_SIZE);
    *ret = TAKE_PTR(ls);
    return 0;
}

void link_stats_free(struct link_stats *ls)
{
    if (!ls)
        return;
    if (ls->fd >= 0)
        close(ls->fd);
    free(ls->answer);
    free(ls->counters);
    free(ls->peers);
    free(ls);
}

static int send_request(struct link_stats *ls, const struct request *q)
{
    struct {
        struct nlmsghdr h;
        char body[REQUEST_MAX];
    } message = {0};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

    message.h.nlmsg_len = (uint32_t)NLMSG_LENGTH(q->size);
    message.h.nlmsg_type = q->type;
    message.h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (q->is_dump ? NLM_F_DUMP : 0));
    message.h.nlmsg_seq = ++ls->seq;
    memcpy(message.body, q->body, q->size);
    if (sendto(ls->fd, &message, message.h.nlmsg_len, 0, (struct sockaddr *)&kernel,
               sizeof(kernel)) < 0)
        return -errno;
    return 0;
}

static const void *get_body(const struct nlmsghdr *h)
{
    return (const char *)h + NLMSG_HDRLEN;
}

static int get_code(const struct nlmsghdr *h)
{
    struct nlmsgerr e;

    if (h->nlmsg_len < NLMSG_LENGTH(sizeof(e)))
        return -EPROTO;
    memcpy(&e, get_body(h), sizeof(e));
    return e.error;
}

/* Returns 1 to continue reading, 0 at the end. */
static int handle(struct link_stats *ls, const struct request *q, size_t size)
{
    struct nlmsghdr h;

    for (size_t at = 0; size - at >= sizeof(h); at += NLMSG_ALIGN(h.nlmsg_len)) {
        const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)(ls->answer + at);

        h = *message;
        if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > size - at)
            return -EPROTO;
        if (h.nlmsg_seq != ls->seq)
            continue; /* reply to an abandoned request */
        if (h.nlmsg_type == NLMSG_DONE)
            return 0;
        if (h.nlmsg_type == NLMSG_ERROR)
            return get_code(message);
        q->on_message(q->owner, message);
        if (!q->is_dump)
            return 0;
        if (NLMSG_ALIGN(h.nlmsg_len) > size - at)
            break;
    }
    return 1;
}

static int ask(struct link_stats *ls, const struct request *q)
{
    int r = send_request(ls, q);

    if (r < 0)
        return r;
    do {
        ssize_t n = recv(ls->fd, ls->answer, ANSWER_SIZE, MSG_TRUNC);

        if (n < 0)
            return errno == EAGAIN ? -EPROTO : -errno;
        if ((size_t)n > ANSWER_SIZE)
            return -EMSGSIZE;
        r = handle(ls, q, (size_t)n);
    } while (r > 0);
    return r;
}

/*
 * The data of an find_attribute in a message with a head of `head` bytes; NULL if it is missing or
 * shorter than `size`.
 */
static const void *find_attribute(const struct nlmsghdr *h, size_t head, unsigned type, size_t size)
{
    const char *p = (const char *)h;
    struct rtattr a;

    for (size_t at = NLMSG_SPACE(head); at + sizeof(a) <= h->nlmsg_len;
         at += RTA_ALIGN(a.rta_len)) {
        memcpy(&a, p + at, sizeof(a));
        if (a.rta_len < sizeof(a) || a.rta_len > h->nlmsg_len - at)
            return NULL;
        if ((a.rta_type & NLA_TYPE_MASK) == type && a.rta_len - RTA_LENGTH(0) >= size)
            return p + at + RTA_LENGTH(0);
    }
    return NULL;
}

static bool read_counters(const struct nlmsghdr *h, struct link_counters *ret)
{
    const void *data = find_attribute(h, sizeof(struct if_stats_msg), IFLA_STATS_LINK_64,
                                      offsetof(struct rtnl_link_stats64, rx_errors));
    struct rtnl_link_stats64 stats = {0};
    struct if_stats_msg head;

    if (h->nlmsg_type != RTM_NEWSTATS || !data)
        return false;
    memcpy(&head, get_body(h), sizeof(head));
    memcpy(&stats, data, offsetof(struct rtnl_link_stats64, rx_errors));
    *ret = (struct link_counters){
        .index = (int)head.ifindex, .rx = stats.rx_bytes, .tx = stats.tx_bytes};
    return true;
}

static void *grow(void *list, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity)
        return list;
    *capacity = *capacity ? 2 * *capacity : 64;
    return xrealloc(list, *capacity, size);
}

static void on_counters(void *owner, const struct nlmsghdr *h)
{
    struct link_stats *ls = owner;
    struct link_counters c;

    if (ls->n_counters == LINK_STATS_MAX || !read_counters(h, &c))
        return;
    ls->counters = grow(ls->counters, ls->n_counters, &ls->counters_capacity, sizeof(c));
    ls->counters[ls->n_counters++] = c;
}

static int compare(const void *a, const void *b)
{
    const struct link_counters *left = a, *right = b;

    return (left->index > right->index) - (left->index < right->index);
}

int link_stats_read(struct link_stats *ls)
{
    struct if_stats_msg body = {.filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64)};
    int r;

    ls->n_counters = 0;
    r = ask(ls, &(struct request){RTM_GETSTATS, true, &body, sizeof(body), on_counters, ls});
    /* The kernel dumps in order of hash buckets. */
    if (ls->n_counters)
        qsort(ls->counters, ls->n_counters, sizeof(*ls->counters), compare);
    return r;
}

const struct link_counters *link_stats_find(const struct link_stats *ls, int index)
{
    struct link_counters key = {.index = index};

    return ls->n_counters ? bsearch(&key, ls->counters, ls->n_counters, sizeof(key), compare)
                          : NULL;
}

static void on_one(void *owner, const struct nlmsghdr *h)
{
    (void)read_counters(h, owner);
}

int link_stats_get(struct link_stats *ls, int index, struct link_counters *ret)
{
    struct if_stats_msg body = {.ifindex = (uint32_t)index,
                                .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64)};
    int r;

    *ret = (struct link_counters){0};
    r = ask(ls, &(struct request){RTM_GETSTATS, false, &body, sizeof(body), on_one, ret});
    if (r < 0)
        return r;
    return ret->index == index ? 0 : -ENODEV;
}

static void on_nsid(void *owner, const struct nlmsghdr *h)
{
    const void *data = find_attribute(h, sizeof(struct rtgenmsg), NETNSA_NSID, sizeof(int32_t));

    if (h->nlmsg_type == RTM_NEWNSID && data)
        memcpy(owner, data, sizeof(int32_t));
}

static int ask_nsid(struct link_stats *ls, unsigned short how, uint32_t which, int *ret)
{
    struct {
        struct rtgenmsg head;
        char padding[NLMSG_ALIGN(sizeof(struct rtgenmsg)) - sizeof(struct rtgenmsg)];
        struct rtattr attribute;
        uint32_t which;
    } body = {
        .head = {.rtgen_family = AF_UNSPEC},
        .attribute = { .rta_len = RTA_LENGTH(sizeof(uint32_t)),          .rta_type = how},
        .which = which,
    };
    int32_t nsid = NETNSA_NSID_NOT_ASSIGNED;
    int r = ask(ls, &(struct request){RTM_GETNSID, false, &body, sizeof(body), on_nsid, &nsid});

    if (r < 0)
        return r;
    if (nsid == NETNSA_NSID_NOT_ASSIGNED)
        return -ENOENT;
    *ret = nsid;
    return 0;
}

int link_stats_nsid(struct link_stats *ls, int64_t pid, int *ret)
{
    return ask_nsid(ls, NETNSA_PID, (uint32_t)pid, ret);
}

int link_stats_nsid_of(struct link_stats *ls, int fd, int *ret)
{
    return ask_nsid(ls, NETNSA_FD, (uint32_t)fd, ret);
}

static void on_peer(void *owner, const struct nlmsghdr *h)
{
    struct link_stats *ls = owner;
    const void *data = find_attribute(h, sizeof(struct ifinfomsg), IFLA_LINK_NETNSID,
                                      sizeof(int32_t));
    struct ifinfomsg head;
    struct peer peer;
    int32_t nsid;

    if (h->nlmsg_type != RTM_NEWLINK || !data || ls->n_peers == LINK_STATS_MAX)
        return;
    memcpy(&head, get_body(h), sizeof(head));
    memcpy(&nsid, data, sizeof(nsid));
    peer = (struct peer){.index = head.ifi_index, .nsid = nsid};
    ls->peers = grow(ls->peers, ls->n_peers, &ls->peers_capacity, sizeof(peer));
    ls->peers[ls->n_peers++] = peer;
}

int link_stats_read_peers(struct link_stats *ls)
{
    struct ifinfomsg body = {.ifi_family = AF_UNSPEC};

    ls->n_peers = 0;
    return ask(ls, &(struct request){RTM_GETLINK, true, &body, sizeof(body), on_peer, ls});
}

size_t link_stats_peers(const struct link_stats *ls, int nsid, int *indexes, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < ls->n_peers; i++) {
        if (ls->peers[i].nsid != nsid)
            continue;
        if (n < max)
            indexes[n] = ls->peers[i].index;
        n++;
    }
    return n;
}
