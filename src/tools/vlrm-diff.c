/*
 * vlrm-diff: two recorded rewards of the same captions (other lists, weights, models): what changed, and who changed order.
 *
 * Of each caption an id and a few numbers are kept, so two recordings of millions of captions fit. What is compared lies in
 * compared.c; here are the options and the two ways of telling.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options/options.h"
#include "base/sandbox.h"
#include "base/signals.h"
#include "stream/filter.h"
#include "tools/compared.h"

static struct {
    double tolerance;
    int64_t top;
    bool json;
    Sandbox sandbox;
} opt;

static const Option options[] = {
    OPT_REAL("tolerance", 't', &opt.tolerance, "0", 0, 1e9, "X", "take numbers that differ by no more as equal"),
    OPT_INT("top", 'n', &opt.top, "10", 0, 1e6, "N", "name at most N captions that moved, or are in one recording alone"),
    OPT_FLAG("json", 0, &opt.json, "print one JSON object instead of the table"),
    SANDBOX_OPTION(opt.sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-diff",
    .summary = "compare two recorded rewards of the same captions",
    .operands = "A B",
    .input = "caption, reward",
    .description = "For each part of the reward: its mean and standard deviation over the captions in both recordings, the "
                   "difference of the means, and how many captions have another value (for bad and repeat: other marks). Then "
                   "how the order of the captions by their return R(t_1) changed: pairs that swapped, Kendall's tau-b, and the "
                   "captions that moved most.\n\n"
                   "The exit status is 0 when all is equal, 7 when something differs.",
    .examples = "# What would another list of phrases change?\n"
                "vlrm-reward --recombine --model blip2 --bad-phrases mine.txt rewarded.vlrm | vlrm-diff rewarded.vlrm -",
    .options = options,
};

/* ---- reading ---- */

/* Reads one recording into its side of `c`; returns the status of its stream. */
static int read_side(Compared *c, Side side, char *path)
{
    Filter f;
    Record r;
    Arena arena = {0};
    filter_init(&f, &program, &path, 1, -1, "captions");
    while (filter_next(&f, &r)) {
        Error err = {0};
        if (!c->headers[side])
            c->headers[side] = json_incref(filter_upstream(&f));
        if (r.kind == RECORD_DATA && !compared_add(c, side, &r, &arena, &err)) {
            filter_refuse_mismatch(&r, &err);
            filter_failed(&f, &r, "%s: %s", path, err.text);
        }
        arena_reset(&arena);
    }
    arena_release(&arena);
    return filter_finish(&f);
}

/* Options of the stages that differ: {"ref-weight": [1, 0.5]}. A new reference. */
static json_t *params_changed(const Compared *c)
{
    json_t *out = json_object(), *a = json_object_get(c->headers[SIDE_A], "params"),
           *b = json_object_get(c->headers[SIDE_B], "params"), *value;
    const char *key;
    static const char *const machine[] = {"recombine", "spool", "spool-memory", "threads", "zstd", "score-batch"};
    json_object_foreach (a, key, value) {
        bool skipped = !json_object_get(b, key) || json_equal(value, json_object_get(b, key));
        for (size_t i = 0; i < sizeof machine / sizeof machine[0]; i++)
            skipped = skipped || strcmp(key, machine[i]) == 0;
        if (!skipped)
            json_object_set_new(out, key, json_pack("[O, O]", value, json_object_get(b, key)));
    }
    return out;
}

/* ---- as JSON ---- */

static json_t *json_number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *part_json(const PartSummary *p)
{
    return json_pack("{s: {s: o, s: o}, s: {s: o, s: o}, s: o, s: I, s: I}", "a", "mean", json_number(p->mean[SIDE_A]), "std",
                     json_number(p->std[SIDE_A]), "b", "mean", json_number(p->mean[SIDE_B]), "std", json_number(p->std[SIDE_B]),
                     "difference", json_number(p->mean[SIDE_B] - p->mean[SIDE_A]), "captions", (json_int_t)p->n, "changed",
                     (json_int_t)p->changed);
}

static json_t *alone_json(const Compared *c, Side side)
{
    json_t *ids = json_array();
    for (size_t i = 0; i < c->count && json_array_size(ids) < (size_t)opt.top; i++)
        if (c->items[i].there[side] && !c->items[i].there[!side])
            json_array_append_new(ids, json_stringn(c->items[i].id, c->items[i].id_size));
    return json_pack("{s: I, s: o}", "count", (json_int_t)c->alone[side], "ids", ids);
}

static void print_json(const Compared *c, const Difference *d)
{
    json_t *parts = json_object(), *most = json_array();
    for (int i = 0; i < PARTS; i++)
        json_object_set_new(parts, part_name(i), part_json(&d->parts[i]));
    for (size_t i = 0; i < d->n_moves && i < (size_t)opt.top; i++) {
        const ComparedRow *item = d->moves[i];
        json_array_append_new(most, json_pack("{s: o, s: I, s: I}", "id", json_stringn(item->id, item->id_size), "from",
                                              (json_int_t)item->rank[SIDE_A], "to", (json_int_t)item->rank[SIDE_B]));
    }
    json_t *all = json_pack("{s: I, s: o, s: o, s: I, s: o, s: o, s: {s: I, s: I, s: I, s: o, s: I, s: o}}", "captions",
                            (json_int_t)d->both, "only_a", alone_json(c, SIDE_A), "only_b", alone_json(c, SIDE_B),
                            "captions_changed", (json_int_t)d->captions_changed, "params", params_changed(c), "parts", parts,
                            "order", "ranked", (json_int_t)d->ranked, "pairs", (json_int_t)d->pairs, "swapped",
                            (json_int_t)d->swapped, "tau", json_number(d->tau), "moved", (json_int_t)d->n_moves, "most", most);
    json_dumpf(all, stdout, JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(all);
}

/* ---- as a table ---- */

static void print_alone(const Compared *c, Side side, const char *name)
{
    int64_t said = 0;
    if (c->alone[side] == 0)
        return;
    printf("only in %s: %zu:", name, c->alone[side]);
    for (size_t i = 0; i < c->count && said < opt.top; i++)
        if (c->items[i].there[side] && !c->items[i].there[!side] && ++said)
            printf(" %.*s", (int)c->items[i].id_size, c->items[i].id);
    puts((size_t)said < c->alone[side] ? " ..." : "");
}

static void print_params(const Compared *c)
{
    json_t *changed = params_changed(c), *pair;
    const char *key;
    json_object_foreach (changed, key, pair) {
        char *a = json_dumps(json_array_get(pair, 0), JSON_ENCODE_ANY), *b = json_dumps(json_array_get(pair, 1), JSON_ENCODE_ANY);
        printf("--%s: %s, now %s\n", key, a, b);
        free(a);
        free(b);
    }
    json_decref(changed);
}

static void print_table(const Compared *c, const Difference *d, char **names)
{
    printf("%zu captions in both\n", d->both);
    print_alone(c, SIDE_A, names[0]);
    print_alone(c, SIDE_B, names[1]);
    if (d->captions_changed > 0)
        printf("%zu have another caption\n", d->captions_changed);
    print_params(c);
    printf("%-8s %12s %12s %12s %12s %12s %10s\n", "part", "mean A", "std A", "mean B", "std B", "difference", "changed");
    for (int i = 0; i < PARTS; i++) {
        const PartSummary *p = &d->parts[i];
        if (p->n > 0 || p->changed > 0)
            printf("%-8s %12.6g %12.6g %12.6g %12.6g %12.6g %10zu\n", part_name(i), p->mean[SIDE_A], p->std[SIDE_A],
                   p->mean[SIDE_B], p->std[SIDE_B], p->mean[SIDE_B] - p->mean[SIDE_A], p->changed);
    }
    printf("order: %llu of %llu pairs swapped, tau %.6g, %zu captions moved\n", (unsigned long long)d->swapped,
           (unsigned long long)d->pairs, d->tau, d->n_moves);
    for (size_t i = 0; i < d->n_moves && i < (size_t)opt.top; i++)
        printf("  %.*s: from place %zu to %zu\n", (int)d->moves[i]->id_size, d->moves[i]->id, d->moves[i]->rank[SIDE_A],
               d->moves[i]->rank[SIDE_B]);
}

int main(int argc, char **argv)
{
    int n;
    Compared c = {.tolerance = 0};
    char **operands = options_parse(&program, argc, argv, &n);
    if (n != 2)
        usage_error("%d operand%s, expected two recordings: A B (one of them may be -)", n, n == 1 ? "" : "s");
    if (strcmp(operands[0], "-") == 0 && strcmp(operands[1], "-") == 0)
        usage_error("- twice: standard input can be one of the two recordings");
    c.tolerance = opt.tolerance;
    sandbox_enclose(opt.sandbox, &(SandboxFiles){.read = (const char *const *)operands, .n_read = 2});
    int status = read_side(&c, SIDE_A, operands[0]);
    status = status_worse(status, read_side(&c, SIDE_B, operands[1]));
    Difference d;
    difference_find(&d, &c);
    if (opt.json)
        print_json(&c, &d);
    else
        print_table(&c, &d, operands);
    if (!d.equal)
        status = status_worse(status, STATUS_CHECK);
    difference_release(&d);
    compared_release(&c);
    return finish_stdout(status);
}
