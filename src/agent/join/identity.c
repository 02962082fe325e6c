#include "agent/join/identity.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "proto/error_code.h"
#include "proto/json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__x86_64__)
#define AGENT_ARCH "amd64"
#elif defined(__aarch64__)
#define AGENT_ARCH "arm64"
#elif defined(__arm__)
#define AGENT_ARCH "arm"
#elif defined(__i386__)
#define AGENT_ARCH "386"
#elif defined(__riscv) && __riscv_xlen == 64
#define AGENT_ARCH "riscv64"
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define AGENT_ARCH "ppc64le"
#elif defined(__s390x__)
#define AGENT_ARCH "s390x"
#else
#error "no GOARCH name for this machine"
#endif

/*
 * The capabilities in `register`, in their order on the wire. Those of operations are true if
 * proto/operation.c has a row that needs them. Foreign servers know only the keys before
 * "inventory".
 */
static const struct {
    const char *name;
    bool is_of_link; /* a feature of sessions rather than of an operation */
} capabilities[] = {
    {CONTAINER_OPERATIONS_CAPABILITY, false},
    {"event_streaming",               true },
    {"stats_collection",              true },
    {"container_updates",             true }, /* as "updates", by the name of DockMon */
    {"self_update",                   false},
    {SHELL_ACCESS_CAPABILITY,         false},
    {"inventory",                     true },
    {"event_replay",                  true },
    {TOKEN_ROTATE_CAPABILITY,         false},
    {PAUSE_CAPABILITY,                false},
    {"exec_command",                  true },
    {RESOURCES_CAPABILITY,            false},
    {"samples",                       true },
    {"log_stream",                    true },
    {ERROR_CODES_CAPABILITY,          true },
    {PROCESSES_CAPABILITY,            false},
    {COPY_CAPABILITY,                 false},
    {DISK_USAGE_CAPABILITY,           false},
    {LIMITS_CAPABILITY,               false},
    {SIGNALS_CAPABILITY,              true },
    {PRUNE_OPTIONS_CAPABILITY,        true },
    {UPDATES_CAPABILITY,              false},
    {SELF_UPDATE_CAPABILITY,          false},
    {OWN_CONTAINER_CAPABILITY,        true },
    {LOG_OPTIONS_CAPABILITY,          true },
    {EXEC_DETACH_CAPABILITY,          true },
};

static void name_host(struct identity *id,
                      const struct engine_info *info,
                      const struct identity_source *source)
{
    const struct {
        const char *name, *source;
    } candidates[] = {
        {source->agent_name,  "agent_name"},
        {info->name,          "daemon"    },
        {source->os_hostname, "os"        },
    };

    for (size_t i = 0; i < ARRAY_LEN(candidates); i++) {
        if (str_is_empty(candidates[i].name))
            continue;
        id->hostname = xstrdup(candidates[i].name);
        id->hostname_source = candidates[i].source;
        return;
    }
    id->hostname = xstrndup(id->engine_id, CONTAINER_SHORT_ID_LEN);
    id->hostname_source = "engine_id";
}

int identity_build(struct identity *ret,
                   const struct engine_info *info,
                   const struct identity_source *source,
                   struct error *err)
{
    struct identity id = {0};

    if (str_is_empty(info->engine_id))
        return error_set(err, -ENODATA, "the engine reports no id");

    id.engine_id = xstrdup(info->engine_id);
    name_host(&id, info, source);
    id.os_type = xstrdup(info->os_type);
    id.os_version = xstrdup(info->os_version);
    id.kernel_version = xstrdup(info->kernel_version);
    id.docker_version = xstrdup(info->docker_version);
    id.daemon_started_at = xstrdup(info->daemon_started_at);
    id.total_memory = info->total_memory > 0 ? info->total_memory : 0;
    id.num_cpus = info->n_cpus > 0 ? info->n_cpus : 0;
    if (!own_container_find(source->root, source->env_hostname, id.own_container))
        id.own_container[0] = '\0';
    host_ips_find(&id.host_ips, source->root, id.own_container[0] != '\0', info->subnets,
                  info->n_subnets);
    *ret = id;
    return 0;
}

int identity_read(struct identity *ret,
                  const struct engine_info *info,
                  const struct config *config,
                  struct error *err)
{
    char hostname[HOST_NAME_MAX + 1] = "";
    struct identity_source source = {
        .root = "",
        .agent_name = config->agent_name,
        .os_hostname = hostname,
        .env_hostname = getenv("HOSTNAME"), // NOLINT(concurrency-mt-unsafe): never changed
    };

    if (gethostname(hostname, sizeof(hostname) - 1) < 0)
        hostname[0] = '\0';
    return identity_build(ret, info, &source, err);
}

void identity_done(struct identity *id)
{
    free(id->engine_id);
    free(id->hostname);
    free(id->os_type);
    free(id->os_version);
    free(id->kernel_version);
    free(id->docker_version);
    free(id->daemon_started_at);
    *id = (struct identity){0};
}

char *identity_facts(const struct identity *id)
{
    return xasprintf("%s %s %s %s %" PRId64 " %" PRId64, id->docker_version, id->os_type,
                     id->os_version, id->kernel_version, id->total_memory, id->num_cpus);
}

/* Peers without policies accept only a map of booleans, so each word of the policy is a key. */
static void add_policy_word(void *owner, const char *word)
{
    _cleanup_free_ char *key = xasprintf("policy_%s", word);

    json_text_set(owner, key, json_true());
}

/* Servers of DockMon compare `version` with that of their own agents, see ADR 14. */
static void add_own_version(json_t *map)
{
    _cleanup_free_ char *key = xasprintf("%s%s", REGISTER_OWN_VERSION, DOCKMON_VERSION);

    json_text_set(map, key, json_true());
}

static json_t *encode_capabilities(const struct identity *id, const struct policy *policy)
{
    json_t *map = json_object();

    for (size_t i = 0; i < ARRAY_LEN(capabilities); i++) {
        bool can = capabilities[i].is_of_link || operation_uses_capability(capabilities[i].name);

        json_text_set(map, capabilities[i].name, json_boolean(can));
    }
    json_text_set(map, IN_CONTAINER_CAPABILITY, json_boolean(id->own_container[0] != '\0'));
    policy_each_word(policy, add_policy_word, map);
    add_own_version(map);
    return map;
}

void identity_fill_register(const struct identity *id,
                            const struct config *config,
                            const char *token,
                            const char *engine_id,
                            struct msg_register *ret)
{
    *ret = (struct msg_register){
        .token = xstrdup(token),
        .engine_id = xstrdup(engine_id),
        .version = xstrdup(REGISTER_VERSION),
        .proto_version = xstrdup(config->proto_version),
        .capabilities = encode_capabilities(id, &config->policy),
        .hostname = xstrdup(id->hostname),
        .os_type = xstrdup(id->os_type),
        .os_version = xstrdup(id->os_version),
        .kernel_version = xstrdup(id->kernel_version),
        .docker_version = xstrdup(id->docker_version),
        .daemon_started_at = xstrdup(id->daemon_started_at),
        .total_memory = id->total_memory,
        .num_cpus = id->num_cpus,
        .agent_os = xstrdup("linux"),
        .agent_arch = xstrdup(AGENT_ARCH),
        .hostname_source = xstrdup(id->hostname_source),
        .force_unique_registration = config->force_unique,
    };
    if (id->host_ips.n)
        ret->host_ip = xstrdup(id->host_ips.ips[0]);
    for (size_t i = 0; i < id->host_ips.n; i++)
        strings_add(&ret->host_ips, id->host_ips.ips[i]);
}
