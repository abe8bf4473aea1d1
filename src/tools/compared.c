/* Two recordings side by side; see compared.h. */
#include "tools/compared.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "stream/made_from.h"

const char *part_name(int part)
{
    static const char *const names[PARTS] = {"itm", "phi", "sim", "ref", "noeos", "bad", "repeat", "good", "return"};
    return names[part];
}

/* ---- the table ---- */

static size_t slot_of(const Compared *c, const char *id, size_t size)
{
    size_t at = XXH3_64bits(id, size) & (c->n_slots - 1);
    while (c->slots[at] != 0) {
        const ComparedRow *item = &c->items[c->slots[at] - 1];
        if (item->id_size == size && memcmp(item->id, id, size) == 0)
            break;
        at = (at + 1) & (c->n_slots - 1);
    }
    return at;
}

static void table_grow(Compared *c)
{
    if (c->n_slots > 2 * c->count + 1)
        return;
    c->n_slots = c->n_slots ? 2 * c->n_slots : 1024;
    free(c->slots);
    c->slots = xcalloc(c->n_slots, sizeof *c->slots);
    for (size_t i = 0; i < c->count; i++)
        c->slots[slot_of(c, c->items[i].id, c->items[i].id_size)] = (uint32_t)(i + 1);
}

static ComparedRow *caption_of(Compared *c, Slice id)
{
    table_grow(c);
    size_t slot = slot_of(c, id.data, id.size);
    if (c->slots[slot] == 0) {
        c->items = array_reserve(c->items, &c->capacity, c->count + 1, sizeof *c->items);
        c->items[c->count] =
            (ComparedRow){.id = memcpy(arena_alloc(&c->arena, id.size + 1), id.data, id.size), .id_size = id.size};
        c->slots[slot] = (uint32_t)++c->count;
    }
    return &c->items[c->slots[slot] - 1];
}

/* ---- reading ---- */

static bool number(double *out, const Record *r, const char *path, Error *err)
{
    *out = NAN;
    return record_real(r, path, out) != FIELD_WRONG || error_set(err, "%s is not a number", path);
}

/* How many entries are not 0, and a hash of all. */
static bool marks(double *count, uint64_t *hash, const Record *r, const char *path, Arena *a, Error *err)
{
    int64_t *v;
    size_t n, marked = 0;
    if (record_ints(r, path, a, &v, &n) != FIELD_OK)
        return error_set(err, "%s is missing or not an array of integers", path);
    for (size_t i = 0; i < n; i++)
        marked += v[i] != 0;
    *count = (double)marked;
    *hash = XXH3_64bits(v, n * sizeof *v);
    return true;
}

static bool first_return(double *out, uint64_t *hash, const Record *r, Arena *a, Error *err)
{
    double *v;
    size_t n;
    *out = NAN;
    if (record_reals(r, "reward.returns", a, &v, &n) != FIELD_OK)
        return error_set(err, "reward.returns is missing or not an array of numbers");
    if (n > 0)
        *out = v[0];
    *hash = XXH3_64bits(v, n * sizeof *v);
    return true;
}

static uint64_t caption_hash(const Record *r)
{
    Slice said = record_raw(r, "caption.tokens");
    if (!said.data)
        said = record_raw(r, "caption.text");
    return said.data ? XXH3_64bits(said.data, said.size) : 0;
}

bool compared_add(Compared *c, Side side, const Record *r, Arena *scratch, Error *err)
{
    static const char *const paths[] = {"reward.parts.itm", "reward.parts.phi", "reward.sim", "reward.ref", "reward.noeos"};
    double parts[PARTS];
    uint64_t bad = 0, repeat = 0, good = 0, returns = 0;
    const bool wished = record_raw(r, "reward.good").data; /* only where there is a list of what is good */
    parts[PART_GOOD] = NAN;
    if (!record_raw(r, "reward").data)
        return error_set(err, "no reward");
    if (!reward_check(r, err))
        return false;
    for (int i = PART_ITM; i <= PART_NOEOS; i++)
        if (!number(&parts[i], r, paths[i], err))
            return false;
    if (!marks(&parts[PART_BAD], &bad, r, "reward.bad", scratch, err) ||
        !marks(&parts[PART_REPEAT], &repeat, r, "reward.repeat", scratch, err) ||
        (wished && !marks(&parts[PART_GOOD], &good, r, "reward.good", scratch, err)) ||
        !first_return(&parts[PART_RETURN], &returns, r, scratch, err))
        return false;
    ComparedRow *item = caption_of(c, r->id);
    if (item->there[side])
        return error_set(err, "this id came before");
    item->there[side] = true;
    memcpy(item->parts[side], parts, sizeof parts);
    item->bad[side] = bad;
    item->repeat[side] = repeat;
    item->returns[side] = returns;
    item->said[side] = caption_hash(r);
    return true;
}

void compared_release(Compared *c)
{
    json_decref(c->headers[SIDE_A]);
    json_decref(c->headers[SIDE_B]);
    free(c->items);
    free(c->slots);
    arena_release(&c->arena);
    *c = (Compared){0};
}

/* ---- parts ---- */

static bool part_changed(const Compared *c, const ComparedRow *item, int part)
{
    double a = item->parts[SIDE_A][part], b = item->parts[SIDE_B][part];
    if (part == PART_BAD || part == PART_REPEAT)
        return part == PART_BAD ? item->bad[0] != item->bad[1] : item->repeat[0] != item->repeat[1];
    if (part == PART_RETURN && c->tolerance == 0)
        return item->returns[0] != item->returns[1];
    if (isnan(a) || isnan(b))
        return isnan(a) != isnan(b);
    return fabs(a - b) > c->tolerance;
}

static void part_summarise(PartSummary *p, const Compared *c, int part)
{
    double squares[2] = {0};
    *p = (PartSummary){0};
    for (size_t i = 0; i < c->count; i++) { /* Welford's running mean and squares */
        const ComparedRow *item = &c->items[i];
        if (!item->there[SIDE_A] || !item->there[SIDE_B])
            continue;
        p->changed += part_changed(c, item, part);
        if (isnan(item->parts[SIDE_A][part]) || isnan(item->parts[SIDE_B][part]))
            continue;
        p->n++;
        for (int s = 0; s < 2; s++) {
            double x = item->parts[s][part], delta = x - p->mean[s];
            p->mean[s] += delta / (double)p->n;
            squares[s] += delta * (x - p->mean[s]);
        }
    }
    for (int s = 0; s < 2; s++)
        p->std[s] = p->n > 1 ? sqrt(squares[s] / (double)(p->n - 1)) : 0;
}

/* ---- order ---- */

static int sort_side; /* which side's return compare_return looks at: qsort has no context */

static double return_of(const ComparedRow *c, int side)
{
    return c->parts[side][PART_RETURN];
}

/* By return on sort_side, highest first; equal ones by the other side's. */
static int compare_return(const void *pa, const void *pb)
{
    const ComparedRow *a = *(ComparedRow *const *)pa, *b = *(ComparedRow *const *)pb;
    double x = return_of(a, sort_side), y = return_of(b, sort_side);
    if (x == y) {
        x = return_of(a, !sort_side);
        y = return_of(b, !sort_side);
    }
    return (x < y) - (x > y);
}

static size_t move_of(const ComparedRow *c)
{
    return c->rank[0] > c->rank[1] ? c->rank[0] - c->rank[1] : c->rank[1] - c->rank[0];
}

static int compare_move(const void *pa, const void *pb)
{
    const ComparedRow *a = *(ComparedRow *const *)pa, *b = *(ComparedRow *const *)pb;
    size_t x = move_of(a), y = move_of(b);
    return x != y ? (x < y) - (x > y) : (a > b) - (a < b);
}

/* Ranks of one side: captions of equal return share the best place. Returns the pairs that are tied there. */
static uint64_t rank_side(ComparedRow **items, size_t n, int side)
{
    uint64_t tied = 0;
    sort_side = side;
    qsort(items, n, sizeof(ComparedRow *), compare_return);
    for (size_t i = 0, first = 0; i < n; i++) {
        if (return_of(items[i], side) != return_of(items[first], side))
            first = i;
        items[i]->rank[side] = first + 1;
        tied += i - first;
    }
    return tied;
}

/* Pairs of neighbours in `items` (sorted by one side) that are tied on both sides. */
static uint64_t tied_both(ComparedRow **items, size_t n)
{
    uint64_t tied = 0;
    for (size_t i = 0, first = 0; i < n; i++) {
        if (return_of(items[i], 0) != return_of(items[first], 0) || return_of(items[i], 1) != return_of(items[first], 1))
            first = i;
        tied += i - first;
    }
    return tied;
}

/* Counts pairs i < j with x[i] < x[j] (highest first is the order) by merging; x comes out sorted. */
static uint64_t inversions(double *x, double *scratch, size_t n)
{
    if (n < 2)
        return 0;
    size_t half = n / 2, i = 0, j = half, k = 0;
    uint64_t count = inversions(x, scratch, half) + inversions(x + half, scratch, n - half);
    while (i < half || j < n) {
        if (j == n || (i < half && x[i] >= x[j])) {
            scratch[k++] = x[i++];
        } else {
            count += half - i;
            scratch[k++] = x[j++];
        }
    }
    memcpy(x, scratch, n * sizeof *x);
    return count;
}

static void order_find(Difference *d, ComparedRow **items, size_t n)
{
    d->ranked = n;
    d->pairs = (uint64_t)n * (n - (n > 0)) / 2;
    uint64_t tied_b = rank_side(items, n, SIDE_B), tied_a = rank_side(items, n, SIDE_A), both = tied_both(items, n);
    double *b = xcalloc(2 * n + 1, sizeof *b);
    for (size_t i = 0; i < n; i++)
        b[i] = return_of(items[i], SIDE_B);
    d->swapped = inversions(b, b + n, n);
    free(b);
    double agreeing = (double)(d->pairs - tied_a - tied_b + both - d->swapped);
    d->tau = (agreeing - (double)d->swapped) / sqrt((double)(d->pairs - tied_a) * (double)(d->pairs - tied_b));
    for (size_t i = 0; i < n; i++)
        if (move_of(items[i]) > 0)
            items[d->n_moves++] = items[i];
    qsort(items, d->n_moves, sizeof *items, compare_move);
}

void difference_find(Difference *d, Compared *c)
{
    *d = (Difference){.equal = true};
    ComparedRow **ranked = xcalloc(c->count + 1, sizeof(ComparedRow *));
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++) {
        ComparedRow *item = &c->items[i];
        bool both = item->there[SIDE_A] && item->there[SIDE_B];
        d->both += both;
        d->captions_changed += both && item->said[SIDE_A] != item->said[SIDE_B];
        c->alone[SIDE_A] += !item->there[SIDE_B];
        c->alone[SIDE_B] += !item->there[SIDE_A];
        if (both && !isnan(return_of(item, SIDE_A)) && !isnan(return_of(item, SIDE_B)))
            ranked[n++] = item;
    }
    for (int i = 0; i < PARTS; i++) {
        part_summarise(&d->parts[i], c, i);
        d->equal = d->equal && d->parts[i].changed == 0;
    }
    order_find(d, ranked, n);
    d->moves = ranked;
    d->equal = d->equal && d->captions_changed == 0 && c->alone[SIDE_A] == 0 && c->alone[SIDE_B] == 0;
}

void difference_release(Difference *d)
{
    free(d->moves);
    *d = (Difference){0};
}
