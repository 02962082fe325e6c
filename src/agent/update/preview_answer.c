#include "agent/update/preview_answer.h"
#include "agent/update/difference.h"
#include "agent/update/eligible.h"
#include "agent/update/plan_internal.h"
#include "agent/update/pull.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/error_code.h"
#include "proto/json_text.h"
#include "proto/release.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define COMPOSE     "com.docker.compose."
#define OCI         "org.opencontainers.image."
#define SECRETS     "/run/secrets/"
#define KIND_DELETE 2
#define MAX_NOTES   256

void preview_add_note(json_t *notes, const char *code, const char *text)
{
    json_t *note;

    if (json_array_size(notes) >= MAX_NOTES)
        return;
    note = json_object();
    json_text_set(note, "code", json_text_str(code));
    json_text_set(note, "text", json_text_str(text));
    plan_array_add(notes, note);
}

/* --- the writable layer --- */

struct lost {
    struct strings paths;
    size_t size; /* bytes of the paths */
    int64_t total;
    char *compose; /* files that compose has written, for the note; or NULL */
};

/* The engine creates these for each container, and the destinations of mounts. */
static bool is_of_engine(const json_t *container, const char *path)
{
    static const char *const paths[] = {"/etc/hosts",  "/etc/hostname",      "/etc/resolv.conf",
                                        "/.dockerenv", "/run/.containerenv", "/etc/mtab"};
    const json_t *mounts = json_object_get(container, "Mounts");
    size_t i;
    json_t *mount;

    for (i = 0; i < ARRAY_LEN(paths); i++) {
        if (strcmp(paths[i], path) == 0)
            return true;
    }
    json_array_foreach(mounts, i, mount)
    {
        const char *to = json_text_get(mount, "Destination");

        if (to && plan_storage_is_same_path(to, path))
            return true;
    }
    return false;
}

/* A directory is listed as changed when something in it is: all parents of all paths. */
static json_t *find_parents(const json_t *changes)
{
    json_t *parents = json_object(), *change;
    size_t i;

    json_array_foreach(changes, i, change)
    {
        const char *path = json_text_get(change, "Path");
        const char *end = path ? strrchr(path, '/') : NULL;

        if (end && end > path)
            (void)json_object_setn_new_nocheck(parents, path, (size_t)(end - path), json_true());
    }
    return parents;
}

static bool is_compose_file(const json_t *labels, const char *path)
{
    bool is_at_root = strchr(path + 1, '/') == NULL;

    return json_text_get(labels, COMPOSE "service") &&
           (str_starts_with(path, SECRETS) || is_at_root);
}

static void add_lost(struct lost *l, const json_t *labels, const char *path)
{
    _cleanup_free_ char *text = xasprintf("%.*s", STR_CUT(path, PREVIEW_MAX_PATH));

    l->total++;
    str_mend(text);
    if (!l->compose && is_compose_file(labels, path))
        l->compose = xstrdup(text);
    if (l->paths.n == UPDATE_MAX_LIST || l->size + strlen(text) > PREVIEW_MAX_PATHS)
        return;
    l->size += strlen(text);
    strings_add(&l->paths, text);
}

static void find_lost(struct lost *l, const struct material *s)
{
    json_auto_t *parents = find_parents(s->changes);
    const json_t *labels = json_object_get(json_object_get(s->container, "Config"), "Labels");
    size_t i;
    json_t *change;

    json_array_foreach(s->changes, i, change)
    {
        const char *path = json_text_get(change, "Path");

        if (!path || path[0] != '/' || json_object_get(parents, path) ||
            json_integer_value(json_object_get(change, "Kind")) == KIND_DELETE ||
            is_of_engine(s->container, path))
            continue;
        add_lost(l, labels, path);
    }
}

static void note_lost(const struct lost *l, json_t *notes)
{
    _cleanup_free_ char *text = NULL;

    if (!l->compose)
        return;
    text = xasprintf("compose writes inline configs and secrets into the container, and only "
                     "`compose up` writes them again: %s and perhaps others are lost",
                     l->compose);
    preview_add_note(notes, "compose_files_lost", text);
}

/* --- compose --- */

/*
 * Compose 2 takes the kept container for a second one of the service, and removes one of the two: up
 * to 2.30.2 the newer one, as a faulty order of them has it (docker/compose pull request 12272), and
 * re-creates the other.
 */
static bool removes_newer(const char *version)
{
    return release_is_version(version) && release_compare(version, "2.0.0") >= 0 &&
           release_compare(version, "2.30.3") < 0;
}

/*
 * Whether the next `compose up` recreates the new container. Compose 1 hashes the id of the image
 * with the settings; compose 2 compares the image of its file with a label, which the plan sets to
 * the new id.
 */
static json_t *describe_compose(const struct preview_facts *f, bool is_update)
{
    const json_t *config = json_object_get(f->material->container, "Config");
    const json_t *labels = json_object_get(config, "Labels");
    const char *project = json_text_get(labels, COMPOSE "project");
    const char *service = json_text_get(labels, COMPOSE "service");
    const char *version = json_text_get(labels, COMPOSE "version");
    const char *own = json_text_get(config, "Image");
    _cleanup_free_ char *reason = NULL;
    json_t *compose;

    if (!project || !service)
        return NULL;
    if (!str_eq(own, f->new_image)) {
        reason = xasprintf("the file of compose names %s: write %s there", own ? own : "no image",
                           f->new_image);
    } else if (is_update && version && str_starts_with(version, "1.")) {
        reason = xasprintf("compose %s counts the id of the image among the settings", version);
    } else if (is_update && !json_text_get(labels, COMPOSE "image")) {
        reason = xstrdup("compose has not noted the image of the container in a label");
    } else if (is_update && version && removes_newer(version)) {
        reason = xasprintf("compose %s removes the new container while the old one is kept: remove "
                           "that before, or keep it for a second only",
                           version);
    }
    compose = json_object();
    json_text_set(compose, "project", json_text_str(project));
    json_text_set(compose, "service", json_text_str(service));
    json_text_set(compose, "will_recreate", json_boolean(reason != NULL));
    json_text_set(compose, "reason",
                  json_text_str(reason ? reason : "the labels of compose fit the new container"));
    return compose;
}

/* --- the changes --- */

static void cut_value(json_t *change, const char *key)
{
    json_t *v = json_object_get(change, key);

    if (json_dumpb(v, NULL, 0, JSON_ENCODE_ANY | JSON_COMPACT) > PREVIEW_MAX_CHANGE)
        json_text_set(change, key, json_text_str("(too large to show)"));
}

static json_t *list_changes(const struct preview_facts *f)
{
    static const char *const sections[] = {"Config", "HostConfig"};
    json_t *all = json_array(), *one;
    json_auto_t *predicted = f->plan ? plan_predict(f->source, f->plan) : NULL;
    size_t k;

    for (size_t i = 0; predicted && i < ARRAY_LEN(sections); i++) {
        json_auto_t *list = difference_list(json_object_get(f->material->container, sections[i]),
                                            json_object_get(predicted, sections[i]), sections[i],
                                            UPDATE_MAX_CHANGES - json_array_size(all));

        (void)json_array_extend(all, list);
    }
    json_array_foreach(all, k, one)
    {
        cut_value(one, "before");
        cut_value(one, "after");
    }
    return all;
}

/* --- the fingerprint --- */

struct item {
    json_t *value;
};

static int compare_texts(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    const char *s = json_string_value(x->value), *t = json_string_value(y->value);

    return strcmp(s ? s : "", t ? t : "");
}

/* Podman gives lists of strings in another order each time. */
static json_t *sort_lists(const json_t *v)
{
    size_t n = json_array_size(v), i;
    _cleanup_free_ struct item *items = xcalloc(n + 1, sizeof(*items));
    json_t *copy = json_is_array(v) ? json_array() : json_object(), *item;
    const char *key;
    bool is_text = true;

    if (!json_is_array(v) && !json_is_object(v)) {
        json_decref(copy);
        return json_incref(plan_mutable(v));
    }
    json_array_foreach(v, i, item)
    {
        items[i].value = sort_lists(item);
        is_text = is_text && json_is_string(item);
    }
    if (is_text && n > 1)
        qsort(items, n, sizeof(*items), compare_texts);
    for (i = 0; i < n; i++)
        plan_array_add(copy, items[i].value);
    json_object_foreach(plan_mutable(v), key, item) json_text_set(copy, key, sort_lists(item));
    return copy;
}

static json_t *share(const json_t *v)
{
    return v ? json_incref(plan_mutable(v)) : json_null();
}

static void make_fingerprint(const struct preview_facts *f,
                             const struct update_preview *p,
                             char ret[UPDATE_FINGERPRINT_LEN + 1])
{
    const json_t *state = json_object_get(f->material->container, "State");
    json_auto_t *all = json_object(), *sorted = NULL;
    _cleanup_free_ char *text = NULL;
    unsigned char hash[crypto_hash_sha256_BYTES];

    json_text_set(all, "container", json_text_str(p->container_id));
    json_text_set(all, "name", json_text_str(p->name));
    json_text_set(all, "is_running", share(json_object_get(state, "Running")));
    json_text_set(all, "image", json_text_str(p->image_id));
    json_text_set(all, "new_image", json_text_str(p->new_image));
    json_text_set(all, "new_image_id", json_text_str(p->new_image_id));
    json_text_set(all, "new_digest", json_text_str(p->new_digest));
    json_text_set(all, "platform", json_text_str(p->platform));
    json_text_set(all, "create", share(f->plan ? f->plan->create : NULL));
    json_text_set(all, "connect", share(f->plan ? f->plan->connect : NULL));
    json_text_set(all, "dependents", share(f->dependents));
    sorted = sort_lists(all);
    text = json_dumps(sorted, JSON_SORT_KEYS | JSON_COMPACT);
    if (!text)
        abort(); /* out of memory */
    (void)crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
    (void)sodium_bin2hex(ret, UPDATE_FINGERPRINT_LEN + 1, hash, sizeof(hash));
}

/* --- the answer --- */

static char *copy_text(const json_t *object, const char *key)
{
    const char *text = json_text_get(object, key);

    return text ? xstrdup(text) : NULL;
}

static char *copy_digest(const json_t *image, const char *reference, const char *announced)
{
    const char *digest = str_is_image_ref(reference) ? pull_find_digest(image, reference, announced)
                                                     : NULL;

    return digest ? xstrdup(digest) : NULL;
}

/* A link is shown only if it is one: labels come from strangers. */
static char *copy_link(const json_t *labels, const char *key)
{
    const char *text = json_text_get(labels, key);

    return text && (str_starts_with(text, "https://") || str_starts_with(text, "http://"))
               ? xstrdup(text)
               : NULL;
}

static void fill_images(const struct preview_facts *f, struct update_preview *p)
{
    const struct material *s = f->material;
    const json_t *new = f->is_pulled ? s->new_image : NULL;
    const json_t *labels = json_object_get(json_object_get(new, "Config"), "Labels");

    p->image = copy_text(json_object_get(s->container, "Config"), "Image");
    if (!p->image)
        p->image = xstrdup("");
    p->image_id = copy_text(s->container, "Image");
    p->digest = copy_digest(s->old_image, p->image, NULL);
    p->created = copy_text(s->old_image, "Created");
    p->size = json_integer_value(json_object_get(s->old_image, "Size"));
    p->new_image = xstrdup(f->new_image);
    p->new_image_id = copy_text(new, "Id");
    p->new_digest = f->digest ? xstrdup(f->digest) : copy_digest(new, p->new_image, NULL);
    p->new_created = copy_text(new, "Created");
    p->new_size = json_integer_value(json_object_get(new, "Size"));
    p->source = copy_link(labels, OCI "source");
    p->version = copy_text(labels, OCI "version");
    p->url = copy_link(labels, OCI "url");
    p->is_update = !f->is_pulled || !eligible_is_same_image(s->container, new, s->probe);
}

static json_t *describe_refusal(const struct error *err)
{
    json_t *refused;

    if (!err)
        return NULL;
    refused = json_object();
    json_text_set(refused, "code", json_text_str(error_code_name(error_code_of(err))));
    json_text_set(refused, "text", json_text_str(err->msg));
    return refused;
}

json_t *preview_make_answer(const struct preview_facts *f,
                            json_t *notes,
                            char ret_fingerprint[UPDATE_FINGERPRINT_LEN + 1])
{
    const struct material *s = f->material;
    struct update_preview p = {0};
    struct lost lost = {0};
    json_t *fields;

    p.container_id = copy_text(s->container, "Id");
    p.name = xstrdup(eligible_get_name(s->container));
    p.platform = f->platform ? xstrdup(f->platform) : NULL;
    fill_images(f, &p);
    find_lost(&lost, s);
    note_lost(&lost, notes);
    if (!s->changes)
        preview_add_note(notes, "changes_unknown", "the engine does not tell which files are lost");
    p.lost_paths = lost.paths;
    p.lost_paths_total = lost.total;
    free(lost.compose);
    p.changes = list_changes(f);
    p.notes = json_incref(notes);
    p.dependents = f->dependents ? json_incref(plan_mutable(f->dependents)) : json_array();
    p.compose = describe_compose(f, p.is_update);
    p.refused = describe_refusal(f->refused);
    make_fingerprint(f, &p, ret_fingerprint);
    p.fingerprint = xstrdup(ret_fingerprint);
    fields = update_preview_encode(&p);
    update_preview_done(&p);
    return fields;
}
