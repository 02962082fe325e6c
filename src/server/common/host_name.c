#include "server/common/host_name.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "proto/register.h"

static bool is_uuid(const char *name)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    if (strlen(name) != strlen(shape))
        return false;
    for (size_t i = 0; shape[i]; i++) {
        if (shape[i] == '-' ? name[i] != '-' : !isxdigit((unsigned char)name[i]))
            return false;
    }
    return true;
}

int host_name_check(const char *name, struct error *err)
{
    if (str_is_empty(name))
        return error_set(err, -EDOM, "`name` must not be empty");
    if (!msg_register_is_printable(name))
        return error_set(err, -EDOM, "`name` must consist of printable characters");
    if (strcasecmp(name, "all") == 0)
        return error_set(err, -EDOM, "`name` must not be `all`: commands mean all hosts by it");
    if (is_uuid(name))
        return error_set(err, -EDOM, "`name` must not be a UUID: it could be the id of a host");
    return 0;
}
