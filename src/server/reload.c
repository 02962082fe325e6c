#include "base/log.h"
#include "daemon/service.h"
#include "server/server_internal.h"
#include "server/tls/tls_keeper.h"

/* Established connections keep their certificate, new ones use the one in the files. */
static void reload_tls(struct server *s)
{
    struct error err = ERROR_INIT;

    if (!s->tls)
        return;
    if (tls_keeper_reload(s->tls, &err) < 0) {
        log_error(NULL, "the certificate stays as it was: %s", err.msg);
    } else {
        log_info(LOG_FIELDS("fingerprint", tls_keeper_fingerprint(s->tls)),
                 "the certificate is read again");
    }
}

void server_reload(struct server *s)
{
    service_reloading(s->service);
    reload_tls(s);
    if (s->on_reload)
        s->on_reload(s->reload_owner);
    service_reloaded(s->service);
}
