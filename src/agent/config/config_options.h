#pragma once

/*
 * The options of the agent as a table for base/options.h: flag, environment variable, member of
 * struct config, default, range, help. config.c checks the rules that involve several options.
 */

#include "base/options.h"

extern const struct option_spec config_options[];
extern const size_t config_n_options;
