/*
 * logout: ends the session or the key that a login made, and forgets it. The address of the server
 * and its pin stay, so that the next login asks for nothing but the password.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/accounts/login.h"
#include "cli/accounts/login_key.h"
#include "cli/common/config.h"
#include "cli/common/output.h"
#include "cli/common/prompt.h"
#include "cli/common/verbs.h"

#include <stdlib.h>

/* A file of the user alone: variables of the environment are not what a login has saved. */
static char *read_place(const char *name)
{
    return str_starts_with(name, "DOCKMON_") ? NULL : secure_getenv(name);
}

/* Ends the credentials on the server. A failure is a note: they are forgotten here in any case. */
static void end_credentials(const struct config *config)
{
    _cleanup_(client_closep) struct client *c = NULL;
    struct error err = ERROR_INIT;
    int r = client_open(&c, config, &err);

    if (r == 0 && config->api_key) {
        r = login_key_delete(c, config->api_key, &err);
        if (r == 0) {
            output_note("(the API key was not created by a login, or other keys depend on it: it "
                        "stays valid; see `dockmon apikey ls`)");
        }
    } else if (r == 0) {
        login_close_session(c);
    }
    if (r < 0)
        output_note("(the login could not be ended on the server: %s)", err.msg);
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(config_done) struct config config = {0};
    struct error err = ERROR_INIT;

    (void)verb;
    (void)options;
    (void)words;
    if (config_load(&config, read_place, &err) < 0)
        return output_failure(NULL, err.msg);
    if (!config.api_key && !config.session) {
        output_line("Not logged in.");
        return 0;
    }
    end_credentials(&config);
    prompt_free_secret(TAKE_PTR(config.api_key));
    prompt_free_secret(TAKE_PTR(config.session));
    if (config_save(&config, &err) < 0)
        return output_failure(NULL, err.msg);
    output_line("Logged out of %s.", config.url);
    if (!str_is_empty(secure_getenv("DOCKMON_API_KEY")))
        output_note("(DOCKMON_API_KEY is set and still used)");
    return 0;
}

const struct verb verb_logout = {
    .name = "logout",
    .usage = "",
    .summary = "Log out of the DockMon server and forget the login",
    .examples = "  dockmon logout\n",
    .run = run,
};
