#include "net/client_fixture.h"
#include "base/alloc.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* One connection of the server, plain or TLS. */
struct peer {
    int fd;
    SSL *ssl;
};

static ssize_t peer_read(const struct peer *p, char *data, size_t size)
{
    return p->ssl ? SSL_read(p->ssl, data, (int)size) : recv(p->fd, data, size, 0);
}

static bool peer_write(const struct peer *p, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = p->ssl ? SSL_write(p->ssl, data, (int)size)
                           : send(p->fd, data, size, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* Waits until the client has read everything or has closed. */
static void wait_taken(const struct peer *p)
{
    struct pollfd gone = {.fd = p->fd};
    int left;

    while (ioctl(p->fd, SIOCOUTQ, &left) == 0 && left > 0) {
        if (poll(&gone, 1, 0) > 0 && gone.revents & (POLLHUP | POLLERR))
            return;
        sched_yield();
    }
}

static void send_answer(const struct test_server *s, const struct peer *p)
{
    for (size_t turn = 0; turn < (s->repeat ? s->repeat : 1); turn++) {
        if (!(s->flags & SERVE_BYTEWISE)) {
            if (!peer_write(p, s->answer, s->size))
                return;
            continue;
        }
        for (size_t i = 0; i < s->size; i++) {
            if (!peer_write(p, s->answer + i, 1))
                return;
            wait_taken(p);
        }
    }
}

static size_t body_size(const char *head)
{
    const char *field = strcasestr(head, "\r\nContent-Length: ");
    size_t n = 0;

    for (const char *d = field ? field + strlen("\r\nContent-Length: ") : "";
         *d >= '0' && *d <= '9'; d++)
        n = n * 10 + (size_t)(*d - '0');
    return n;
}

static void read_request(struct test_server *s, const struct peer *p)
{
    size_t want = SIZE_MAX;

    s->request_size = 0;
    while (s->request_size < want && s->request_size < sizeof(s->request) - 1) {
        ssize_t n = peer_read(p, s->request + s->request_size,
                              sizeof(s->request) - 1 - s->request_size);
        const char *end;

        if (n <= 0)
            return;
        s->request_size += (size_t)n;
        s->request[s->request_size] = '\0';
        end = strstr(s->request, "\r\n\r\n");
        if (end && strcasestr(s->request, "\r\nTransfer-Encoding: chunked\r\n")) {
            want = strstr(end, "\r\n0\r\n\r\n") ? s->request_size : SIZE_MAX;
        } else if (end) {
            want = (size_t)(end + 4 - s->request) + body_size(s->request);
        }
    }
}

static void talk(struct test_server *s, const struct peer *p)
{
    char data[4096];
    ssize_t n;

    if (!(s->flags & (SERVE_DEAF | SERVE_RESET))) {
        read_request(s, p);
    } else if (s->flags & SERVE_RESET) {
        (void)recv(p->fd, data, 1, 0);
    }
    send_answer(s, p);
    if (s->flags & SERVE_ECHO) {
        while ((n = peer_read(p, data, sizeof(data))) > 0 && peer_write(p, data, (size_t)n))
            continue;
    }
    if (s->flags & SERVE_HANG) {
        while (recv(p->fd, data, sizeof(data), s->flags & SERVE_DEAF ? MSG_PEEK : 0) > 0) {
            struct pollfd gone = {.fd = p->fd, .events = POLLRDHUP};

            if (s->flags & SERVE_DEAF && poll(&gone, 1, -1) > 0)
                break;
        }
    }
}

static void serve(struct test_server *s, int fd)
{
    struct peer p = {.fd = fd};
    char data[64];
    int one = 1;

    s->n_connections++;
    if (s->flags & (SERVE_TCP | SERVE_TLS))
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (s->flags & SERVE_SLOW_TLS) {
        while (recv(fd, data, sizeof(data), 0) > 0)
            continue;
    } else if (s->flags & SERVE_TLS) {
        p.ssl = SSL_new(s->tls);
        SSL_set_fd(p.ssl, fd);
        if (SSL_accept(p.ssl) == 1) {
            talk(s, &p);
            SSL_shutdown(p.ssl);
        }
        SSL_free(p.ssl);
    } else {
        talk(s, &p);
    }
    close(fd);
}

static void *run(void *arg)
{
    struct test_server *s = arg;

    for (;;) {
        int fd = accept(s->listen_fd, NULL, NULL);

        if (fd < 0)
            return NULL; /* test_server_stop() */
        serve(s, fd);
    }
}

/* A certificate for 127.0.0.1 and localhost that is its own authority, made once per process. */
static EVP_PKEY *key;
static X509 *certificate;
static char ca_directory[] = "/tmp/net-test-ca-XXXXXX";
static char ca_file[64];

static void forget_certificate(void)
{
    (void)unlink(ca_file);
    (void)rmdir(ca_directory);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

const char *test_ca_file(void)
{
    FILE *f;

    if (certificate)
        return ca_file;
    key = EVP_EC_gen("P-256");
    certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"net test", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certificate, NID_subject_alt_name, "IP:127.0.0.1");
    X509_sign(certificate, key, EVP_sha256());
    assert_non_null(mkdtemp(ca_directory));
    (void)snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", ca_directory);
    f = fopen(ca_file, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, certificate), 1);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(atexit(forget_certificate), 0);
    return ca_file;
}

static void listen_unix(struct test_server *s)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    str_copy(s->directory, sizeof(s->directory), "/tmp/net-test-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    (void)snprintf(s->address, sizeof(s->address), "unix://%s/s", s->directory);
    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/s", s->directory);
    s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listen_fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static void listen_tcp(struct test_server *s)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(to);

    s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listen_fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(getsockname(s->listen_fd, (struct sockaddr *)&to, &size), 0);
    (void)snprintf(s->address, sizeof(s->address), "%s://127.0.0.1:%u",
                   s->flags & SERVE_TLS ? "https" : "tcp", ntohs(to.sin_port));
}

static void serve_listen(struct test_server *s, unsigned flags)
{
    s->flags = flags & SERVE_SLOW_TLS ? flags | SERVE_TLS : flags;
    s->directory[0] = '\0';
    s->tls = NULL;
    if (s->flags & (SERVE_TCP | SERVE_TLS)) {
        listen_tcp(s);
    } else {
        listen_unix(s);
    }
    if (s->flags & SERVE_TLS) {
        (void)test_ca_file();
        s->tls = SSL_CTX_new(TLS_server_method());
        assert_int_equal(SSL_CTX_use_certificate(s->tls, certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(s->tls, key), 1);
    }
    assert_int_equal(listen(s->listen_fd, 128), 0);
}

static void serve_unlisten(struct test_server *s)
{
    close(s->listen_fd);
    SSL_CTX_free(s->tls);
    if (s->directory[0]) {
        (void)unlink(s->address + strlen("unix://"));
        (void)rmdir(s->directory);
    }
}

void test_server_start(struct test_server *s, const char *answer, size_t size, unsigned flags)
{
    s->answer = answer;
    s->size = size;
    s->n_connections = 0;
    serve_listen(s, flags);
    assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

void test_server_stop(struct test_server *s)
{
    shutdown(s->listen_fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    serve_unlisten(s);
}

struct test_loop *test_loop;

static void on_guard(struct loop_timer *t)
{
    (void)t;
    fail_msg("the test hangs");
}

int test_loop_setup(void **state)
{
    const struct loop_options o = {.ca_file = test_ca_file(), .user_agent = "test/1.0"};

    (void)state;
    test_loop = xcalloc(1, sizeof(*test_loop));
    if (loop_new(&test_loop->loop, &o, NULL) < 0)
        return -1;
    loop_timer_start(test_loop->loop, &test_loop->guard, 30000, on_guard);
    return 0;
}

int test_loop_teardown(void **state)
{
    (void)state;
    loop_timer_stop(&test_loop->guard);
    loop_free(test_loop->loop);
    free(test_loop);
    return 0;
}
