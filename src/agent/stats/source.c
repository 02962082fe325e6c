#include "agent/stats/source.h"

#include "agent/stats/schedule.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/own_container.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HOST_ROOT   "/host"
#define ROOT_SIZE   16
#define FROM_ENGINE "statistics come from the engine, every %d s at most: %s"
#define CONTAINED                                                            \
    "the agent runs in a container without the host's files: start it with " \
    "-v /proc:/host/proc:ro -v /sys/fs/cgroup:/host/sys/fs/cgroup:ro"

static void find_root(char ret_root[ROOT_SIZE], bool *ret_contained)
{
    char id[OWN_CONTAINER_SIZE];

    str_copy(ret_root, ROOT_SIZE, "");
    if (access(HOST_ROOT "/proc/stat", R_OK) == 0 && access(HOST_ROOT "/sys/fs/cgroup", R_OK) == 0)
        str_copy(ret_root, ROOT_SIZE, HOST_ROOT);
    *ret_contained = !*ret_root && own_container_find("", "", id);
}

void source_open(struct source *s,
                 const struct config *config,
                 const char *root,
                 struct engine *engine,
                 struct targets *targets)
{
    char found[ROOT_SIZE] = "";
    struct error err = ERROR_INIT;

    *s = (struct source){.engine = engine, .targets = targets};
    if (config->stats_source == STATS_SOURCE_OFF) {
        s->is_off = true;
        str_copy(s->why, sizeof(s->why), "STATS_SOURCE=off");
        return;
    }
    if (!root) {
        find_root(found, &s->is_contained);
        root = found;
    }
    s->net = network_new(root);
    s->host = host_stats_new(
        &(struct host_stats_options){.root = root, .is_contained = s->is_contained});
    if (config->stats_source == STATS_SOURCE_API) {
        str_copy(s->why, sizeof(s->why), "STATS_SOURCE=api");
    } else if (cgroup_fs_new(&s->fs, root, &err) < 0) {
        s->fs = NULL;
        str_copy(s->why, sizeof(s->why), err.msg);
        log_warn(NULL, FROM_ENGINE, SCHEDULE_API_MS / 1000, err.msg);
    }
}

void source_close(struct source *s)
{
    api_stats_cancel(TAKE_PTR(s->check.call));
    cgroup_fs_free(s->fs);
    network_free(s->net);
    host_stats_free(s->host);
    free(s->reported_why);
    *s = (struct source){0};
}

struct target_sources source_files(const struct source *s)
{
    return (struct target_sources){
        .fs = s->fs, .net = s->net, .host_memory = host_stats_memory(s->host)};
}

void source_note_target(struct source *s, const struct target *t)
{
    s->has_found = s->has_found || t->cg;
}

void source_check_found(struct source *s)
{
    bool is_none_found = s->targets->by_id.size > 0 && !s->has_found;

    if (!s->fs || is_none_found == (*s->why != '\0'))
        return;
    s->why[0] = '\0';
    if (!is_none_found)
        return;
    str_copy(s->why, sizeof(s->why), s->is_contained ? CONTAINED : s->missed.msg);
    log_warn(NULL, FROM_ENGINE, SCHEDULE_API_MS / 1000, s->why);
}

static void give_up_files(struct source *s, const char *why)
{
    log_warn(LOG_FIELDS("source", cgroup_fs_name(s->fs), "reason", why),
             "the kernel's files do not agree with the engine: using the statistics of the engine");
    (void)snprintf(s->why, sizeof(s->why), "%s does not agree with the engine: %s",
                   cgroup_fs_name(s->fs), why);
    targets_drop_files(s->targets);
    cgroup_fs_free(TAKE_PTR(s->fs));
}

static void check_sample(struct source *s, const struct target *t, const struct api_sample *api)
{
    char why[SOURCE_CHECK_TEXT];

    source_check_compare(s->check.before, t->values, api, why);
    if (!*why) {
        s->check.is_done = true;
        log_info(LOG_FIELDS("source", cgroup_fs_name(s->fs), "network", network_name(s->net)),
                 "the kernel's files agree with the engine");
    } else if (++s->check.n_disagreements >= SOURCE_CHECK_DISAGREEMENTS) {
        s->check.is_done = true;
        give_up_files(s, why);
    }
}

static void on_check(void *owner, int code, const struct api_sample *api)
{
    struct source *s = owner;
    struct target_sources files = source_files(s);
    struct target *t = targets_find(s->targets, s->check.id);

    s->check.call = NULL;
    /* A container that ended meanwhile proves nothing. */
    if (code == 0 && t && t->cg && s->fs &&
        target_read(t, &files, host_stats_read_cpu(s->host), true) == 0)
        check_sample(s, t, api);
    if (s->check.n_tries >= SOURCE_CHECK_TRIES)
        s->check.is_done = true;
}

void source_compare(struct source *s)
{
    const struct target *t;

    if (s->check.is_done || s->check.call || !s->fs)
        return;
    t = targets_oldest(s->targets);
    if (!t)
        return;
    memcpy(s->check.before, t->values, sizeof(t->values));
    str_copy(s->check.id, sizeof(s->check.id), t->running.id);
    s->check.n_tries++;
    if (api_stats_start(&s->check.call, s->engine, s->check.id, on_check, s) < 0)
        s->check.call = NULL;
}

static bool has_files(const struct source *s)
{
    return s->fs && !*s->why;
}

void source_describe(const struct source *s, const char *note, struct samples_source *ret)
{
    const char *remark;

    *ret = (struct samples_source){.containers = "none", .network = "none", .why = s->why};
    if (s->is_off)
        return;
    ret->containers = has_files(s) ? cgroup_fs_name(s->fs) : "api";
    ret->network = has_files(s) ? network_name(s->net) : "api";
    for (size_t i = 0; has_files(s) && (remark = cgroup_fs_note(s->fs, i)); i++)
        ret->notes[ret->n_notes++] = remark;
    if (has_files(s) && s->targets->by_id.size > s->targets->n_by_files) {
        ret->notes[ret->n_notes++] =
            "the files of some containers cannot be read: their statistics come from the engine";
    }
    if (note && *note)
        ret->notes[ret->n_notes++] = note;
}

bool source_is_changed(const struct source *s, const struct samples_source *now)
{
    return !s->is_reported || !str_eq(s->reported_source, now->containers) ||
           !str_eq(s->reported_network, now->network) || !str_eq(s->reported_why, now->why);
}

void source_set_reported(struct source *s, const struct samples_source *now)
{
    s->is_reported = true;
    str_copy(s->reported_source, sizeof(s->reported_source), now->containers);
    str_copy(s->reported_network, sizeof(s->reported_network), now->network);
    free(s->reported_why);
    s->reported_why = xstrdup(now->why);
}
