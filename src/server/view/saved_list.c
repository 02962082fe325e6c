#include "server/view/saved_list.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/view/container_json.h"

#include <errno.h>
#include <string.h>

bool saved_list_prepare(struct fleet_host *h, size_t max)
{
    map_foreach(&h->containers, e) {
        struct fleet_container *c = e->value;

        if (c->shown.text)
            continue;
        if (max-- == 0)
            return false;
        container_encode(c);
    }
    return true;
}

size_t saved_list_write(struct buf *out, struct fleet_host *h)
{
    size_t start = out->size, n_left_out = 0;

    (void)buf_append_str(out, "[");
    map_foreach(&h->containers, e) {
        struct fleet_container *c = e->value;

        container_encode(c);
        if (out->size - start + c->shown.size + strlen(",}]") > SAVED_LIST_MAX) {
            n_left_out++;
            continue;
        }
        if (out->size > start + 1)
            (void)buf_append_str(out, ",");
        (void)buf_append(out, c->shown.text, c->shown.size);
        (void)buf_append_str(out, "}");
    }
    (void)buf_append_str(out, "]");
    return n_left_out;
}

/* Returns the networks in the engine's words: the ids and addresses are shown by name. */
static json_t *make_networks(const json_t *shown)
{
    const json_t *addresses = json_object_get(shown, "docker_ips");
    json_t *networks = json_object(), *id;
    const char *name;

    json_object_foreach(json_object_get(shown, "networks"), name, id)
    {
        json_t *network = json_object();

        json_text_set(network, "NetworkID", json_incref(id));
        json_text_set(network, "IPAddress", json_text_str(json_text_get(addresses, name)));
        json_text_set(networks, name, network);
    }
    return networks;
}

static bool is_read_only(const json_t *volume)
{
    const char *text = json_string_value(volume);
    size_t size = text ? strlen(text) : 0;

    return size > strlen(":ro") && str_eq(text + size - strlen(":ro"), ":ro");
}

/* The members of a mount are shown in `mounts`, and whether it is writable in `volumes`. */
static json_t *make_mounts(const json_t *shown)
{
    static const char *const members[][2] = {
        {"Type",        "type"       },
        {"Name",        "name"       },
        {"Source",      "source"     },
        {"Destination", "destination"}
    };
    const json_t *from = json_object_get(shown, "mounts");
    const json_t *volumes = json_object_get(shown, "volumes");
    json_t *mounts = json_array();

    for (size_t i = 0; i < json_array_size(from); i++) {
        json_t *mount = json_object();

        for (size_t k = 0; k < ARRAY_LEN(members); k++) {
            const char *text = json_text_get(json_array_get(from, i), members[k][1]);

            if (!str_is_empty(text))
                json_text_set(mount, members[k][0], json_text_str(text));
        }
        json_text_set(mount, "RW", json_boolean(!is_read_only(json_array_get(volumes, i))));
        (void)json_array_append_new(mounts, mount);
    }
    return mounts;
}

/* Returns the element of the engine's list that is shown like this; NULL: it has no id. */
static json_t *make_element(const json_t *shown)
{
    static const char *const members[][2] = {
        {"State",                   "engine_state"  },
        {"Status",                  "status_text"   },
        {"Image",                   "image"         },
        {"ImageID",                 "image_id"      },
        {"StartedAt",               "started_at"    },
        {"Ports",                   "ports_raw"     },
        {"Labels",                  "labels"        },
        {"RepoDigests",             "repo_digests"  },
        {"ImageManifestDescriptor", "image_manifest"}
    };
    const char *full_id = json_text_get(shown, "full_id"), *name = json_text_get(shown, "name");
    /* Lists of earlier versions have the whole id in `id`. */
    const char *id = full_id ? full_id : json_text_get(shown, "id");
    const char *created = json_text_get(shown, "created");
    const char *policy = json_text_get(shown, "restart_policy");
    int64_t created_ns = 0;
    json_t *element;

    if (!id)
        return NULL;
    element = json_object();
    json_text_set(element, "Id", json_text_str(id));
    if (name)
        json_text_set(element, "Names", json_pack("[o]", json_text_str(name)));
    if (created && time_parse_ns(created, &created_ns) == 0)
        json_text_set(element, "Created", json_integer(created_ns / 1000000000));
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        json_text_set(element, members[i][0], json_incref(json_object_get(shown, members[i][1])));
    json_text_set(element, "Mounts", make_mounts(shown));
    json_text_set(element, "NetworkSettings", json_pack("{s:o}", "Networks", make_networks(shown)));
    json_text_set(element, "HostConfig",
                  json_pack("{s:{s:o}}", "RestartPolicy", "Name", json_text_str(policy)));
    return element;
}

int saved_list_read(struct fleet_host *h, const char *text, int64_t listed_at_ms, struct error *err)
{
    json_auto_t *list = json_text_parse(text, strlen(text), 0, err), *elements = NULL;
    size_t n_left_out;

    if (!list)
        return -EBADMSG;
    if (!json_is_array(list))
        return error_set(err, -EBADMSG, "not a list");
    elements = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *element = make_element(json_array_get(list, i));

        if (element)
            (void)json_array_append_new(elements, element);
    }
    n_left_out = json_array_size(list) - json_array_size(elements);
    n_left_out += fleet_apply_snapshot(h, elements, listed_at_ms);
    return (int)n_left_out;
}
