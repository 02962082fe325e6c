#include "cli/accounts/new_password.h"
#include "base/alloc.h"
#include "base/str.h"
#include "cli/accounts/login.h"
#include "cli/common/output.h"
#include "cli/common/prompt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIN_PASSWORD 8 /* the limits of the server */
#define MAX_PASSWORD 128
#define MAX_ATTEMPTS 3

/* The reason why the server would refuse the password; NULL: none. */
static const char *find_fault(const char *password)
{
    size_t n;

    if (!str_is_utf8(password, strlen(password)))
        return "it must be UTF-8";
    n = str_code_points(password);
    return n < MIN_PASSWORD || n > MAX_PASSWORD ? "it must have 8 to 128 characters" : NULL;
}

int new_password_ask(char **ret, struct error *err)
{
    for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        _cleanup_(prompt_free_secretp) char *first = NULL, *second = NULL;
        const char *fault = NULL;
        int r = prompt_line("New password: ", true, &first, err);

        if (r == 0)
            fault = find_fault(first);
        if (r == 0 && !fault)
            r = prompt_line("Repeat the new password: ", true, &second, err);
        if (r < 0)
            return r;
        if (!fault && str_eq(first, second)) {
            *ret = TAKE_PTR(first);
            return 0;
        }
        output_note("The password was not changed: %s. Try again.",
                    fault ? fault : "the two passwords differ");
    }
    return error_set(err, -EINVAL, "no new password after %d attempts", MAX_ATTEMPTS);
}

int new_password_send(struct client *c, const struct new_password *change, struct error *err)
{
    json_t *body = json_pack("{s:s, s:s}", "current_password", change->current, "new_password",
                             change->new_password);

    if (!body)
        return error_set(err, -EINVAL, "passwords must be UTF-8");
    if (change->keep_keys)
        (void)json_object_set_new(body, "keep_api_keys", json_true());
    return client_send(c, "POST", xstrdup("/api/v2/auth/change-password"), body, NULL, err);
}

int new_password_send_as(const char *user, const struct new_password *change, struct error *err)
{
    _cleanup_(config_done) struct config config = {0};
    _cleanup_(client_closep) struct client *c = NULL;
    json_auto_t *answer = NULL;
    int r;

    r = config_load_process(&config, err);
    if (r < 0)
        return r;
    prompt_free_secret(TAKE_PTR(config.api_key)); /* it would be used instead of the session */
    prompt_free_secret(TAKE_PTR(config.session));
    r = login_open_session(&config, user, change->current, &answer, err);
    if (r == 0)
        r = client_open(&c, &config, err);
    if (r < 0)
        return r;
    r = new_password_send(c, change, err);
    login_close_session(c);
    return r;
}
