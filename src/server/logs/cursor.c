#include "server/logs/cursor.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>

const char *log_cursor_format(const char *container_id,
                              const struct log_position *p,
                              char ret[LOG_CURSOR_SIZE])
{
    char position[LOG_POSITION_TEXT_SIZE];

    (void)snprintf(ret, LOG_CURSOR_SIZE, "%s:%s", container_id, log_position_format(p, position));
    return ret;
}

int log_cursor_parse(const char *cursor, char ret_id[CONTAINER_ID_SIZE], struct log_position *ret)
{
    char id[CONTAINER_ID_SIZE];

    str_copy(id, sizeof(id), cursor);
    if (!str_is_hex(id, CONTAINER_ID_LEN) || cursor[CONTAINER_ID_LEN] != ':' ||
        log_position_parse(cursor + CONTAINER_ID_SIZE, ret) < 0)
        return -EINVAL;
    str_copy(ret_id, CONTAINER_ID_SIZE, id);
    return 0;
}
