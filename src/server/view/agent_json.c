#include "server/view/agent_json.h"
#include "base/buf.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "proto/operation.h"
#include "proto/release.h"
#include "server/session/agent_token.h"
#include "server/view/json_values.h"

#include <string.h>

#define MAX_POLICY 1024

/* The policy words that the agent reported as capabilities; null for agents without a policy. */
static json_t *make_policy_json(const struct agent *a)
{
    static const char prefix[] = "policy_";
    struct buf words = BUF_INIT(MAX_POLICY);
    json_t *map = json_value_column(a->capabilities, json_object()), *value, *text;
    const char *key;

    json_object_foreach(map, key, value)
    {
        if (str_starts_with(key, prefix) && json_is_true(value))
            (void)buf_printf(&words, "%s%s", words.size ? "," : "", key + strlen(prefix));
    }
    text = words.size ? json_text_str(buf_str(&words)) : json_null();
    buf_done(&words);
    json_decref(map);
    return text;
}

/* The source of the agent's samples; null until it has reported one. */
static json_t *make_stats_json(const struct fleet_host *h)
{
    return h->stats_source ? json_incref(h->stats_source) : json_null();
}

/* The members that all shapes of an agent have. */
static json_t *make_common_json(const struct fleet_host *h)
{
    const struct agent *a = &h->agent;

    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:b, s:b, s:o, s:o}", "agent_id",
                     a->id, "engine_id", a->engine_id, "version", json_text_str(a->version),
                     "proto_version", json_text_str(a->proto_version), "capabilities",
                     json_value_column(a->capabilities, json_object()), "policy",
                     make_policy_json(a), "stats", make_stats_json(h), "status",
                     h->is_online ? "online" : "offline", "connected", h->is_online, "revoked",
                     agent_token_is_revoked(a), "last_seen_at", json_value_time(h->seen_at_ms),
                     "registered_at", json_value_time(a->registered_at_ms));
}

json_t *agent_json_of_host(const struct fleet_host *h)
{
    return h->agent.id ? make_common_json(h) : json_null();
}

json_t *agent_json(const struct fleet_host *h)
{
    json_t *o = make_common_json(h);

    (void)json_object_set_new(o, "host_id", json_string(h->row.id));
    (void)json_object_set_new(o, "host_name", json_value_string(h->row.name));
    return o;
}

/*
 * Go agents can update themselves only in a container whose id they know. null: an earlier version
 * of ours, which does not say where it runs.
 */
static json_t *make_container_mode_json(const struct agent *a)
{
    json_t *map = json_value_column(a->capabilities, json_object());
    bool is_ours = json_object_get(map, "inventory") != NULL;
    json_t *fact = json_object_get(map, is_ours ? IN_CONTAINER_CAPABILITY : "self_update");
    json_t *mode = json_is_boolean(fact) ? json_boolean(json_is_true(fact)) : json_null();

    json_decref(map);
    return mode;
}

/* Agents of other projects have versions of their own. */
static bool is_newer(const char *latest, const char *version)
{
    return latest && version && release_is_version(latest) && release_is_version(version) &&
           release_compare(latest, version) > 0;
}

/* The newest self-update; null: none is known since the start of the server. */
static json_t *make_update_json(const struct fleet_host *h)
{
    json_t *o = h->agent_update ? json_copy(h->agent_update) : NULL;

    if (!o)
        return json_null();
    for (size_t i = 0; i < 2; i++) {
        const char *name = i == 0 ? "started_at" : "ended_at";

        json_text_set(o, name, json_value_time(json_integer_value(json_object_get(o, name))));
    }
    if (!json_object_get(o, "error"))
        json_text_set(o, "error", NULL);
    return o;
}

json_t *agent_json_details(const struct fleet_host *h, const char *latest)
{
    const struct agent *a = &h->agent;

    return json_pack(
        "{s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o}", "id", a->id, "version",
        json_text_str(a->version), "arch", json_value_string(a->arch), "os",
        json_value_string(a->os), "status", h->is_online ? "online" : "offline", "capabilities",
        json_value_column(a->capabilities, json_object()), "policy", make_policy_json(a), "stats",
        make_stats_json(h), "update_available", is_newer(latest, a->version), "update",
        make_update_json(h), "latest_version", json_value_string(latest), "is_container_mode",
        make_container_mode_json(a), "last_seen_at", json_value_time(h->seen_at_ms));
}
