#include "cli/common/query.h"

#include "base/alloc.h"
#include "base/time.h"
#include "cli/common/text.h"

#include <errno.h>

int query_add(struct buf *query, const char *name, const char *value)
{
    _cleanup_free_ char *encoded = text_url_encode(value);

    return buf_printf(query, "&%s=%s", name, encoded);
}

int query_add_time(
    struct buf *query, const char *name, const char *flag, const char *value, struct error *err)
{
    _cleanup_free_ char *text = NULL;

    if (!value)
        return 0;
    if (text_parse_time(value, time_utc_ms(), &text, err) < 0)
        return error_wrap(err, -EINVAL, "--%s", flag);
    return query_add(query, name, text);
}
