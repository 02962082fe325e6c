#include "base/error.h"
#include "base/str.h"

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
    str_mend(err->msg);
    err->code = code;
    err->reason = 0;
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
    if (inner.code != code)
        err->reason = 0; /* it belongs to the previous errno */

    n = strlen(err->msg);
    (void)snprintf(err->msg + n, sizeof(err->msg) - n, ": %s",
                   inner.code ? inner.msg : error_text(code));
    str_mend(err->msg);
    return code;
}

const char *error_text(int code)
{
    const char *text = strerrordesc_np(-code);

    return text ? text : "unknown error";
}
