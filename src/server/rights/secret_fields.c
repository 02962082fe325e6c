#include "server/rights/secret_fields.h"

#include "base/macros.h"
#include <stddef.h>

static const enum role least_roles[SECRET_FIELDS] = {
    [SECRET_ENV] = ROLE_OPERATOR,
    [SECRET_COMMAND] = ROLE_OPERATOR,
    [SECRET_OPTIONS] = ROLE_OPERATOR,
    [SECRET_EXEC_COMMAND] = ROLE_ADMIN,
};

/* Members of what the engine's inspect returns. */
static const struct {
    const char *path[3]; /* ends with NULL or with the array */
    enum secret_field field;
} members[] = {
    {{"Path"},                              SECRET_COMMAND},
    {{"Args"},                              SECRET_COMMAND},
    {{"Config", "Cmd"},                     SECRET_COMMAND},
    {{"Config", "Entrypoint"},              SECRET_COMMAND},
    {{"Config", "OnBuild"},                 SECRET_COMMAND},
    {{"Config", "Healthcheck"},             SECRET_COMMAND},
    {{"State", "Health", "Log"},            SECRET_COMMAND},
    {{"State", "Error"},                    SECRET_COMMAND}, /* quotes the command */
    {{"Config", "Env"},                     SECRET_ENV    },
    {{"HostConfig", "LogConfig", "Config"}, SECRET_OPTIONS},
    {{"HostConfig", "Mounts"},              SECRET_OPTIONS},
    {{"HostConfig", "StorageOpt"},          SECRET_OPTIONS},
    {{"HostConfig", "Annotations"},         SECRET_OPTIONS},
};

bool secret_field_is_visible(enum secret_field f, enum role role)
{
    return role >= least_roles[f];
}

void secret_fields_hide(json_t *container, enum role role)
{
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const char *const *path = members[i].path;
        json_t *o = container;
        size_t n = 0;

        if (secret_field_is_visible(members[i].field, role))
            continue;
        while (n + 1 < ARRAY_LEN(members[i].path) && path[n + 1])
            o = json_object_get(o, path[n++]);
        if (json_object_get(o, path[n]))
            (void)json_object_set_new(o, path[n], json_null());
    }
}
