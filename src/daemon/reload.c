#include "daemon/reload.h"

#define MAX_TEXT ((size_t)64 * 1024)

void reload_log_level(reload_read_fn read, void *owner)
{
    struct buf errors = BUF_INIT(MAX_TEXT);
    enum log_level level;

    if (read(owner, &level, &errors) < 0) {
        log_error(NULL, "could not reload the configuration: %s", buf_str(&errors));
    } else {
        log_set_level(level);
        log_info(LOG_FIELDS("log_level", log_level_name(level)), "configuration reloaded");
    }
    buf_done(&errors);
}
