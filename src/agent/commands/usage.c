#include "agent/commands/usage.h"
#include "base/container_id.h"
#include "base/str.h"
#include "docker/model/container.h"
#include "proto/json_text.h"

#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 256

/* The container whose element is being read. */
struct user {
    char id[CONTAINER_ID_SIZE];
    char name[NAME_SIZE + 1];
};

static bool user_read(struct json_span element, struct user *ret)
{
    struct json_span key, name = {NULL, 0};
    char text[NAME_SIZE + 1] = "";
    struct json_iter it;

    if (!json_span_copy_string(json_span_find(element, "Id"), ret->id, sizeof(ret->id)) ||
        !str_is_hex(ret->id, CONTAINER_ID_LEN))
        return false;
    ret->id[CONTAINER_SHORT_ID_LEN] = '\0';
    json_iter_init(&it, json_span_find(element, "Names"));
    if (!json_iter_next(&it, &key, &name) || !json_span_copy_string(name, text, sizeof(text)))
        str_copy(text, sizeof(text), ret->id);
    str_copy(ret->name, sizeof(ret->name), text[0] == '/' ? text + 1 : text);
    return true;
}

static void add(struct usage *u, const char *key, const struct user *user)
{
    json_t *list = map_find(&u->lists, key), *entry;
    size_t n = json_array_size(list);

    if (!list) {
        list = json_array();
        (void)map_put(&u->lists, key, list);
    } else if (str_eq(json_text_get(json_array_get(list, n - 1), "id"), user->id)) {
        return; /* one volume at two places in a container */
    }
    entry = json_object();
    json_text_set(entry, "id", json_text_str(user->id));
    json_text_set(entry, "name", json_text_str(user->name));
    if (json_array_append_new(list, entry) < 0)
        abort(); /* out of memory */
}

static void add_image(struct usage *u, struct json_span element, const struct user *user)
{
    char id[IMAGE_ID_SIZE];

    if (json_span_copy_string(json_span_find(element, "ImageID"), id, sizeof(id)))
        add(u, id, user);
}

static void add_networks(struct usage *u, struct json_span element, const struct user *user)
{
    struct json_span key, endpoint;
    char id[CONTAINER_ID_SIZE];
    struct json_iter it;

    json_iter_init(&it, json_span_find(json_span_find(element, "NetworkSettings"), "Networks"));
    while (json_iter_next(&it, &key, &endpoint)) {
        bool is_active = json_span_find(endpoint, "EndpointID").n > 2; /* more than two quotes */

        if (is_active &&
            json_span_copy_string(json_span_find(endpoint, "NetworkID"), id, sizeof(id)))
            add(u, id, user);
    }
}

static void add_volumes(struct usage *u, struct json_span element, const struct user *user)
{
    struct json_span key, mount;
    char name[NAME_SIZE];
    struct json_iter it;

    json_iter_init(&it, json_span_find(element, "Mounts"));
    while (json_iter_next(&it, &key, &mount)) {
        if (json_span_is(json_span_find(mount, "Type"), "\"volume\"") &&
            json_span_copy_string(json_span_find(mount, "Name"), name, sizeof(name)))
            add(u, name, user);
    }
}

void usage_init(struct usage *u, enum usage_kind kind, struct json_span containers)
{
    struct json_span key, element;
    struct json_iter it;
    struct user user;

    *u = (struct usage){0};
    json_iter_init(&it, containers);
    while (json_iter_next(&it, &key, &element)) {
        if (!user_read(element, &user))
            continue;
        switch (kind) {
        case USAGE_IMAGES: add_image(u, element, &user); break;
        case USAGE_NETWORKS: add_networks(u, element, &user); break;
        case USAGE_VOLUMES: add_volumes(u, element, &user); break;
        }
    }
}

void usage_done(struct usage *u)
{
    map_foreach(&u->lists, e)
        json_decref(e->value);
    map_done(&u->lists);
}

json_t *usage_take_list(const struct usage *u, const char *key)
{
    json_t *list = map_find(&u->lists, key);

    return list ? json_incref(list) : json_array();
}
