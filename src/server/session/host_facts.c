#include "server/session/host_facts.h"

#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/common/host_name.h"

#define HOSTNAME_CHARS 255

void host_facts_set(char **to, const char *from)
{
    if (str_is_empty(from))
        return;

    free(*to);
    *to = xstrdup(from);
}

char *host_facts_ips(const struct msg_register *m)
{
    json_t *ips = json_array();
    char *text;

    for (size_t i = 0; i < m->host_ips.n; i++)
        json_array_append_new(ips, json_text_str(m->host_ips.items[i]));
    if (m->host_ips.n == 0 && !str_is_empty(m->host_ip))
        json_array_append_new(ips, json_text_str(m->host_ip));
    text = json_text_write(ips, NULL);
    json_decref(ips);
    return text;
}

/*
 * Agents report no kind of engine, but the versions tell: Docker went from 1.13 to 17.03, and
 * Podman has the numbers between.
 */
static bool is_podman_version(const char *version)
{
    _cleanup_free_ char *major = xstrndup(version, strcspn(version, "."));
    uint64_t n;

    return parse_u64(major, 1000, &n) == 0 && n >= 2 && n < 17;
}

void host_facts_put(struct host *h, const struct msg_register *m, int64_t now_ms)
{
    _cleanup_free_ char *ips = host_facts_ips(m);

    host_facts_set(&h->os_type, m->os_type);
    host_facts_set(&h->os_version, m->os_version);
    host_facts_set(&h->kernel_version, m->kernel_version);
    host_facts_set(&h->docker_version, m->docker_version);
    if (!str_is_empty(m->docker_version))
        h->is_podman = is_podman_version(m->docker_version);
    host_facts_set(&h->daemon_started_at, m->daemon_started_at);
    if (!str_eq(ips, "[]") || !h->host_ips)
        host_facts_set(&h->host_ips, ips);
    if (m->total_memory > 0)
        h->total_memory = m->total_memory;
    if (m->num_cpus > 0)
        h->num_cpus = m->num_cpus;
    h->updated_at_ms = now_ms;
}

void host_facts_put_agent(struct agent *a, const struct msg_register *m, int64_t now_ms)
{
    const char *version = msg_register_own_version(m);

    free(a->capabilities);
    a->capabilities = m->capabilities ? json_text_write(m->capabilities, NULL) : xstrdup("{}");
    free(a->version);
    a->version = xstrdup(version ? version : "");
    free(a->proto_version);
    a->proto_version = xstrdup(m->proto_version ? m->proto_version : "");
    host_facts_set(&a->os, m->agent_os);
    host_facts_set(&a->arch, m->agent_arch);
    a->last_seen_at_ms = now_ms;
}

char *host_facts_name(const char *hostname)
{
    char *copy, *name;
    size_t size = 0, n = 0;

    if (!hostname)
        return NULL;

    copy = xstrdup(hostname);
    name = str_trim(copy);
    while (name[size] && n <= HOSTNAME_CHARS) {
        if (((unsigned char)name[size] & 0xc0) != 0x80 && ++n > HOSTNAME_CHARS)
            break;
        size++;
    }
    name = size > 0 ? xstrndup(name, size) : NULL;
    free(copy);
    if (name && host_name_check(name, NULL) < 0) {
        free(name);
        return NULL;
    }
    return name;
}
