#include "base/alloc.h"
#include "base/listeners.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define N_EARS    4
#define MAX_CALLS 16

struct bell {
    struct listeners listeners;
    char calls[MAX_CALLS + 1]; /* the names of those called, in order */
    size_t n_calls;
};

struct bell_listener {
    struct listener base;
    void (*on_ring)(struct bell_listener *l, struct bell *b, int depth);
};

struct ear {
    char name;
    struct bell_listener bell;
    struct ear *other; /* that on_ring removes or adds */
};

static void ring(struct bell *b, int depth)
{
    listeners_emit(&b->listeners, struct bell_listener, on_ring, b, depth);
}

static struct ear *ear_of(struct bell_listener *l)
{
    return CONTAINER_OF(l, struct ear, bell);
}

static void note(struct bell *b, char name)
{
    assert_true(b->n_calls < MAX_CALLS);
    b->calls[b->n_calls++] = name;
}

static void expect(struct bell *b, const char *calls)
{
    assert_string_equal(b->calls, calls);
    memset(b->calls, 0, sizeof(b->calls));
    b->n_calls = 0;
}

static void hear(struct bell_listener *l, struct bell *b, int depth)
{
    (void)depth;
    note(b, ear_of(l)->name);
}

static void remove_other(struct bell_listener *l, struct bell *b, int depth)
{
    hear(l, b, depth);
    listeners_remove(&ear_of(l)->other->bell.base);
}

static void add_other(struct bell_listener *l, struct bell *b, int depth)
{
    hear(l, b, depth);
    if (!ear_of(l)->other->bell.base.list)
        listeners_add(&b->listeners, &ear_of(l)->other->bell.base);
}

static void add_other_again(struct bell_listener *l, struct bell *b, int depth)
{
    remove_other(l, b, depth);
    listeners_add(&b->listeners, &ear_of(l)->other->bell.base);
}

static void free_myself(struct bell_listener *l, struct bell *b, int depth)
{
    struct ear *ear = ear_of(l);

    hear(l, b, depth);
    listeners_remove(&ear->bell.base);
    free(ear);
}

static void ring_again(struct bell_listener *l, struct bell *b, int depth)
{
    hear(l, b, depth);
    if (depth > 0)
        ring(b, depth - 1);
}

static void ring_then_remove_other(struct bell_listener *l, struct bell *b, int depth)
{
    ring_again(l, b, depth);
    if (depth == 0)
        listeners_remove(&ear_of(l)->other->bell.base);
}

static void end_bell(struct bell_listener *l, struct bell *b, int depth)
{
    hear(l, b, depth);
    if (depth > 0) {
        ring(b, depth - 1);
    } else {
        listeners_done(&b->listeners);
    }
}

/* Ears a, b, c and d; d is not added. */
static void set_up(struct bell *b, struct ear ears[N_EARS])
{
    memset(b, 0, sizeof(*b));
    for (size_t i = 0; i < N_EARS; i++) {
        ears[i] = (struct ear){.name = (char)('a' + i), .bell.on_ring = hear};
        if (i < N_EARS - 1)
            listeners_add(&b->listeners, &ears[i].bell.base);
    }
}

static void test_calls_in_the_order_of_adding(void **state)
{
    struct bell b;
    struct ear ears[N_EARS];

    (void)state;
    set_up(&b, ears);
    ring(&b, 0);
    expect(&b, "abc");
    ears[1].bell.on_ring = NULL; /* not wanted */
    ring(&b, 0);
    expect(&b, "ac");
    listeners_remove(&ears[0].bell.base);
    listeners_remove(&ears[0].bell.base); /* on no list: harmless */
    listeners_add(&b.listeners, &ears[0].bell.base);
    ring(&b, 0);
    expect(&b, "ca");
    assert_false(listeners_is_empty(&b.listeners));
    listeners_done(&b.listeners);
    assert_true(listeners_is_empty(&b.listeners));
    listeners_remove(&ears[2].bell.base);
    ring(&b, 0);
    expect(&b, "");
}

static void test_removal_during_emission(void **state)
{
    static const char *const expected[] = {"abc", "ac", "ab", "abc"};
    struct bell b;
    struct ear ears[N_EARS];

    (void)state;
    for (size_t other = 0; other < N_EARS; other++) { /* itself, the next, the last, none */
        set_up(&b, ears);
        ears[0].bell.on_ring = remove_other;
        ears[0].other = &ears[other];
        ring(&b, 0);
        expect(&b, expected[other]);
    }
    set_up(&b, ears);
    ears[2].bell.on_ring = remove_other; /* one that was called before */
    ears[2].other = &ears[0];
    ring(&b, 0);
    expect(&b, "abc");
    ring(&b, 0);
    expect(&b, "bc");
}

static void test_addition_during_emission(void **state)
{
    struct bell b;
    struct ear ears[N_EARS];

    (void)state;
    for (size_t i = 0; i < N_EARS - 1; i++) { /* the first, one between, the last */
        set_up(&b, ears);
        ears[i].bell.on_ring = add_other;
        ears[i].other = &ears[3];
        ring(&b, 0);
        expect(&b, "abc");
        ring(&b, 0);
        expect(&b, "abcd");
    }
}

static void test_removed_and_added_again(void **state)
{
    static const char *const expected[][2] = {
        {"abc", "bca"},
        {"ac",  "acb"},
        {"ab",  "abc"}
    };
    struct bell b;
    struct ear ears[N_EARS];

    (void)state;
    for (size_t other = 0; other < 3; other++) { /* itself, the next, the last */
        set_up(&b, ears);
        ears[0].bell.on_ring = add_other_again;
        ears[0].other = &ears[other];
        ring(&b, 0);
        expect(&b, expected[other][0]);
        ears[0].bell.on_ring = hear;
        ring(&b, 0);
        expect(&b, expected[other][1]);
    }
}

static void test_owner_is_freed_in_its_callback(void **state)
{
    struct bell b = {0};
    struct ear *ears[3];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ears); i++) {
        ears[i] = xcalloc(1, sizeof(*ears[i]));
        *ears[i] = (struct ear){.name = (char)('a' + i), .bell.on_ring = free_myself};
        listeners_add(&b.listeners, &ears[i]->bell.base);
    }
    ring(&b, 0);
    expect(&b, "abc");
    assert_true(listeners_is_empty(&b.listeners));
}

static void test_nested_emission(void **state)
{
    struct bell b;
    struct ear ears[N_EARS];

    (void)state;
    set_up(&b, ears);
    ears[1].bell.on_ring = ring_again;
    ring(&b, 1);
    expect(&b, "ab"
               "abc"
               "c");

    /* The outer emission does not reach listeners that the inner one has removed. */
    set_up(&b, ears);
    ears[0].bell.on_ring = ring_then_remove_other;
    ears[0].other = &ears[1];
    ring(&b, 1);
    expect(&b, "a"
               "ac"
               "c");

    /* Neither reaches a listener that the inner one has added. */
    set_up(&b, ears);
    ears[0].bell.on_ring = ring_again;
    ears[2].bell.on_ring = add_other;
    ears[2].other = &ears[3];
    ring(&b, 1);
    expect(&b, "a"
               "abc"
               "bc");
    ring(&b, 0);
    expect(&b, "abcd");
}

static void test_source_ends_during_emission(void **state)
{
    struct bell b;
    struct ear ears[N_EARS];

    (void)state;
    set_up(&b, ears);
    ears[1].bell.on_ring = end_bell;
    ring(&b, 2);
    expect(&b, "ababab"); /* none after it, at no depth */
    for (size_t i = 0; i < N_EARS; i++)
        listeners_remove(&ears[i].bell.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_in_the_order_of_adding),
        cmocka_unit_test(test_removal_during_emission),
        cmocka_unit_test(test_addition_during_emission),
        cmocka_unit_test(test_removed_and_added_again),
        cmocka_unit_test(test_owner_is_freed_in_its_callback),
        cmocka_unit_test(test_nested_emission),
        cmocka_unit_test(test_source_ends_during_emission),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
