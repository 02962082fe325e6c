#pragma once

/*
 * The options of the agent as a table, for base/options.h: flag, environment variable, member of struct config, default, range,
 * help. What a table cannot say is checked in config.c.
 */

#include "base/options.h"

extern const struct option_spec config_options[];
extern const size_t config_n_options;
