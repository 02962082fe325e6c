#include "cli/accounts/login_key.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/text.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define KEYS_PATH    "/api/v2/api-keys"
#define NAME_PREFIX  "dockmon CLI"
#define NAME_COLUMNS 16
#define MAX_NAMES    20

/* "dockmon CLI: admin on vm, uid 1000"; `turn` distinguishes keys that had to stay. To be freed. */
static char *make_name(const char *user, unsigned turn)
{
    _cleanup_free_ char *shown = text_cut(user, NAME_COLUMNS);
    _cleanup_free_ char *number = turn > 1 ? xasprintf(" (%u)", turn) : xstrdup("");
    struct utsname machine = {0};

    (void)uname(&machine); /* fails only for an invalid pointer */
    return xasprintf(NAME_PREFIX ": %s on %.16s, uid %u%s", shown, machine.nodename,
                     (unsigned)getuid(), number);
}

static bool has_children(const json_t *keys, const json_t *key)
{
    for (size_t i = 0; i < json_array_size(keys); i++) {
        if (json_equal(json_object_get(json_array_get(keys, i), "parent_id"),
                       json_object_get(key, "id")))
            return true;
    }
    return false;
}

static int delete_key(struct client *c, const json_t *key, struct error *err)
{
    return client_send(c, "DELETE",
                       xasprintf(KEYS_PATH "/%lld", (long long)member_integer(key, "id")), NULL,
                       NULL, err);
}

static const json_t *find_by_name(const json_t *keys, const char *name)
{
    for (size_t i = 0; i < json_array_size(keys); i++) {
        if (str_eq(member_text(json_array_get(keys, i), "name"), name))
            return json_array_get(keys, i);
    }
    return NULL;
}

/*
 * Finds a free name, deleting the key of an earlier login. A key with which others were created
 * stays, because these would be deleted with it; then the name gets a number.
 */
static int free_name(struct client *c, const char *user, char **ret, struct error *err)
{
    json_auto_t *keys = NULL;
    int r = client_get(c, xstrdup(KEYS_PATH), &keys, err);

    if (r < 0)
        return r;
    for (unsigned turn = 1; turn <= MAX_NAMES; turn++) {
        _cleanup_free_ char *name = make_name(user, turn);
        const json_t *old = find_by_name(keys, name);

        if (old && has_children(keys, old))
            continue;
        if (old)
            r = delete_key(c, old, err);
        *ret = TAKE_PTR(name);
        return r;
    }
    return error_set(err, -EEXIST, "too many keys of earlier logins; see `dockmon apikey ls`");
}

int login_key_create(
    struct client *c, const char *user, const char *role, char **ret, struct error *err)
{
    _cleanup_free_ char *name = NULL;
    json_auto_t *answer = NULL;
    int r = free_name(c, user, &name, err);

    if (r < 0)
        return r;
    r = client_send(c, "POST", xstrdup(KEYS_PATH),
                    json_pack("{s:s, s:s}", "name", name, "role", role), &answer, err);
    if (r < 0)
        return r;
    if (*member_text(answer, "key") == '\0')
        return error_set(err, -EPROTO, "invalid answer from the server: it created no key");
    *ret = xstrdup(member_text(answer, "key"));
    return 0;
}

int login_key_delete(struct client *c, const char *key, struct error *err)
{
    json_auto_t *keys = NULL;
    int r = client_get(c, xstrdup(KEYS_PATH), &keys, err);

    for (size_t i = 0; i < json_array_size(keys) && r == 0; i++) {
        const json_t *own = json_array_get(keys, i);
        const char *prefix = member_text(own, "prefix");

        if (*prefix == '\0' || !str_starts_with(key, prefix) ||
            !str_starts_with(member_text(own, "name"), NAME_PREFIX) || has_children(keys, own))
            continue;
        r = delete_key(c, own, err);
        return r < 0 ? r : 1;
    }
    return r;
}
