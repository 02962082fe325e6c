#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *err, int code, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return code;

    va_start(ap, fmt);
    (void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    err->code = code;
    return code;
}

int error_wrap(struct error *err, int code, const char *fmt, ...)
{
    struct error inner;
    va_list ap;
    size_t n;

    if (!err)
        return code;

    inner = *err;
    va_start(ap, fmt);
    (void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    err->code = code;

    n = strlen(err->msg);
    (void)snprintf(err->msg + n, sizeof(err->msg) - n, ": %s",
                   inner.code ? inner.msg : error_text(code));
    return code;
}

const char *error_text(int code)
{
    const char *text = strerrordesc_np(-code);

    return text ? text : "unknown error";
}

int error_http_status(int code)
{
    static const struct {
        int code;
        int status;
    } map[] = {
        {-EBADMSG,      400},
        {-EINVAL,       400},
        {-ENOKEY,       401},
        {-EACCES,       403},
        {-ENOENT,       404},
        {-EEXIST,       409},
        {-EBUSY,        409},
        {-EMSGSIZE,     413},
        {-EDOM,         422},
        {-EAGAIN,       429},
        {-EPROTO,       502},
        {-ENOTCONN,     503},
        {-ECONNREFUSED, 503},
        {-ENOBUFS,      503},
        {-ENOSPC,       503},
        {-EROFS,        503},
        {-ETIMEDOUT,    504},
    };

    for (size_t i = 0; i < ARRAY_LEN(map); i++) {
        if (map[i].code == code)
            return map[i].status;
    }
    return 500;
}
