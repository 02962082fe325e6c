#include "cli/common/member.h"
#include "cli/complete/complete.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/accounts/accounts.h"
#include "cli/hosts/hosts.h"
#include "cli/resources/resources.h"

#include <string.h>

#define TIMEOUT_MS 2000
#define MAX_ASKED  16 /* hosts whose agents are asked for images, networks or volumes */

/* NULL without a valid configuration. */
static struct client *open_quietly(void)
{
    struct error err = ERROR_INIT;
    struct config config = {0};
    struct client *c = NULL;

    if (config_load(&config, secure_getenv, &err) == 0 && client_open(&c, &config, &err) == 0)
        client_set_timeout(c, TIMEOUT_MS);
    config_done(&config);
    return c;
}

/* Empty on failure. */
static json_t *fetch(struct client *c, const char *path)
{
    struct error err = ERROR_INIT;
    json_t *list = NULL;

    return client_get(c, xstrdup(path), &list, &err) == 0 ? list : json_array();
}

/* --- containers ------------------------------------------------------------------------------- */

static bool has_state(const json_t *container, enum word_kind kind)
{
    const char *state = member_state(container);
    bool is_active = str_eq(state, "running") || str_eq(state, "restarting");

    switch ((unsigned)kind) {
    case WORDS_ALIVE: return is_active || str_eq(state, "paused");
    case WORDS_RUNNING: return is_active;
    case WORDS_STOPPED: return !is_active && !str_eq(state, "paused");
    case WORDS_PAUSED: return str_eq(state, "paused");
    default: return true;
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(member_text(*(json_t *const *)a, "name"),
                  member_text(*(json_t *const *)b, "name"));
}

/* A name that several hosts use is offered as HOST/NAME only. */
static void add_container(struct complete_sink *sink, const json_t *container, bool is_unique)
{
    const char *host = member_text(container, "host_name"), *name = member_text(container, "name");
    _cleanup_free_ char *both = xasprintf("%s/%s", host, name);
    _cleanup_free_ char *text = xasprintf("%s on %s, %s", member_text(container, "image"), host,
                                          member_state(container));

    complete_add(sink, is_unique && !strchr(sink->typed, '/') ? name : both, text);
}

static void add_containers(struct complete_sink *sink, struct client *c, enum word_kind kind)
{
    json_auto_t *list = fetch(c, "/api/containers");
    size_t n = json_array_size(list);
    _cleanup_free_ json_t **sorted = xcalloc(n ? n : 1, sizeof(json_t *));

    for (size_t i = 0; i < n; i++)
        sorted[i] = json_array_get(list, i);
    qsort(sorted, n, sizeof(json_t *), compare_names);
    for (size_t i = 0; i < n; i++) {
        bool is_unique = (i == 0 || compare_names(&sorted[i], &sorted[i - 1]) != 0) &&
                         (i + 1 == n || compare_names(&sorted[i], &sorted[i + 1]) != 0);

        if (has_state(sorted[i], kind))
            add_container(sink, sorted[i], is_unique);
    }
}

/* --- hosts ------------------------------------------------------------------------------------ */

static void add_hosts(struct complete_sink *sink, struct client *c, const char *tail)
{
    json_auto_t *list = fetch(c, "/api/hosts");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *host = json_array_get(list, i);
        _cleanup_free_ char *name = xasprintf("%s%s", member_text(host, "name"), tail);
        _cleanup_free_ char *text = xasprintf("host, %s", member_text(host, "status"));

        complete_add(sink, name, text);
    }
}

/* Containers, and "HOST/" once a letter is typed, to reach the containers of a host. */
static void add_references(struct complete_sink *sink, struct client *c, enum word_kind kind)
{
    add_containers(sink, c, kind);
    if (*sink->typed && !strchr(sink->typed, '/'))
        add_hosts(sink, c, "/");
}

/* --- images, networks, volumes ---------------------------------------------------------------- */

static void add_image(struct complete_sink *sink, const json_t *image, const char *host)
{
    const json_t *tags = json_object_get(image, "tags");
    _cleanup_free_ char *text = xasprintf("image on %s", host);

    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *tag = json_string_value(json_array_get(tags, i));

        complete_add(sink, tag ? tag : "", text);
    }
    if (json_array_size(tags) == 0)
        complete_add(sink, member_text(image, "id"), text);
}

static void add_resources(struct complete_sink *sink,
                          const json_t *list,
                          const struct resource_kind *kind,
                          const char *host)
{
    _cleanup_free_ char *text = xasprintf("%s on %s", kind->noun, host);

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *element = json_array_get(list, i);

        if (kind == &resource_images) {
            add_image(sink, element, host);
        } else if (!member_is_true(element, "is_builtin")) {
            complete_add(sink, member_text(element, "name"), text);
        }
    }
}

/* Asks up to MAX_ASKED online hosts side by side; failures are ignored. */
static void ask_hosts(struct complete_sink *sink,
                      struct client *c,
                      const struct resource_kind *kind)
{
    json_auto_t *hosts = fetch(c, "/api/hosts");
    struct client_request requests[MAX_ASKED] = {0};
    const char *names[MAX_ASKED];
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(hosts) && n < MAX_ASKED; i++) {
        const json_t *host = json_array_get(hosts, i);

        if (!str_eq(member_text(host, "status"), "online"))
            continue;
        names[n] = member_text(host, "name");
        requests[n].method = "GET";
        requests[n++].path = host_path(host, kind->path);
    }
    client_run(c, requests, n);
    for (size_t i = 0; i < n; i++) {
        add_resources(sink, requests[i].json, kind, names[i]);
        client_request_done(&requests[i]);
    }
}

/* --- other kinds ------------------------------------------------------------------------------ */

static void add_accounts(struct complete_sink *sink,
                         struct client *c,
                         const struct account_kind *kind)
{
    struct error err = ERROR_INIT;
    json_auto_t *list = NULL;

    if (accounts_fetch(c, kind, &list, &err) < 0)
        return;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);

        complete_add(sink, member_text(o, kind->name), member_text(o, "role"));
    }
}

static void ask(struct complete_sink *sink, struct client *c, enum word_kind kind)
{
    switch (kind) {
    case WORDS_CONTAINERS:
    case WORDS_ALIVE:
    case WORDS_RUNNING:
    case WORDS_STOPPED:
    case WORDS_PAUSED: add_references(sink, c, kind); break;
    case WORDS_IMAGES: ask_hosts(sink, c, &resource_images); break;
    case WORDS_NETWORKS: ask_hosts(sink, c, &resource_networks); break;
    case WORDS_VOLUMES: ask_hosts(sink, c, &resource_volumes); break;
    case WORDS_HOSTS:
        add_hosts(sink, c, "");
        complete_add(sink, "all", "all hosts");
        break;
    case WORDS_ONE_HOST: add_hosts(sink, c, ""); break;
    case WORDS_USERS: add_accounts(sink, c, &account_users); break;
    case WORDS_KEYS: add_accounts(sink, c, &account_keys); break;
    case WORDS_SESSIONS: add_accounts(sink, c, &account_sessions); break;
    case WORDS_ROLES:
    case WORDS_SHELLS:
    case WORDS_FILES:
    case WORDS_FILTERS:
    case WORDS_COLUMNS:
    case WORDS_OTHER: break;
    }
}

/* The keys are the words of the flag's help that end with "=". */
static void add_filters(struct complete_sink *sink, const struct flag *f)
{
    static const char *const values[] = {
        "status=created",  "status=running",   "status=paused",    "status=restarting",
        "status=removing", "status=exited",    "status=dead",      "health=starting",
        "health=healthy",  "health=unhealthy", "health=none",      "dangling=true",
        "dangling=false",  "severity=info",    "severity=warning", "severity=error",
    };

    for (const char *word = f->help; *word; word += strspn(word, " ,;")) {
        size_t n = strcspn(word, " ,;");
        _cleanup_free_ char *key = xstrndup(word, n);

        if (n > 1 && key[n - 1] == '=' && !str_starts_with(sink->typed, key)) {
            complete_add(sink, key, "");
        } else if (n > 1 && key[n - 1] == '=') {
            for (size_t i = 0; i < ARRAY_LEN(values); i++) {
                if (str_starts_with(values[i], key))
                    complete_add(sink, values[i], "");
            }
        }
        word += n;
    }
}

static void add_columns(struct complete_sink *sink)
{
    static const char *const columns[] = {"cpu",  "mem",  "net",        "block", "pids",
                                          "name", "host", "containers", "status"};

    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        complete_add(sink, columns[i], "");
}

void complete_values(struct complete_sink *sink, const struct complete *what)
{
    enum word_kind kind = what->words;
    _cleanup_(client_closep) struct client *c = NULL;

    switch ((unsigned)kind) {
    case WORDS_FILES: (void)buf_append_str(&sink->out, ":files\n"); return;
    case WORDS_FILTERS: add_filters(sink, what->flag); return;
    case WORDS_COLUMNS: add_columns(sink); return;
    case WORDS_ROLES:
        complete_add(sink, "viewer", "views hosts and containers");
        complete_add(sink, "operator", "also operates containers");
        complete_add(sink, "admin", "also manages users and hosts");
        return;
    case WORDS_SHELLS:
        complete_add(sink, "bash", "");
        complete_add(sink, "zsh", "");
        complete_add(sink, "fish", "");
        return;
    default: break;
    }
    c = open_quietly();
    if (c)
        ask(sink, c, kind);
}
