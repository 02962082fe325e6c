#include "cli/accounts/scope.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/common/member.h"

#include <string.h>

#define MAX_SCOPE ((size_t)64 * 1024)
#define HOST      "host="

json_t *scope_json(const struct args_list *rules)
{
    json_t *list = json_array();

    for (size_t i = 0; i < rules->n; i++)
        (void)json_array_append_new(list, json_string(rules->items[i]));
    return list;
}

static bool has_host_rule(const json_t *scope)
{
    for (size_t i = 0; i < json_array_size(scope); i++) {
        const char *rule = json_string_value(json_array_get(scope, i));

        if (rule && strstr(rule, HOST))
            return true;
    }
    return false;
}

json_t *scope_fetch_hosts(struct client *c, const json_t *list)
{
    json_t *hosts = NULL;

    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!has_host_rule(json_object_get(json_array_get(list, i), "scope")))
            continue;
        if (client_get(c, xstrdup("/api/hosts"), &hosts, NULL) < 0)
            return NULL;
        return hosts;
    }
    return NULL;
}

static const char *find_host_name(const json_t *hosts, const char *id, size_t size)
{
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        const json_t *h = json_array_get(hosts, i);
        const char *this = member_text(h, "id");

        if (strlen(this) == size && strncmp(this, id, size) == 0)
            return member_text(h, "name");
    }
    return NULL;
}

/* One condition of a rule, without the comma. */
static void add_part(struct buf *out, const char *part, size_t size, const json_t *hosts)
{
    size_t head = strlen(HOST);
    const char *name = NULL;

    if (size > head && strncmp(part, HOST, head) == 0)
        name = find_host_name(hosts, part + head, size - head);
    if (name) {
        (void)buf_printf(out, HOST "%s", name);
    } else {
        (void)buf_printf(out, "%.*s", (int)size, part);
    }
}

char *scope_text(const json_t *element, const void *hosts)
{
    const json_t *scope = json_object_get(element, "scope");
    struct buf out = BUF_INIT(MAX_SCOPE);
    char *text;

    for (size_t i = 0; i < json_array_size(scope); i++) {
        const char *part = json_string_value(json_array_get(scope, i));

        (void)buf_append_str(&out, i ? "; " : "");
        while (!str_is_empty(part)) {
            size_t n = strcspn(part, ",");

            add_part(&out, part, n, hosts);
            (void)buf_append_str(&out, part[n] ? "," : "");
            part += n + (part[n] ? 1 : 0);
        }
    }
    text = xstrdup(out.size ? buf_str(&out) : "everything");
    buf_done(&out);
    return text;
}
