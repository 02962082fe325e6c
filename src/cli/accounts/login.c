/*
 * login: finds the server and the credentials, tries them, and saves what works.
 *
 *   - The address comes from the command line, the configuration, or the user.
 *   - Plain HTTP to another machine is refused, unless --insecure-http allows it.
 *   - With https:// the server is checked before anything secret is asked for. If its certificate
 *     cannot be verified, the fingerprint of its key is shown, and is pinned if the user confirms
 *     it. A key other than the pinned one is refused.
 *   - An API key is tried and saved.
 *   - A password opens a session. An initial password must be changed first. The session is then
 *     exchanged for an API key with the role of the user, because a session ends after a day.
 *   - The configuration is saved with mode 0600. The password is never stored.
 *
 * Without a terminal there are no questions: the flags must answer them, or the login fails.
 */

#include "cli/accounts/login.h"
#include "base/alloc.h"
#include "base/str.h"
#include "cli/accounts/login_key.h"
#include "cli/accounts/new_password.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/prompt.h"
#include "cli/common/verbs.h"
#include "net/tls_trust.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

struct login_options {
    const char *user, *api_key, *ca_file, *pin;
    bool is_password_stdin, is_key_stdin, is_insecure, is_http_allowed;
};

#define AT(m) offsetof(struct login_options, m)

static const struct flag flags[] = {
    {"username",       'u', FLAG_STRING, AT(user),              "NAME",        "user to log in as"                         },
    {"password-stdin", 0,   FLAG_BOOL,   AT(is_password_stdin), NULL,
     "read the password from standard input"                                                                               },
    {"api-key",        0,   FLAG_STRING, AT(api_key),           "KEY",
     "use this API key instead of a user and password; it remains in the history of the shell"                             },
    {"api-key-stdin",  0,   FLAG_BOOL,   AT(is_key_stdin),      NULL,          "read the API key from standard input"      },
    {"ca-file",        0,   FLAG_STRING, AT(ca_file),           "FILE",        "PEM certificates to verify the server with"},
    {"pin",            0,   FLAG_STRING, AT(pin),               "FINGERPRINT",
     "fingerprint of the server's key, as `dockmond fingerprint` prints it"                                                },
    {"insecure",       0,   FLAG_BOOL,   AT(is_insecure),       NULL,
     "accept any certificate, which is not secure"                                                                         },
    {"insecure-http",  0,   FLAG_BOOL,   AT(is_http_allowed),   NULL,
     "allow an http:// address of another machine: the password and the key are sent in plain text"                        },
};

static int ask_url(struct config *c, const char *given, struct error *err)
{
    _cleanup_free_ char *question = NULL, *answer = NULL;
    int r;

    if (!given) {
        question = xasprintf("Server [%s]: ", c->url);
        r = prompt_line(question, false, &answer, err);
        if (r == -ENOTTY && c->is_url_given)
            return 0; /* without a terminal an address that is already configured is used */
        if (r < 0)
            return r;
        given = str_is_empty(answer) ? c->url : answer;
    }
    return config_choose_server(c, given, secure_getenv, err);
}

static int ask_user(const struct login_options *o, char **ret, struct error *err)
{
    int r;

    if (o->user) {
        *ret = xstrdup(o->user);
        return 0;
    }
    r = prompt_line("User [admin]: ", false, ret, err);
    if (r == 0 && **ret == '\0') {
        free(*ret);
        *ret = xstrdup("admin");
    }
    return r;
}

static int ask_password(const struct login_options *o, char **ret, struct error *err)
{
    return o->is_password_stdin ? prompt_read_stdin("password", ret, err)
                                : prompt_line("Password: ", true, ret, err);
}

/* The user that the server sees behind these credentials. *ret is the caller's. */
static int fetch_me(const struct config *config, json_t **ret, struct error *err)
{
    _cleanup_(client_closep) struct client *c = NULL;
    int r;

    r = client_open(&c, config, err);
    return r < 0 ? r : client_get(c, xstrdup("/api/v2/auth/me"), ret, err);
}

static int use_key(const struct login_options *o, struct config *config, struct error *err)
{
    json_auto_t *me = NULL;
    const json_t *user;
    int r = 0;

    if (o->is_key_stdin) {
        r = prompt_read_stdin("API key", &config->api_key, err);
    } else {
        config->api_key = xstrdup(o->api_key);
    }
    if (r == 0)
        r = fetch_me(config, &me, err);
    if (r < 0)
        return r;
    user = json_object_get(me, "user");
    output_line("Logged in to %s with the API key \"%s\" (%s).", config->url,
                member_text(user, "username"), member_text(user, "role"));
    return 0;
}

/*
 * Replaces the session by an API key: a session ends after a day. If no key is issued, prints the
 * reason and keeps the session.
 */
static void exchange_session(struct config *config, const char *user, const char *role)
{
    _cleanup_(client_closep) struct client *c = NULL;
    struct error err = ERROR_INIT;

    if (client_open(&c, config, &err) < 0 ||
        login_key_create(c, user, role, &config->api_key, &err) < 0) {
        output_note("(no API key could be created, so this login ends with the session: %s)",
                    err.msg);
        return;
    }
    login_close_session(c);
    prompt_free_secret(TAKE_PTR(config->session));
}

void login_close_session(struct client *c)
{
    (void)client_send(c, "POST", xstrdup("/api/v2/auth/logout"), json_object(), NULL, NULL);
}

int login_open_session(
    struct config *config, const char *user, const char *password, json_t **ret, struct error *err)
{
    _cleanup_(client_closep) struct client *c = NULL;
    struct client_request r = {.method = "POST", .path = xstrdup("/api/v2/auth/login")};
    int code;

    r.body = json_pack("{s:s, s:s}", "username", user, "password", password);
    code = client_open(&c, config, err);
    if (code == 0 && !r.body)
        code = error_set(err, -EINVAL, "the user name and the password must be UTF-8");
    if (code == 0) {
        client_run(c, &r, 1);
        code = r.code;
        if (code < 0) {
            (void)error_set(err, code, "%s", r.error);
        } else if (!r.session) {
            code = error_set(
                err, -EPROTO,
                "invalid answer from the server: it accepted the password but opened no session");
        }
    }
    if (code == 0) {
        config->session = TAKE_PTR(r.session);
        *ret = TAKE_PTR(r.json);
    }
    client_request_done(&r);
    return code;
}

/*
 * The initial password allows nothing but its change. Returns 1 if it was changed, or 0 if there is
 * nobody to ask for a new one; then the session is kept for `dockmon user passwd`.
 */
static int replace_password(const struct login_options *o,
                            const struct config *config,
                            const char *password,
                            struct error *err)
{
    _cleanup_(client_closep) struct client *c = NULL;
    _cleanup_(prompt_free_secretp) char *new_password = NULL;
    int r;

    if (o->is_password_stdin) {
        output_note("This password must be changed before anything else: `dockmon user passwd`.");
        return 0;
    }
    output_note("This password must be changed first.");
    r = new_password_ask(&new_password, err);
    if (r == 0)
        r = client_open(&c, config, err);
    if (r == 0)
        r = new_password_send(c, &(struct new_password){password, new_password, false}, err);
    return r < 0 ? r : 1;
}

static int use_password(const struct login_options *o, struct config *config, struct error *err)
{
    _cleanup_free_ char *user = NULL;
    _cleanup_(prompt_free_secretp) char *password = NULL;
    json_auto_t *answer = NULL;
    const json_t *who;
    int r;

    r = ask_user(o, &user, err);
    if (r == 0)
        r = ask_password(o, &password, err);
    if (r == 0)
        r = login_open_session(config, user, password, &answer, err);
    if (r < 0)
        return r;

    who = json_object_get(answer, "user");
    if (member_is_true(who, "must_change_password")) {
        r = replace_password(o, config, password, err);
        if (r <= 0)
            return r;
    }
    exchange_session(config, member_text(who, "username"), member_text(who, "role"));
    output_line("Logged in to %s as %s (%s).", config->url, member_text(who, "username"),
                member_text(who, "role"));
    return 0;
}

/* A key other than the pinned one, found before anything secret was asked for or sent. */
static int refuse_key(const struct config *config, const char *found, struct error *err)
{
    return error_set(err, -EPROTO,
                     "the key of %s is not the pinned one, so nothing was sent: expected %s, "
                     "found %s; somebody may be posing as the server. If `dockmond fingerprint` "
                     "prints the new one on the server, log in with `--pin %s`",
                     config->url, config->pin, found, found);
}

/*
 * Trust on first use: a server whose certificate cannot be verified is accepted by the fingerprint
 * of its key, if the user confirms it. A key that is pinned already is not asked about again.
 */
static int confirm_key(struct config *config, struct error *err)
{
    _cleanup_(client_closep) struct client *c = NULL;
    _cleanup_free_ char *question = NULL, *answer = NULL;
    struct error why = ERROR_INIT;
    int r;

    r = client_open(&c, config, err);
    if (r < 0)
        return r;
    if (client_get(c, xstrdup("/health"), NULL, &why) == 0 || !*client_refused_key(c))
        return 0; /* other errors show when logging in */
    if (config->pin)
        return refuse_key(config, client_refused_key(c), err);
    output_note("The certificate of %s cannot be verified. The fingerprint of its key is",
                config->url);
    output_note("  %s", client_refused_key(c));
    output_note(
        "Run `dockmond fingerprint` on the server. Continue only if it prints the same fingerprint.");
    question = xstrdup("Trust this key and remember it? [y/N]: ");
    r = prompt_line(question, false, &answer, err);
    if (r == -ENOTTY) {
        return error_set(
            err, -EPROTO,
            "the certificate of the server cannot be verified: give --pin with the output of "
            "`dockmond fingerprint`, or --ca-file");
    }
    if (r < 0)
        return r;
    if (!str_eq(answer, "y") && !str_eq(answer, "yes"))
        return error_set(err, -ECANCELED, "the key was not confirmed; not logged in");
    config->pin = xstrdup(client_refused_key(c));
    return 0;
}

/* Flags about trust replace all that is remembered of it; without one it stays. */
static int choose_trust(const struct login_options *o, struct config *config, struct error *err)
{
    bool is_tls = str_starts_with(config->url, "https://");

    if (o->is_http_allowed)
        config->is_http_allowed = true;
    if (o->pin || o->ca_file || o->is_insecure) {
        free(config->pin);
        config->pin = xstrdup(o->pin);
        free(config->ca_file);
        config->ca_file = xstrdup(o->ca_file);
        config->is_insecure = o->is_insecure;
    }
    if (o->pin && !is_tls) {
        return error_set(err, -EINVAL, "--pin: %s is not encrypted; give an https:// address",
                         config->url);
    }
    if (config->pin && tls_pins_check(config->pin, err) < 0)
        return error_wrap(err, -EINVAL, o->pin ? "--pin" : "the remembered pin");
    return is_tls && (config->pin || !config->is_insecure) ? confirm_key(config, err) : 0;
}

static int log_in(const struct login_options *o,
                  const char *url,
                  struct config *config,
                  struct error *err)
{
    int r;

    r = ask_url(config, url, err);
    if (r < 0)
        return r;
    prompt_free_secret(TAKE_PTR(config->api_key));
    prompt_free_secret(TAKE_PTR(config->session));
    r = choose_trust(o, config, err);
    if (r == 0)
        r = config_check_transport(config, err);
    if (r < 0)
        return r;
    r = o->api_key || o->is_key_stdin ? use_key(o, config, err) : use_password(o, config, err);
    return r < 0 ? r : config_save(config, err);
}

/* Overwrites a key on the command line, which the process list would show. Returns a copy. */
static char *take_key(struct login_options *o)
{
    char *shown = (char *)(uintptr_t)o->api_key; /* of argv */
    char *key;

    if (!shown)
        return NULL;
    key = xstrdup(shown);
    memset(shown, 'x', strlen(shown));
    o->api_key = key;
    return key;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(prompt_free_secretp) _unused_ char *key = take_key(options);
    _cleanup_(config_done) struct config config = {0};
    struct error err = ERROR_INIT;

    (void)verb;
    if (config_load_process(&config, &err) < 0 ||
        log_in(options, words->n ? words->items[0] : NULL, &config, &err) < 0) {
        return output_failure(NULL, err.msg);
    }
    output_note("(saved in %s)", config.path);
    return 0;
}

const struct verb verb_login = {
    .name = "login",
    .usage = "[OPTIONS] [URL]",
    .summary = "Log in to a DockMon server and remember it",
    .examples = "  dockmon login dockmon.example:8001\n"
                "  dockmon login -u admin --password-stdin https://dockmon.example < password\n",
    VERB_FLAGS(flags),
    .max_words = 1,
    .options_size = sizeof(struct login_options),
    .run = run,
};
