#include "cli/accounts/new_password.h"
#include "base/alloc.h"
#include "base/str.h"
#include "cli/accounts/login.h"
#include "cli/common/prompt.h"

#include <errno.h>
#include <stdlib.h>

int new_password_ask(char **ret, struct error *err)
{
    _cleanup_(prompt_free_secretp) char *first = NULL, *second = NULL;
    int r;

    r = prompt_line("New password: ", true, &first, err);
    if (r == 0)
        r = prompt_line("Repeat the new password: ", true, &second, err);
    if (r < 0)
        return r;
    if (!str_eq(first, second))
        return error_set(err, -EINVAL, "the two passwords differ");
    *ret = TAKE_PTR(first);
    return 0;
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
