#include "agent/update/plan_internal.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <string.h>

/* Sets the member, or removes it if there is no value. */
static void replace(json_t *to, const char *key, const json_t *value)
{
    (void)json_object_del(to, key);
    plan_copy(to, key, value);
}

/* The variables of the plan, then those of the image that the plan does not set. */
static json_t *merge_env(const json_t *own, const json_t *of_image)
{
    json_t *env = json_array(), *item;
    json_auto_t *names = json_object();
    const json_t *const lists[] = {own, of_image};

    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        size_t i;

        json_array_foreach(lists[k], i, item)
        {
            const char *s = json_string_value(item);
            size_t n = s ? strcspn(s, "=") : 0;

            if (!s || (k == 1 && json_object_getn(names, s, n)))
                continue;
            (void)json_object_setn_new_nocheck(names, s, n, json_true());
            plan_array_add(env, json_incref(item));
        }
    }
    return env;
}

/* The members of both; those of the plan win. */
static json_t *merge_objects(const json_t *own, const json_t *of_image)
{
    json_t *all = json_deep_copy(plan_object(of_image)), *value;
    const char *key;

    json_object_foreach(plan_mutable(plan_object(own)), key, value) plan_copy(all, key, value);
    return all;
}

static void predict_pair(json_t *to, const json_t *create, const json_t *image)
{
    const json_t *entrypoint = json_object_get(create, "Entrypoint");
    const json_t *cmd = json_object_get(create, "Cmd");

    if (json_array_size(entrypoint) == 0 && json_array_size(cmd) == 0)
        cmd = json_object_get(image, "Cmd");
    if (!entrypoint) {
        entrypoint = json_object_get(image, "Entrypoint");
    } else if (json_array_size(entrypoint) == 1 && plan_array_has(entrypoint, "")) {
        entrypoint = NULL;
    }
    replace(to, "Cmd", cmd);
    replace(to, "Entrypoint", entrypoint);
}

static json_t *predict_config(const struct plan_source *s, const json_t *create)
{
    static const char *const values[] = {"User", "WorkingDir", "StopSignal", "Shell"};
    static const char *const unions[] = {"Labels", "ExposedPorts", "Volumes", "Healthcheck"};
    json_t *config = json_deep_copy(plan_object(json_object_get(s->container, "Config")));
    const json_t *image = plan_object(s->new_config);

    replace(config, "Image", json_object_get(create, "Image"));
    if (!s->new_config)
        return config;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        const json_t *own = json_object_get(create, values[i]);

        /* Inspects of containers have no Shell. */
        if (own || json_object_get(config, values[i]))
            replace(config, values[i], own ? own : json_object_get(image, values[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(unions); i++) {
        json_auto_t *all = merge_objects(json_object_get(create, unions[i]),
                                         json_object_get(image, unions[i]));

        if (json_object_size(all) > 0 || json_object_get(config, unions[i]))
            replace(config, unions[i], all);
    }
    json_text_set(config, "Env",
                  merge_env(json_object_get(create, "Env"), json_object_get(image, "Env")));
    predict_pair(config, create, image);
    return config;
}

static json_t *predict_host(const struct plan_source *s, const json_t *create)
{
    static const char *const defaults[] = {"MaskedPaths", "ReadonlyPaths"};
    json_t *host = json_deep_copy(plan_object(json_object_get(s->container, "HostConfig")));
    const json_t *of_probe = json_object_get(s->probe, "HostConfig");
    const json_t *of_plan = json_object_get(create, "HostConfig");
    json_t *value;
    const char *key;

    json_object_foreach(plan_mutable(of_plan), key, value) plan_copy(host, key, value);
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
        if (!json_object_get(of_plan, defaults[i]) && json_object_get(of_probe, defaults[i]) &&
            plan_default_is_known(defaults[i], json_object_get(host, defaults[i])))
            replace(host, defaults[i], json_object_get(of_probe, defaults[i]));
    }
    return host;
}

json_t *plan_predict(const struct plan_source *s, const struct plan *p)
{
    json_t *predicted = json_object();

    json_text_set(predicted, "Config", predict_config(s, p->create));
    json_text_set(predicted, "HostConfig", predict_host(s, p->create));
    return predicted;
}
