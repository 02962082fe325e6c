#include "proto/role.h"
#include "base/str.h"

#include <errno.h>

static const char *const names[] = {
    [ROLE_NONE] = "none",
    [ROLE_VIEWER] = "viewer",
    [ROLE_OPERATOR] = "operator",
    [ROLE_ADMIN] = "admin",
};

int role_parse(const char *s, enum role *ret)
{
    for (enum role r = ROLE_VIEWER; r <= ROLE_ADMIN; r++) {
        if (str_eq(s, names[r])) {
            *ret = r;
            return 0;
        }
    }
    return -EINVAL;
}

const char *role_name(enum role r)
{
    return names[r];
}

const char *role_with_article(enum role r)
{
    static const char *const texts[] = {
        [ROLE_NONE] = "without a role",
        [ROLE_VIEWER] = "a viewer",
        [ROLE_OPERATOR] = "an operator",
        [ROLE_ADMIN] = "an admin",
    };

    return texts[r];
}
