#include "agent/stats/network.h"

#include "agent/stats/link_stats.h"
#include "agent/stats/parse.h"
#include "agent/stats/text.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define MAX_LINKS    8
#define DEV_SIZE     ((size_t)16 * 1024)
#define PEERS_AGE_MS 1000               /* maximum age of known links for a new container */
#define SLACK        ((int64_t)1 << 20) /* bytes that may pass between two readings */

struct network {
    struct link_stats *links; /* NULL: netlink is not available */
    char *root;
    char *text;
    uint64_t peers_at_ms;
    unsigned n_scans;
    size_t n_by_links, n_by_proc;
};

struct network_entry {
    struct network *net;
    int64_t pid;
    int fd;   /* of net/dev; -1: it is opened for every reading */
    size_t n; /* links; 0: read by /proc */
    int nsid;
    int links[MAX_LINKS];
    unsigned scan; /* the scan that `links` are from */
    bool is_empty; /* /proc showed only lo */
};

struct network *network_new(const char *root)
{
    struct network *net = xcalloc(1, sizeof(*net));

    net->root = xstrdup(root);
    net->text = xmalloc(DEV_SIZE);
    if (link_stats_new(&net->links, NULL) < 0)
        net->links = NULL;
    return net;
}

void network_free(struct network *net)
{
    if (!net)
        return;
    link_stats_free(net->links);
    free(net->root);
    free(net->text);
    free(net);
}

const char *network_name(const struct network *net)
{
    return net->n_by_links ? "netlink" : net->n_by_proc ? "proc" : "none";
}

static int read_dev(struct network_entry *entry, struct stats_net *ret)
{
    struct network *net = entry->net;
    _cleanup_free_ char *path = NULL;
    int r;

    if (entry->fd >= 0) {
        r = text_pread(entry->fd, net->text, DEV_SIZE);
    } else {
        path = xasprintf("%s/proc/%" PRId64 "/net/dev", net->root, entry->pid);
        r = text_read(path, net->text, DEV_SIZE);
    }
    if (r == 0)
        *ret = stats_net_dev(net->text);
    return r;
}

static void scan_peers(struct network *net)
{
    if (link_stats_read_peers(net->links) < 0)
        return;
    net->peers_at_ms = time_monotonic_ms();
    net->n_scans++;
}

static bool is_near(int64_t earlier, int64_t later)
{
    return later >= earlier && later - earlier <= SLACK;
}

/* Whether the counters of our links match /proc, which was read just before. */
static bool is_same(const struct network_entry *entry, const struct stats_net *dev)
{
    int64_t rx = 0, tx = 0;

    for (size_t i = 0; i < entry->n; i++) {
        struct link_counters c;

        if (link_stats_get(entry->net->links, entry->links[i], &c) < 0)
            return false;
        rx += (int64_t)c.tx; /* bytes sent here are received there */
        tx += (int64_t)c.rx;
    }
    return is_near(dev->rx, rx) && is_near(dev->tx, tx);
}

static bool find_links(struct network_entry *entry, size_t n_wanted)
{
    struct network *net = entry->net;
    size_t n;

    if (net->n_scans == 0 || time_monotonic_ms() - net->peers_at_ms > PEERS_AGE_MS)
        scan_peers(net);
    n = link_stats_peers(net->links, entry->nsid, entry->links, MAX_LINKS);
    if (n != n_wanted) { /* the known links may be just too old */
        scan_peers(net);
        n = link_stats_peers(net->links, entry->nsid, entry->links, MAX_LINKS);
    }
    entry->n = n == n_wanted ? n : 0;
    entry->scan = net->n_scans;
    return entry->n > 0;
}

/* In a container the process numbers are local; those below `root` are the host's. */
static int find_nsid(struct network_entry *entry)
{
    struct network *net = entry->net;
    _cleanup_free_ char *path = NULL;
    _cleanup_close_ int fd = -1;

    if (!*net->root)
        return link_stats_nsid(net->links, entry->pid, &entry->nsid);
    path = xasprintf("%s/proc/%" PRId64 "/ns/net", net->root, entry->pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : link_stats_nsid_of(net->links, fd, &entry->nsid);
}

/* With lo alone there is nothing to find; and macvlan and the like have no link that ends here. */
static bool can_use_links(struct network_entry *entry)
{
    struct stats_net dev = {0};
    bool is_good;

    if (!entry->net->links || read_dev(entry, &dev) < 0 || dev.n == 0 || dev.n > MAX_LINKS)
        return false;
    if (find_nsid(entry) < 0)
        return false;
    is_good = find_links(entry, dev.n) && read_dev(entry, &dev) == 0 && is_same(entry, &dev);
    if (!is_good)
        entry->n = 0;
    return is_good;
}

bool network_is_of_host(const struct network *net, int64_t pid)
{
    _cleanup_free_ char *first = xasprintf("%s/proc/1/ns/net", net->root);
    _cleanup_free_ char *path = xasprintf("%s/proc/%" PRId64 "/ns/net", net->root, pid);
    struct stat host, own;

    /* Without root the first process cannot be read; outside of a container ours is the host's. */
    if (stat(first, &host) < 0 && (*net->root || stat("/proc/self/ns/net", &host) < 0))
        return false;
    return stat(path, &own) == 0 && own.st_ino == host.st_ino && own.st_dev == host.st_dev;
}

int network_open(struct network_entry **ret, struct network *net, int64_t pid, bool may_keep)
{
    struct network_entry *entry = xcalloc(1, sizeof(*entry));
    _cleanup_free_ char *path = xasprintf("%s/proc/%" PRId64 "/net/dev", net->root, pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

    entry->net = net;
    entry->pid = pid;
    entry->fd = fd;
    if (fd < 0) {
        free(entry);
        return -ENOENT;
    }
    if (can_use_links(entry)) {
        net->n_by_links++;
    } else {
        net->n_by_proc++;
    }
    entry->fd = entry->n == 0 && may_keep ? TAKE_FD(fd) : -1;
    *ret = entry;
    return 0;
}

void network_close(struct network_entry *entry)
{
    if (!entry)
        return;
    if (entry->n > 0) {
        entry->net->n_by_links--;
    } else {
        entry->net->n_by_proc--;
    }
    if (entry->fd >= 0)
        close(entry->fd);
    free(entry);
}

void network_tick(struct network *net, bool is_rescan)
{
    if (net->n_by_links == 0)
        return;
    if (is_rescan)
        scan_peers(net);
    if (link_stats_read(net->links) < 0)
        log_debug(NULL, "could not read interface counters by netlink");
}

/* A network was connected or disconnected: the container has other links, no link of ours, or one
 * that is not ours besides. */
static void rescan(struct network_entry *entry)
{
    struct stats_net dev = {0};
    size_t n = link_stats_peers(entry->net->links, entry->nsid, entry->links, MAX_LINKS);

    entry->scan = entry->net->n_scans;
    if (n > 0 && n <= MAX_LINKS && read_dev(entry, &dev) == 0 && dev.n == n) {
        entry->n = n;
        return;
    }
    entry->n = 0;
    entry->net->n_by_links--;
    entry->net->n_by_proc++;
}

int network_read(struct network_entry *entry, bool is_thorough, int64_t *ret_rx, int64_t *ret_tx)
{
    struct stats_net sum = {0};
    int r;

    if (entry->n > 0 && entry->scan != entry->net->n_scans)
        rescan(entry);
    for (size_t i = 0; i < entry->n; i++) {
        const struct link_counters *c = link_stats_find(entry->net->links, entry->links[i]);

        if (!c)
            return -ENODEV;
        sum.rx += (int64_t)c->tx;
        sum.tx += (int64_t)c->rx;
    }
    if (entry->n == 0 && (is_thorough || !entry->is_empty)) {
        r = read_dev(entry, &sum);
        if (r < 0)
            return r;
        entry->is_empty = sum.n == 0;
    }
    *ret_rx = sum.rx;
    *ret_tx = sum.tx;
    return 0;
}
