#include "agent/config/config.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#define MAX_WORDS 12

static char dir[] = "/tmp/config_test.XXXXXX";
static char *data_var; /* DATA_PATH=<dir>, a directory without a token */

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    data_var = xasprintf("DATA_PATH=%s", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(data_var);
    return rmdir(dir);
}

struct run {
    struct config config;
    struct buf errors;
    int r;
};

static void load(struct run *run,
                 const char *const *env,
                 const char *const *words,
                 const char *root)
{
    char *argv[MAX_WORDS + 2] = {(char *)(uintptr_t) "dockmon-agent"};
    int argc = 1;
    const struct option_source *source;

    for (; words && *words && argc <= MAX_WORDS; words++)
        argv[argc++] = (char *)(uintptr_t)*words;
    source = &(struct option_source){.argc = argc, .argv = argv, .env = env};
    *run = (struct run){.errors = BUF_INIT(16384)};
    run->r = config_load(&run->config, source, root, &run->errors);
}

static void run_done(struct run *run)
{
    config_done(&run->config);
    buf_done(&run->errors);
}

static void test_defaults(void **state)
{
    const char *const env[] = {"DOCKMON_URL=https://dm.example", "REGISTRATION_TOKEN= tok-1 \n",
                               NULL};
    struct run run;

    (void)state;
    load(&run, env, NULL, dir);
    assert_string_equal(buf_str(&run.errors), "");
    assert_int_equal(run.r, 0);
    assert_string_equal(run.config.ws_url, "wss://dm.example/api/agent/ws");
    assert_string_equal(run.config.http_address, "https://dm.example:443");
    assert_string_equal(run.config.registration_token, "tok-1");
    assert_null(run.config.permanent_token);
    assert_null(run.config.agent_name);
    assert_false(run.config.is_insecure);
    assert_false(run.config.force_unique);
    assert_false(run.config.log_json); /* as the server's log */
    assert_int_equal(run.config.log_level, LOG_LEVEL_INFO);
    assert_int_equal(run.config.reconnect_initial_ms, 1000);
    assert_int_equal(run.config.reconnect_max_ms, 60000);
    assert_int_equal(run.config.update_timeout_ms, 120000);
    assert_string_equal(run.config.proto_version, "1.1");
    assert_string_equal(run.config.data_path, "/data");
    assert_string_equal(run.config.token_path, "/data/permanent_token");
    assert_string_equal(run.config.stacks_dir, "/data/stacks");
    assert_null(run.config.ca_file);
    assert_string_equal(run.config.policy.text, "full");
    run_done(&run);
}

static void test_url(void **state)
{
    static const struct {
        const char *url;
        const char *ws, *http, *prefix; /* NULL: refused */
    } cases[] = {
        {"http://h",               "ws://h/api/agent/ws",              "http://h:80",           ""      },
        {"http://h:8001/",         "ws://h:8001/api/agent/ws",         "http://h:8001",         ""      },
        {"https://h:8001///",      "wss://h:8001/api/agent/ws",        "https://h:8001",        ""      },
        {"ws://h",                 "ws://h/api/agent/ws",              "http://h:80",           ""      },
        {"wss://h",                "wss://h/api/agent/ws",             "https://h:443",         ""      },
        {"wss://h/api",            "wss://h/api/agent/ws",             "https://h:443",         ""      },
        {"wss://h/api/",           "wss://h/api/agent/ws",             "https://h:443",         ""      },
        {"ws://h:1/api/agent/ws",  "ws://h:1/api/agent/ws",            "http://h:1",            ""      },
        {"ws://h:1/api/agent/ws/", "ws://h:1/api/agent/ws",            "http://h:1",            ""      },
        {"https://h/dm",           "wss://h/dm/api/agent/ws",          "https://h:443",         "/dm"   },
        {"https://h/dm/api",       "wss://h/dm/api/agent/ws",          "https://h:443",         "/dm"   },
        {"https://h/myapi",        "wss://h/myapi/api/agent/ws",       "https://h:443",         "/myapi"},
        {"http://127.0.0.1:8001",  "ws://127.0.0.1:8001/api/agent/ws", "http://127.0.0.1:8001", ""      },
        {"http://[::1]:8001",      "ws://[::1]:8001/api/agent/ws",     "http://[::1]:8001",     ""      },
        {"http://[::1]",           "ws://[::1]/api/agent/ws",          "http://[::1]:80",       ""      },
        {"h:8001",                 NULL,                               NULL,                    NULL    },
        {"ftp://h",                NULL,                               NULL,                    NULL    },
        {"http://",                NULL,                               NULL,                    NULL    },
        {"http:///api",            NULL,                               NULL,                    NULL    },
        {"http://h:0",             NULL,                               NULL,                    NULL    },
        {"http://h:65536",         NULL,                               NULL,                    NULL    },
        {"http://h:x",             NULL,                               NULL,                    NULL    },
        {"http://user:pw@h",       NULL,                               NULL,                    NULL    },
        {"http://h/?q=1",          NULL,                               NULL,                    NULL    },
        {"http://h/#x",            NULL,                               NULL,                    NULL    },
        {"http://h h",             NULL,                               NULL,                    NULL    },
        {"HTTP",                   NULL,                               NULL,                    NULL    },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config c = {0};
        struct error err = ERROR_INIT;
        int r = config_parse_url(&c, cases[i].url, &err);

        if ((r == 0) != (cases[i].ws != NULL))
            fail_msg("%s: %d %s", cases[i].url, r, err.msg);
        if (r == 0) {
            assert_string_equal(c.ws_url, cases[i].ws);
            assert_string_equal(c.http_address, cases[i].http);
            assert_string_equal(c.http_prefix, cases[i].prefix);
            assert_int_equal(c.is_tls, str_starts_with(cases[i].ws, "wss"));
        } else {
            assert_non_null(strstr(err.msg, "expected http://"));
        }
        config_done(&c);
    }
}

#define URL "DOCKMON_URL=http://127.0.0.1"
#define TOK "REGISTRATION_TOKEN=t"
#define PIN "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* 256 bytes */
#define TEN     "0123456789"
#define FIFTY   TEN TEN TEN TEN TEN
#define NAME256 "AGENT_NAME=" FIFTY FIFTY FIFTY FIFTY FIFTY "012345"

static const struct {
    const char *env[6];
    const char *word; /* NULL: none */
    const char *said; /* part of the message; NULL: accepted */
} refusals[] = {
    {{TOK},                                                             NULL,               "DOCKMON_URL or --url is required"                                   },
    {{TOK, "DOCKMON_URL=h:1"},                                          NULL,               "DOCKMON_URL=h:1: expected http://"                                  },
    {{URL},                                                             NULL,               "REGISTRATION_TOKEN or PERMANENT_TOKEN is required"                  },
    {{URL, "REGISTRATION_TOKEN=a b"},                                   NULL,               "REGISTRATION_TOKEN=(secret): expected"                              },
    {{URL, "PERMANENT_TOKEN=a;b"},                                      NULL,               "PERMANENT_TOKEN=(secret): expected"                                 },
    {{URL, TOK},                                                        "--log-json=maybe", "(LOG_JSON): expected true or false"                                 },
    {{URL, TOK, "RECONNECT_MAX=60 bananas"},                            NULL,               "RECONNECT_MAX=60 bananas: expected a duration"                      },
    {{URL, TOK, "RECONNECT_INITIAL=2m"},
     NULL,                                                                                  "RECONNECT_INITIAL=120000ms: expected at most RECONNECT_MAX"         },
    {{URL, TOK, "UPDATE_TIMEOUT=-1s"},                                  NULL,               "UPDATE_TIMEOUT=-1s: expected"                                       },
    {{URL, TOK, "LOG_LEVEL=loud"},                                      NULL,               "LOG_LEVEL=loud: expected debug"                                     },
    {{URL, TOK, "LOG_FORMAT=xml"},                                      NULL,               "LOG_FORMAT=xml: expected json or text"                              },
    {{URL, TOK, "DATA_PATH=data"},                                      NULL,               "DATA_PATH=data: expected an absolute path"                          },
    {{URL, TOK, "DOCKER_HOST=docker"},
     NULL,                                                                                  "DOCKER_HOST=docker: expected unix:///PATH or tcp://HOST:PORT"       },
    {{URL, TOK, "DOCKER_HOST=unix://"},                                 NULL,               "DOCKER_HOST=unix://: expected"                                      },
    {{URL, TOK, "DOCKER_API_VERSION=1.40"},
     NULL,                                                                                  "DOCKER_API_VERSION=1.40: expected a version from 1.41"              },
    {{URL, TOK, "DOCKER_API_VERSION=latest"},
     NULL,                                                                                  "DOCKER_API_VERSION=latest: expected a version"                      },
    {{URL, TOK, "DOCKER_API_VERSION=v1.45"},                            NULL,               NULL                                                                 },
    {{URL, TOK, "DOCKER_API_VERSION=1.99"},                             NULL,               NULL                                                                 },
    {{URL, TOK, "DOCKER_HOST=tcp://h:0"},                               NULL,               "DOCKER_HOST=tcp://h:0: expected"                                    },
    {{URL, TOK, "DOCKER_HOST=tcp://"},                                  NULL,               "DOCKER_HOST=tcp://: expected"                                       },
    {{URL, TOK, "DOCKER_HOST=tcp://h:1/v1.44"},                         NULL,               "expected tcp://HOST:PORT without a path"                            },
    {{URL, TOK, "DOCKER_HOST=https://h:2376"},
     NULL,                                                                                  "DOCKER_TLS_VERIFY=true or DOCKER_CERT_PATH enables TLS"             },
    {{URL, TOK, "DOCKER_HOST=tcp://h:2376", "DOCKER_TLS_VERIFY=maybe"}, NULL,               NULL                                                                 },
    {{URL, TOK, "DOCKER_HOST=tcp://h:2376", "DOCKER_CERT_PATH=/c"},
     NULL,                                                                                  "DOCKER_CERT_PATH=/c: expected a directory with ca.pem"              },
    {{URL, TOK, "DOCKER_HOST=tcp://h:2376", "DOCKER_TLS_VERIFY=1"},     NULL,               NULL                                                                 },
    {{TOK, "DOCKMON_URL=https://h", "DOCKMON_PIN=sha256:12"},
     NULL,                                                                                  "DOCKMON_PIN=sha256:12: expected sha256: and 64 hex digits"          },
    {{TOK, "DOCKMON_URL=https://h", "DOCKMON_PIN=" PIN "," PIN},        NULL,               NULL                                                                 },
    {{URL, TOK, "DOCKMON_PIN=" PIN},                                    NULL,               "DOCKMON_PIN: expected https:// in DOCKMON_URL"                      },
    {{URL, TOK, "DOCKER_CERT_PATH=/c"},                                 NULL,               NULL                                                                 },
    {{URL, TOK, "DOCKER_HOST=tcp://h:2375"},                            NULL,               NULL                                                                 },
    {{URL, TOK, "FORCE_UNIQUE_REGISTRATION=true"},
     NULL,                                                                                  "FORCE_UNIQUE_REGISTRATION=true: expected AGENT_NAME"                },
    {{URL, TOK, "FORCE_UNIQUE_REGISTRATION=1", "AGENT_NAME=  "},        NULL,               "expected AGENT_NAME"                                                },
    {{URL, TOK, "FORCE_UNIQUE_REGISTRATION=1", "AGENT_NAME=n"},         NULL,               NULL                                                                 },
    {{URL, TOK, NAME256},                                               NULL,               "expected at most 255 bytes, not 256"                                },
    {{URL, TOK, "AGENT_NAME=\xff"},                                     NULL,               "AGENT_NAME: expected UTF-8"                                         },
    {{URL, TOK, "AGENT_POLICY=observe,fly"},
     NULL,                                                                                  "AGENT_POLICY=observe,fly: expected observe, operate, full"          },
    {{URL, TOK, "AGENT_POLICY=observe, stop"},                          NULL,               NULL                                                                 },
    {{URL, TOK, "CA_FILE=/nonexistent"},
     NULL,                                                                                  "CA_FILE=/nonexistent: expected a file that can be read"             },
    {{URL, TOK, "PROTO_VERSION=123456789012345678901"},
     NULL,                                                                                  "PROTO_VERSION=123456789012345678901: expected"                      },
    {{URL, TOK, "AGENT_VERSION=anything"},                              NULL,               NULL                                                                 },
    {{TOK, "DOCKMON_URL=http://h"},
     NULL,                                                                                  "the registration is refused because the connection is not encrypted"},
    {{TOK, "DOCKMON_URL=ws://127.0.0.1.example:8001"},                  NULL,               "the registration is refused"                                        },
    {{TOK, "DOCKMON_URL=http://h", "INSECURE_HTTP=false"},              NULL,               "the registration is refused"                                        },
    {{TOK, "DOCKMON_URL=http://h"},                                     "--insecure-http",  NULL                                                                 },
    {{TOK, "DOCKMON_URL=http://h", "INSECURE_HTTP=true"},               NULL,               NULL                                                                 },
    {{TOK, "DOCKMON_URL=http://h", "PERMANENT_TOKEN=p"},                NULL,               NULL                                                                 },
    {{TOK, "DOCKMON_URL=http://[::1]:8001"},                            NULL,               NULL                                                                 },
    {{TOK, "DOCKMON_URL=http://localhost"},                             NULL,               NULL                                                                 },
    {{URL, TOK},                                                        "stray",            "stray: expected flags only"                                         },
    {{URL, TOK},                                                        "--nope",           "--nope: unknown flag"                                               },
    {{URL, TOK, "INSECURE_SKIP_VERIFY=", "RECONNECT_MAX="},             NULL,               NULL                                                                 },
};

static void test_invalid_values_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        const char *const words[] = {refusals[i].word, NULL};
        const char *env[8] = {0};
        size_t n = 0;
        struct run run;

        for (; refusals[i].env[n]; n++)
            env[n] = refusals[i].env[n];
        env[n] = data_var;
        load(&run, env, words, dir);
        if (run.r != (refusals[i].said ? -EINVAL : 0))
            fail_msg("case %zu: %d: %s", i, run.r, buf_str(&run.errors));
        if (refusals[i].said && !strstr(buf_str(&run.errors), refusals[i].said))
            fail_msg("expected \"%s\" in: %s", refusals[i].said, buf_str(&run.errors));
        if (!refusals[i].said)
            assert_string_equal(buf_str(&run.errors), "");
        run_done(&run);
    }
}

static void test_doubtful_values_are_read_as_meant(void **state)
{
    static const struct {
        const char *variable, *note; /* NULL: no doubt */
    } cases[] = {
        {"RECONNECT_MAX=60",                      "RECONNECT_MAX=60 is read as 60s\n" },
        {"RECONNECT_MAX='90'",                    "RECONNECT_MAX=90 is read as 90s\n" },
        {"LOG_LEVEL=trace",                       "LOG_LEVEL=trace is read as debug\n"},
        {"LOG_LEVEL=fatal",                       "LOG_LEVEL=fatal is read as error\n"},
        {"AGENT_NAME=\"web\"",                    "AGENT_NAME: the quotes around"     },
        {"PERMANENT_TOKEN='secret-token'",        "PERMANENT_TOKEN: the quotes around"},
        {"LOG_LEVEL=warning",                     NULL                                },
        {"RECONNECT_MAX=1m30s",                   NULL                                },
        {"DOCKER_HOST=unix:///run/a/docker.sock", NULL                                },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *const env[] = {data_var, URL, TOK, cases[i].variable, NULL};
        const char *notes;
        struct run run;

        load(&run, env, NULL, dir);
        notes = buf_str(&run.config.notes);
        if (run.r < 0 || (cases[i].note ? !strstr(notes, cases[i].note) : *notes))
            fail_msg("%s: %s%s", cases[i].variable, buf_str(&run.errors), notes);
        assert_null(strstr(notes, "secret-token"));
        run_done(&run);
    }
}

static void test_forms_of_addresses(void **state)
{
    static const struct {
        const char *variables[2];
        const char *docker_host, *ws_url;
    } cases[] = {
        {{"DOCKER_HOST=tcp://h:2375/"},                   "tcp://h:2375",     NULL                           },
        {{"DOCKER_HOST=tcp://h"},                         "tcp://h:2375",     NULL                           },
        {{"DOCKER_HOST=tcp://h/", "DOCKER_TLS_VERIFY=1"}, "tcp://h:2376",     NULL                           },
        {{"DOCKER_HOST=TCP://h:1"},                       "tcp://h:1",        NULL                           },
        {{"DOCKER_HOST=http://h:2375"},                   "tcp://h:2375",     NULL                           },
        {{"DOCKER_HOST=tcp://[::1]"},                     "tcp://[::1]:2375", NULL                           },
        {{"DOCKER_HOST='tcp://h'"},                       "tcp://h:2375",     NULL                           },
        {{"DOCKER_HOST=UNIX:///a/s"},                     "unix:///a/s",      NULL                           },
        {{"DOCKMON_URL=HTTP://127.0.0.1:1"},              NULL,               "ws://127.0.0.1:1/api/agent/ws"},
        {{"DOCKMON_URL=\"Https://h:1/\""},                NULL,               "wss://h:1/api/agent/ws"       },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *const env[] = {data_var, cases[i].variables[0], cases[i].ws_url ? TOK : URL,
                                   TOK,      cases[i].variables[1], NULL};
        struct run run;

        load(&run, env, NULL, dir);
        if (run.r < 0)
            fail_msg("%s: %s", cases[i].variables[0], buf_str(&run.errors));
        if (cases[i].docker_host)
            assert_string_equal(run.config.docker_host, cases[i].docker_host);
        if (cases[i].ws_url)
            assert_string_equal(run.config.ws_url, cases[i].ws_url);
        run_done(&run);
    }
}

static void touch(const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

    assert_int_equal(file_write_atomic(path, "", 0, 0600, NULL), 0);
}

static void untouch(const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

    assert_int_equal(unlink(path), 0);
}

static void test_engine_tls(void **state)
{
    static const struct {
        const char *verify; /* DOCKER_TLS_VERIFY */
        const char *files[3];
        bool has_path;
        bool is_good, is_tls, is_insecure;
    } cases[] = {
        {"",                        {NULL},                            false, true,  false, false},
        {"DOCKER_TLS_VERIFY=1",     {NULL},                            false, true,  true,  false},
        {"DOCKER_TLS_VERIFY=0",     {NULL},                            false, true,  false, true },
        {"",                        {"ca.pem", "cert.pem", "key.pem"}, true,  true,  true,  false},
        {"DOCKER_TLS_VERIFY=true",  {"cert.pem", "key.pem"},           true,  true,  true,  false},
        {"DOCKER_TLS_VERIFY=false", {"ca.pem"},                        true,  true,  true,  true },
        {"",                        {"ca.pem", "cert.pem"},            true,  false, true,  false},
        {"",                        {"ca.pem", "key.pem"},             true,  false, true,  false},
        {"",                        {NULL},                            true,  false, true,  false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *path = xasprintf("DOCKER_CERT_PATH=%s", dir);
        const char *const env[] = {data_var,
                                   URL,
                                   TOK,
                                   "DOCKER_HOST=tcp://h:2376",
                                   cases[i].has_path ? path : "A=b",
                                   *cases[i].verify ? cases[i].verify : "C=d",
                                   NULL};
        struct run run;

        for (size_t f = 0; f < 3 && cases[i].files[f]; f++)
            touch(cases[i].files[f]);
        load(&run, env, NULL, dir);
        if ((run.r == 0) != cases[i].is_good || run.config.is_engine_tls != cases[i].is_tls ||
            run.config.is_engine_insecure != cases[i].is_insecure)
            fail_msg("case %zu: %s", i, buf_str(&run.errors));
        for (size_t f = 0; f < 3 && cases[i].files[f]; f++)
            untouch(cases[i].files[f]);
        run_done(&run);
    }
}

static void test_all_errors_are_reported_at_once_without_secrets(void **state)
{
    const char *const env[] = {
        data_var,           "DOCKMON_URL=nonsense", "REGISTRATION_TOKEN=my secret", "LOG_LEVEL=x",
        "LOG_FORMAT=maybe", "RECONNECT_MAX=y",      "FORCE_UNIQUE_REGISTRATION=1",  NULL};
    size_t lines = 0;
    struct run run;

    (void)state;
    load(&run, env, NULL, dir);
    assert_int_equal(run.r, -EINVAL);
    for (const char *s = buf_str(&run.errors); *s; s++)
        lines += *s == '\n';
    assert_int_equal(lines, 6);
    assert_null(strstr(buf_str(&run.errors), "my secret"));
    run_done(&run);
}

static void test_precedence(void **state)
{
    _cleanup_free_ char *file = xasprintf("%s/agent.conf", dir);
    const char *const words[] = {"--config", file, "--log-level", "error", "--insecure-skip-verify",
                                 NULL};
    const char *const env[] = {data_var, TOK, "LOG_LEVEL=debug", "AGENT_NAME=\tfrom env ", NULL};
    static const char text[] = "# comment\nDOCKMON_URL=\"https://file.example\"\nAGENT_NAME=file\n"
                               "LOG_FORMAT=text\n";
    struct run run;

    (void)state;
    assert_int_equal(file_write_atomic(file, text, strlen(text), 0600, NULL), 0);
    load(&run, env, words, dir);
    assert_string_equal(buf_str(&run.errors), "");
    assert_int_equal(run.config.log_level, LOG_LEVEL_ERROR);
    assert_true(run.config.is_insecure);
    assert_string_equal(run.config.agent_name, "from env");
    assert_string_equal(run.config.ws_url, "wss://file.example/api/agent/ws");
    assert_false(run.config.log_json);
    run_done(&run);
    assert_int_equal(unlink(file), 0);
}

static void test_stored_token(void **state)
{
    _cleanup_free_ char *path = xasprintf("%s/permanent_token", dir);
    const char *const env[] = {data_var, URL, NULL};
    struct run run;

    (void)state;
    assert_int_equal(file_write_atomic(path, "stored\n", 7, 0600, NULL), 0);
    load(&run, env, NULL, dir);
    assert_string_equal(buf_str(&run.errors), "");
    assert_string_equal(run.config.token_path, path);
    run_done(&run);

    assert_int_equal(file_write_atomic(path, "not a token", 11, 0600, NULL), 0);
    load(&run, env, NULL, dir);
    assert_int_equal(run.r, -EINVAL);
    assert_non_null(strstr(buf_str(&run.errors), path));
    assert_null(strstr(buf_str(&run.errors), "not a token"));
    run_done(&run);
    assert_int_equal(unlink(path), 0);
}

/* A token may be in a file, but not in a file and in a variable, and no message contains it. */
static void test_token_file(void **state)
{
    _cleanup_free_ char *path = xasprintf("%s/registration", dir);
    _cleanup_free_ char *by_file = xasprintf("REGISTRATION_TOKEN_FILE=%s", path);
    const char *const env[] = {data_var, URL, by_file, NULL};
    const char *const both[] = {data_var, URL, by_file, "REGISTRATION_TOKEN=an-other", NULL};
    struct run run;

    (void)state;
    assert_int_equal(file_write_atomic(path, "\tfrom-a-file\r\n", 14, 0600, NULL), 0);
    load(&run, env, NULL, dir);
    assert_string_equal(buf_str(&run.errors), "");
    assert_string_equal(run.config.registration_token, "from-a-file");
    run_done(&run);

    load(&run, both, NULL, dir);
    assert_non_null(strstr(buf_str(&run.errors), "not both"));
    assert_null(strstr(buf_str(&run.errors), "an-other"));
    run_done(&run);

    assert_int_equal(file_write_atomic(path, "no token", 8, 0600, NULL), 0);
    load(&run, env, NULL, dir);
    assert_non_null(strstr(buf_str(&run.errors), path));
    assert_null(strstr(buf_str(&run.errors), "no token"));
    run_done(&run);

    assert_int_equal(unlink(path), 0);
    load(&run, env, NULL, dir);
    assert_non_null(strstr(buf_str(&run.errors), "No such file"));
    run_done(&run);
}

static void make_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    str_copy(address.sun_path, sizeof(address.sun_path), path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

/* Only sockets count: a wrong bind mount leaves a file or directory of that name behind. */
static void test_find_engine(void **state)
{
    _cleanup_free_ char *run_dir = xasprintf("%s/run", dir);
    _cleanup_free_ char *socket_path = xasprintf("%s/run/docker.sock", dir);
    _cleanup_free_ char *found = xasprintf("unix://%s", socket_path);
    _cleanup_free_ char *usual = xasprintf("unix://%s/var/run/docker.sock", dir);
    const char *const env[] = {data_var, URL, TOK, NULL};
    struct run run;

    (void)state;
    load(&run, env, NULL, dir);
    assert_string_equal(run.config.docker_host, usual);
    run_done(&run);

    assert_int_equal(mkdir(run_dir, 0700), 0);
    assert_int_equal(mkdir(socket_path, 0700), 0);
    load(&run, env, NULL, dir);
    assert_string_equal(run.config.docker_host, usual);
    run_done(&run);

    assert_int_equal(rmdir(socket_path), 0);
    make_socket(socket_path);
    load(&run, env, NULL, dir);
    assert_string_equal(run.config.docker_host, found);
    run_done(&run);

    assert_int_equal(unlink(socket_path), 0);
    assert_int_equal(rmdir(run_dir), 0);
}

static void test_help_version_and_check_work_beside_errors(void **state)
{
    const char *const words[] = {"--help", "--version", "--check", "--bad", NULL};
    const char *const env[] = {NULL};
    struct buf help = BUF_INIT(65536);
    struct run run;

    (void)state;
    load(&run, env, words, dir);
    assert_int_equal(run.r, -EINVAL);
    assert_true(run.config.want_help && run.config.want_version && run.config.want_check);
    run_done(&run);

    config_help(&help);
    assert_non_null(strstr(buf_str(&help), "FORCE_UNIQUE_REGISTRATION"));
    assert_non_null(strstr(buf_str(&help), "--reconnect-max"));
    buf_done(&help);
}

/* Existing installations set these options. */
static void test_options_without_effect_are_accepted_and_not_in_help(void **state)
{
    static const char *const names[] = {"AGENT_STACKS_DIR", "agent-stacks-dir", "HOST_STACKS_DIR",
                                        "host-stacks-dir"};
    static const char *const env[] = {
        "DOCKMON_URL=https://dm.example", "REGISTRATION_TOKEN=tok-1",    "UPDATE_TIMEOUT=5m",
        "AGENT_STACKS_DIR=/stacks",       "HOST_STACKS_DIR=/srv/stacks", NULL};
    static const char *const words[] = {"--update-timeout=6m", "--agent-stacks-dir=/stacks",
                                        "--host-stacks-dir=/srv/stacks", NULL};
    struct buf help = BUF_INIT(65536);
    struct run run;

    (void)state;
    load(&run, env, NULL, dir);
    assert_string_equal(buf_str(&run.errors), "");
    assert_int_equal(run.config.update_timeout_ms, 300000);
    run_done(&run);
    load(&run, env, words, dir);
    assert_string_equal(buf_str(&run.errors), "");
    assert_int_equal(run.config.update_timeout_ms, 360000);
    run_done(&run);

    config_help(&help);
    assert_non_null(strstr(buf_str(&help), "UPDATE_TIMEOUT"));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strstr(buf_str(&help), names[i]))
            fail_msg("--help lists %s", names[i]);
    }
    buf_done(&help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_doubtful_values_are_read_as_meant),
        cmocka_unit_test(test_forms_of_addresses),
        cmocka_unit_test(test_engine_tls),
        cmocka_unit_test(test_invalid_values_are_refused),
        cmocka_unit_test(test_all_errors_are_reported_at_once_without_secrets),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_stored_token),
        cmocka_unit_test(test_find_engine),
        cmocka_unit_test(test_help_version_and_check_work_beside_errors),
        cmocka_unit_test(test_options_without_effect_are_accepted_and_not_in_help),
        cmocka_unit_test(test_token_file),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
