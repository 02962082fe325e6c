#pragma once

/*
 * Commands of DockMon's servers that this agent does not carry out: stacks, and updates of the agent
 * by a program that is not signed.
 *
 * Today's server counts failed commands. After five in a row it shows none of the host's containers
 * for 30 s, and a few clicks on a page that does not work would be enough. So each of these commands
 * is answered at once with a refusal in the form in which the server expects its result:
 *
 *   scan_compose_dirs, read_compose_file   a result with `success` false and the reason
 *   deploy_compose                         accepted, then the event deploy_complete: it has failed
 *   self_update                            a result with the reason, then the event selfupdate_progress
 */

#include "agent/common/sender.h"

/* Answers `m` and returns true if it is one of these commands; else nothing was sent. */
bool unsupported_answer(const struct sender *sender, const struct msg_command *m);

/* Whether a message of this type is about HTTP checks by the agent. It has no reply. */
bool unsupported_is_health_check(const char *type);
