#include "docker/engine_info.h"
#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>

#define MAX_SUBNETS 256

enum step { STEP_INFO, STEP_VERSION, STEP_NETWORKS, STEP_END };

static const char *const step_paths[] = {
    [STEP_INFO] = "/info",
    [STEP_VERSION] = "/version",
    [STEP_NETWORKS] = "/networks",
};

struct engine_info_call {
    struct engine *engine;
    struct engine_call *call;
    enum step step;
    struct engine_info info;
    engine_info_fn done;
    void *owner;
    bool is_finished;
};

void engine_info_done(struct engine_info *info)
{
    free(info->engine_id);
    free(info->name);
    free(info->os_type);
    free(info->os_version);
    free(info->kernel_version);
    free(info->docker_version);
    free(info->architecture);
    free(info->daemon_started_at);
    for (size_t i = 0; i < info->n_subnets; i++)
        free(info->subnets[i]);
    free(info->subnets);
    *info = (struct engine_info){0};
}

static char *get_text(const json_t *v, const char *key)
{
    const char *s = json_string_value(json_object_get(v, key));

    return xstrdup(s ? s : "");
}

static void read_info(struct engine_info *info, const json_t *v)
{
    info->engine_id = get_text(v, "ID");
    info->name = get_text(v, "Name");
    info->os_type = get_text(v, "OSType");
    info->os_version = get_text(v, "OperatingSystem");
    info->kernel_version = get_text(v, "KernelVersion");
    info->architecture = get_text(v, "Architecture");
    info->total_memory = json_integer_value(json_object_get(v, "MemTotal"));
    info->n_cpus = json_integer_value(json_object_get(v, "NCPU"));
}

static void add_subnets(struct engine_info *info, const json_t *network)
{
    const json_t *configs = json_object_get(json_object_get(network, "IPAM"), "Config");
    const json_t *config;
    size_t i;

    json_array_foreach(configs, i, config)
    {
        const char *subnet = json_string_value(json_object_get(config, "Subnet"));

        if (str_is_empty(subnet) || info->n_subnets == MAX_SUBNETS)
            continue;
        info->subnets = xrealloc(info->subnets, info->n_subnets + 1, sizeof(*info->subnets));
        info->subnets[info->n_subnets++] = xstrdup(subnet);
    }
}

/* Their subnets are those of the LAN, which may contain the host itself. */
static bool is_lan(const json_t *network)
{
    const char *driver = json_string_value(json_object_get(network, "Driver"));

    return str_eq(driver, "macvlan") || str_eq(driver, "ipvlan");
}

static void read_networks(struct engine_info *info, const json_t *networks)
{
    const json_t *network;
    size_t i;

    json_array_foreach(networks, i, network)
    {
        if (!is_lan(network))
            add_subnets(info, network);
        if (!str_eq(json_string_value(json_object_get(network, "Name")), "bridge"))
            continue;
        free(info->daemon_started_at);
        info->daemon_started_at = get_text(network, "Created");
    }
}

static void call_free(struct engine_info_call *call)
{
    engine_call_cancel(call->call);
    engine_info_done(&call->info);
    free(call);
}

static void finish(struct engine_info_call *call, int code, const char *message)
{
    call->is_finished = true;
    if (code == 0 && !call->info.daemon_started_at)
        call->info.daemon_started_at = xstrdup("");
    call->done(call->owner, code, message, code < 0 ? NULL : &call->info);
    call_free(call);
}

static void on_reply(void *owner, const struct engine_reply *reply);

static int start_step(struct engine_info_call *call, struct error *err)
{
    return engine_call_start(
        &call->call, call->engine,
        &(struct engine_request){
            .path = step_paths[call->step], .wants_json = true, .done = on_reply, .owner = call},
        err);
}

static void on_reply(void *owner, const struct engine_reply *reply)
{
    struct engine_info_call *call = owner;
    struct error err = ERROR_INIT;

    call->call = NULL;
    if (reply->code < 0 && call->step != STEP_NETWORKS) {
        finish(call, reply->code, reply->message);
        return;
    }
    switch (call->step) {
    case STEP_INFO: read_info(&call->info, reply->json); break;
    case STEP_VERSION: call->info.docker_version = get_text(reply->json, "Version"); break;
    case STEP_NETWORKS: read_networks(&call->info, reply->json); break;
    case STEP_END: break;
    }
    call->step++;
    if (call->step == STEP_END) {
        finish(call, 0, "");
    } else if (start_step(call, &err) < 0) {
        finish(call, err.code, err.msg);
    }
}

int engine_info_start(struct engine_info_call **ret,
                      struct engine *engine,
                      engine_info_fn done,
                      void *owner,
                      struct error *err)
{
    struct engine_info_call *call = xcalloc(1, sizeof(*call));
    int r;

    call->engine = engine;
    call->done = done;
    call->owner = owner;
    r = start_step(call, err);
    if (r < 0) {
        call_free(call);
        return r;
    }
    *ret = call;
    return 0;
}

void engine_info_cancel(struct engine_info_call *call)
{
    if (call && !call->is_finished)
        call_free(call);
}
