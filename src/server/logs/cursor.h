#pragma once

/*
 * Cursors: a container and a position in its log as text, "ID:TIME.N,TIME.N". A viewer gives them
 * to its client, which can resume from one.
 */

#include "proto/log_stream.h"
#include "server/fleet/fleet.h"

#define LOG_CURSOR_SIZE (CONTAINER_ID_SIZE + LOG_POSITION_TEXT_SIZE)

const char *log_cursor_format(const char *container_id,
                              const struct log_position *p,
                              char ret[LOG_CURSOR_SIZE]);
/* -EINVAL. */
int log_cursor_parse(const char *cursor, char ret_id[CONTAINER_ID_SIZE], struct log_position *ret)
    _nodiscard_;
