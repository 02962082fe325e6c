#include "server/session/join_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

int join(struct db *s,
         const char *token,
         const char *engine_id,
         const char *extra,
         struct registration *ret,
         struct error *err)
{
    _cleanup_(msg_register_done) struct msg_register m = {0};
    json_t *v = json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:b}}", "type", "register", "token", token,
                          "engine_id", engine_id, "version", "1.2.3", "proto_version", "1.1",
                          "capabilities", "event_streaming", 1);
    json_t *more = json_loads(extra, 0, NULL);

    *err = ERROR_INIT;
    assert_non_null(more);
    json_object_update(v, more);
    json_decref(more);
    assert_int_equal(msg_register_decode(v, &m, err), 0);
    json_decref(v);
    return registration_run(s, &m, AGENTS_DEFAULT_MAX, NOW, ret, err);
}

void join_ok(struct db *s,
             const char *token,
             const char *engine_id,
             const char *extra,
             struct registration *ret)
{
    struct error err;

    if (join(s, token, engine_id, extra, ret, &err) < 0)
        fail_msg("%s", err.msg);
}

void join_refused(
    struct db *s, const char *token, const char *engine_id, const char *extra, const char *why)
{
    struct registration r = {0};
    struct error err;

    assert_int_equal(join(s, token, engine_id, extra, &r, &err), -EACCES);
    if (!strstr(err.msg, why))
        fail_msg("'%s' is not in: %s", why, err.msg);
}

static void count_host(void *arg, _unused_ const struct host *h)
{
    ++*(unsigned *)arg;
}

unsigned count_hosts(struct db *s)
{
    unsigned n = 0;

    assert_int_equal(hosts_each(s, count_host, &n, NULL), 0);
    return n;
}
