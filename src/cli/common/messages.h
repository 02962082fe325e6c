#pragma once

/*
 * Sentences for the user that more than one verb prints, so that the same thing has the same words
 * everywhere. All are printf formats or parts of one. An error says what happened, to what, why,
 * and what to do; a note in parentheses is a remark on stderr that does not change the result.
 */

/* References: the kind of thing and the user's word for it. docker words it like this. */
#define MSG_NOT_FOUND "No such %s: %s"
#define MSG_CONTAINER_UNLISTED \
    "%s: not found, but host %s is offline and its containers are not known; check the agent there"
#define MSG_AMBIGUOUS   "%s is ambiguous: %zu %s match; "
#define MSG_CHOOSE_HOST "say which one with --host NAME, or --host all"

/* Hosts that a verb for several hosts passes over; the argument is the name of the host. */
#define MSG_HOST_OFFLINE  "%s is skipped: it is offline"
#define MSG_HOST_LEFT_OUT "%s is offline and left out: its containers are not known"
#define MSG_AGENT_TOO_OLD "%s is skipped: its agent is too old for this; update the agent"

/* Answers of the server; the argument says which list. */
#define MSG_INVALID_LIST "invalid answer from the server: expected the list of %s"

/* The connection to the server. */
#define MSG_CANNOT_TALK     "cannot talk to the DockMon server at %s: %s"
#define MSG_TRYING_AGAIN    "(cannot talk to the DockMon server: %s; trying again)"
#define MSG_CONNECTION_LOST "the connection to the server was lost"
#define MSG_SUBSCRIPTION_LOST \
    "(a subscription could not be sent; it is sent again after reconnecting)"
#define MSG_CANNOT_WATCH "cannot watch for signals: %s"
#define MSG_LOG_IN       "log in with `dockmon login`"

/* Values on the command line. */
#define MSG_NOT_A_NUMBER "--%s: \"%s\" is not a number"
#define MSG_NOT_A_BOOL   "\"%s\" is neither true nor false"
#define MSG_EXCLUSIVE    "--%s and --%s exclude each other; give one of them"
