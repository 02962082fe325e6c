/* Hosts of agents, and the agents, whose id remains their token until they have another. */

#include "server/store/hosts.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/common/host_name.h"
#include "server/import/import.h"
#include "server/store/agents.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#define MAX_HOSTS 20000
#define MAX_ID    64
#define MAX_NAME  255
#define MAX_FACT  255
#define MAX_LONG  4096

#define ID_LETTERS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-"

/* 0: unknown, or not within 0 and the maximum. */
static int64_t read_size(const struct foreign_row *row, const char *column, int64_t max)
{
    int64_t n = foreign_row_i64(row, column, 0);

    return n > 0 && n <= max ? n : 0;
}

static int add_host(void *arg, const struct foreign_row *row, struct error *err)
{
    _cleanup_(host_done) struct host h = {0}, known = {0};
    struct import *im = arg;
    int r;

    h.id = foreign_row_text(row, "id", MAX_ID);
    h.name = foreign_row_text(row, "name", MAX_NAME);
    h.url = foreign_row_text(row, "url", MAX_FACT);
    if (!h.id || !h.name || !h.url || strspn(h.id, ID_LETTERS) != strlen(h.id)) {
        import_refuse(im, IMPORT_HOSTS, h.name, "id, name or url is missing or invalid");
        return 0;
    }
    if (host_name_check(h.name, NULL) < 0) {
        import_refuse(im, IMPORT_HOSTS, h.name, "the name is not one that a host can have");
        return 0;
    }
    if (!str_starts_with(h.url, "agent://")) {
        import_refuse(im, IMPORT_HOSTS, h.name,
                      "connected directly: run an agent on it, or one whose DOCKER_HOST is its "
                      "engine");
        return 0;
    }
    if (foreign_row_i64(row, "is_active", 1) == 0) {
        import_refuse(im, IMPORT_HOSTS, h.name, "replaced by another host");
        return 0;
    }
    r = hosts_get(im->to, h.id, &known, NULL);
    if (r == 0)
        return import_note(im, IMPORT_HOSTS, h.name, -EEXIST, err);
    h.connection = HOST_AGENT;
    h.is_active = h.is_name_given = true;
    h.engine_id = foreign_row_text(row, "engine_id", MAX_FACT);
    h.tags = xstrdup("[]");
    h.description = foreign_row_text(row, "description", MAX_LONG);
    h.os_type = foreign_row_text(row, "os_type", MAX_FACT);
    h.os_version = foreign_row_text(row, "os_version", MAX_FACT);
    h.kernel_version = foreign_row_text(row, "kernel_version", MAX_FACT);
    h.docker_version = foreign_row_text(row, "docker_version", MAX_FACT);
    h.total_memory = read_size(row, "total_memory", INT64_C(1) << 50);
    h.num_cpus = read_size(row, "num_cpus", 65536);
    h.is_podman = foreign_row_i64(row, "is_podman", 0) == 1;
    h.created_at_ms = foreign_row_time(row, "created_at");
    h.updated_at_ms = im->now_ms;
    r = hosts_insert(im->to, &h, err);
    if (r == -EEXIST) {
        import_refuse(im, IMPORT_HOSTS, h.name, "another host has this name");
        return 0;
    }
    return import_note(im, IMPORT_HOSTS, h.name, r, err);
}

/* The id of an agent is its token: what is not a random UUID could be guessed. */
static bool is_uuid(const char *id)
{
    return strlen(id) == 36 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-' &&
           strspn(id, "0123456789abcdefABCDEF-") == 36;
}

static int add_agent(void *arg, const struct foreign_row *row, struct error *err)
{
    _cleanup_(agent_done) struct agent a = {0}, known = {0};
    _cleanup_(host_done) struct host h = {0};
    struct import *im = arg;
    int r;

    a.id = foreign_row_text(row, "id", MAX_ID);
    a.host_id = foreign_row_text(row, "host_id", MAX_ID);
    a.engine_id = foreign_row_text(row, "engine_id", MAX_FACT);
    if (!a.id || !a.host_id || !a.engine_id || hosts_get(im->to, a.host_id, &h, NULL) < 0) {
        import_refuse(im, IMPORT_AGENTS, a.host_id, "its host is not here");
        return 0;
    }
    if (!is_uuid(a.id)) {
        import_refuse(im, IMPORT_AGENTS, h.name, "its id, which is its token, is not a UUID");
        return 0;
    }
    if (agents_get(im->to, a.id, &known, NULL) == 0)
        return import_note(im, IMPORT_AGENTS, h.name, -EEXIST, err);
    a.version = foreign_row_text(row, "version", MAX_FACT);
    a.proto_version = foreign_row_text(row, "proto_version", MAX_FACT);
    if (!a.version)
        a.version = xstrdup("unknown");
    if (!a.proto_version)
        a.proto_version = xstrdup("1.0");
    a.capabilities = xstrdup("{}"); /* the agent sends them when it connects */
    a.os = foreign_row_text(row, "agent_os", MAX_FACT);
    a.arch = foreign_row_text(row, "agent_arch", MAX_FACT);
    a.force_unique = foreign_row_i64(row, "force_unique", 0) == 1;
    a.last_seen_at_ms = foreign_row_time(row, "last_seen_at");
    a.registered_at_ms = foreign_row_time(row, "registered_at");
    r = agents_insert(im->to, &a, AGENTS_DEFAULT_MAX, err);
    if (r == -EEXIST || r == -EDQUOT) {
        import_refuse(im, IMPORT_AGENTS, h.name,
                      r == -EEXIST ? "another agent has its host or its engine id"
                                   : "there are too many agents");
        return 0;
    }
    return import_note(im, IMPORT_AGENTS, h.name, r, err);
}

int import_hosts(struct import *im, struct error *err)
{
    static const struct foreign_query hosts = {"docker_hosts", "SELECT * FROM main.docker_hosts",
                                               MAX_HOSTS},
                                      agents = {"agents", "SELECT * FROM main.agents", MAX_HOSTS};
    int r = foreign_file_has(im->from, hosts.table, err);

    if (r > 0)
        r = foreign_file_each(im->from, &hosts, add_host, im, err);
    if (r == 0)
        r = foreign_file_has(im->from, agents.table, err);
    return r > 0 ? foreign_file_each(im->from, &agents, add_agent, im, err) : r;
}
