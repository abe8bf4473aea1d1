/* Reads patterns by recursive descent; each part of one is a fragment with one way in and one way out. */
#include "text/ptb/lexer_pattern.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/msg.h"
#include "base/utf8.h"

/* ---- sets ---- */

static void set_add(UnitSet *set, uint32_t first, uint32_t last)
{
    set->ranges = array_reserve(set->ranges, &set->capacity, set->n + 1, sizeof *set->ranges);
    set->ranges[set->n++] = (LexerRange){(uint16_t)first, (uint16_t)last};
}

static int compare_ranges(const void *a, const void *b)
{
    const LexerRange *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* Ranges in order, those that touch as one. */
static void set_sort(UnitSet *set)
{
    size_t n = 0;
    qsort(set->ranges, set->n, sizeof *set->ranges, compare_ranges);
    for (size_t i = 0; i < set->n; i++) {
        const LexerRange *r = &set->ranges[i];
        if (n > 0 && r->first <= set->ranges[n - 1].last + 1u)
            set->ranges[n - 1].last = r->last > set->ranges[n - 1].last ? r->last : set->ranges[n - 1].last;
        else
            set->ranges[n++] = *r;
    }
    set->n = n;
}

/* All units that a sorted set does not have. */
static UnitSet set_others(UnitSet *set)
{
    UnitSet others = {0};
    uint32_t next = 0;
    for (size_t i = 0; i < set->n; i++) {
        if (set->ranges[i].first > next)
            set_add(&others, next, set->ranges[i].first - 1u);
        next = set->ranges[i].last + 1u;
    }
    if (next <= UINT16_MAX)
        set_add(&others, next, UINT16_MAX);
    free(set->ranges);
    return others;
}

bool set_has(const UnitSet *set, uint32_t unit)
{
    size_t low = 0, high = set->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (unit > set->ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->n && unit >= set->ranges[low].first;
}

/* The number of this set among all, where it may be already; takes its ranges. */
static uint32_t set_number(Nodes *n, UnitSet set)
{
    for (size_t i = 0; i < n->n_sets; i++)
        if (n->sets[i].n == set.n && memcmp(n->sets[i].ranges, set.ranges, set.n * sizeof *set.ranges) == 0) {
            free(set.ranges);
            return (uint32_t)i;
        }
    n->sets = array_reserve(n->sets, &n->set_capacity, n->n_sets + 1, sizeof *n->sets);
    n->sets[n->n_sets] = set;
    return (uint32_t)n->n_sets++;
}

/* ---- fragments ---- */

/* Nodes `in` to `out`, an empty one that leads nowhere yet; they match `least` to `most` units. */
typedef struct Fragment {
    uint32_t in, out;
    size_t least, most;
} Fragment;
enum { ENDLESS = 1 << 20 };

typedef struct Parser {
    Nodes *nodes;
    const LexerName *names;
    size_t n_names; /* of those that may be named */
    const char *whole, *at;
} Parser;

static uint32_t node_new(Nodes *n, NodeKind kind, uint32_t number)
{
    n->nodes = array_reserve(n->nodes, &n->capacity, n->n + 1, sizeof *n->nodes);
    n->nodes[n->n] = (Node){kind, number, {NODE_NONE, NODE_NONE}};
    return (uint32_t)n->n++;
}

static Fragment empty(Nodes *n)
{
    uint32_t node = node_new(n, NODE_EMPTY, 0);
    return (Fragment){node, node, 0, 0};
}

static Fragment unit_of(Nodes *n, UnitSet set)
{
    uint32_t in = node_new(n, NODE_UNIT, set_number(n, set)), out = node_new(n, NODE_EMPTY, 0);
    n->nodes[in].out[0] = out;
    return (Fragment){in, out, 1, 1};
}

static size_t capped(size_t n)
{
    return n < ENDLESS ? n : ENDLESS;
}

static Fragment behind(Nodes *n, Fragment a, Fragment b)
{
    n->nodes[a.out].out[0] = b.in;
    return (Fragment){a.in, b.out, a.least + b.least, capped(a.most + b.most)};
}

static Fragment either(Nodes *n, Fragment a, Fragment b)
{
    uint32_t in = node_new(n, NODE_EMPTY, 0), out = node_new(n, NODE_EMPTY, 0);
    n->nodes[in].out[0] = a.in;
    n->nodes[in].out[1] = b.in;
    n->nodes[a.out].out[0] = n->nodes[b.out].out[0] = out;
    return (Fragment){in, out, a.least < b.least ? a.least : b.least, a.most > b.most ? a.most : b.most};
}

static Fragment optional(Nodes *n, Fragment a)
{
    return either(n, a, empty(n));
}

/* Once or more often. */
static Fragment repeated(Nodes *n, Fragment a)
{
    uint32_t out = node_new(n, NODE_EMPTY, 0);
    n->nodes[a.out].out[0] = a.in;
    n->nodes[a.out].out[1] = out;
    return (Fragment){a.in, out, a.least, ENDLESS};
}

/* ---- reading ---- */

_Noreturn static void mistake(const Parser *p, const char *expected)
{
    bug("pattern \"%s\": expected %s at \"%s\"", p->whole, expected, p->at);
}

static uint32_t next_code(Parser *p)
{
    int size;
    bool valid;
    if (*p->at == '\\')
        p->at++;
    uint32_t code = utf8_decode(p->at, p->at + strlen(p->at), &size, &valid);
    if (!*p->at || !valid || code > UINT16_MAX)
        mistake(p, "a character up to U+FFFF");
    p->at += size;
    return code;
}

static Fragment read_choice(Parser *p);

static Fragment read_name(Parser *p)
{
    const char *end = strchr(p->at, '}');
    for (size_t i = 0; end && i < p->n_names; i++) {
        const LexerName *name = &p->names[i];
        if (strlen(name->name) != (size_t)(end - p->at) || memcmp(name->name, p->at, (size_t)(end - p->at)) != 0)
            continue;
        p->at = end + 1;
        if (!name->pattern) {
            UnitSet set = {0};
            for (size_t k = 0; k < name->set->n; k++)
                set_add(&set, name->set->ranges[k].first, name->set->ranges[k].last);
            return unit_of(p->nodes, set);
        }
        Parser inner = {p->nodes, p->names, i, name->pattern, name->pattern};
        Fragment f = read_choice(&inner);
        if (*inner.at)
            mistake(&inner, "its end");
        return f;
    }
    mistake(p, "a name");
}

static Fragment read_set(Parser *p)
{
    UnitSet set = {0};
    bool others = *p->at == '^';
    p->at += others;
    while (*p->at != ']') {
        uint32_t first = next_code(p), last = first;
        if (*p->at == '-' && p->at[1] != ']') {
            p->at++;
            last = next_code(p);
        }
        set_add(&set, first, last);
    }
    p->at++;
    set_sort(&set);
    return unit_of(p->nodes, others ? set_others(&set) : set);
}

/* A character by itself: of Latin letters both cases, and what has one of them as its other case. */
static Fragment read_character(Parser *p)
{
    static const struct {
        char letter;
        uint32_t other;
    } others[] = {{'i', 0x130}, {'i', 0x131}, {'k', 0x212A}, {'s', 0x17F}};
    UnitSet set = {0};
    uint32_t code = next_code(p), lower = code | 0x20;
    set_add(&set, code, code);
    if (lower >= 'a' && lower <= 'z')
        set_add(&set, code ^ 0x20, code ^ 0x20);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (lower == (unsigned char)others[i].letter)
            set_add(&set, others[i].other, others[i].other);
    set_sort(&set);
    return unit_of(p->nodes, set);
}

static Fragment read_atom(Parser *p)
{
    UnitSet any = {0};
    switch (*p->at) {
    case '(':
        p->at++;
        const Fragment f = read_choice(p);
        if (*p->at++ != ')')
            mistake(p, "a bracket before this");
        return f;
    case '[':
        p->at++;
        return read_set(p);
    case '{':
        p->at++;
        return read_name(p);
    case '.':
        p->at++;
        set_add(&any, 0, UINT16_MAX);
        return unit_of(p->nodes, any);
    default:
        return read_character(p);
    }
}

/* An atom anew: a fragment is in one place only. */
static Fragment atom_again(Parser *p, const char *atom)
{
    Parser again = *p;
    again.at = atom;
    return read_atom(&again);
}

/* The atom, `first`, least to most times. */
static Fragment read_times(Parser *p, const char *atom, Fragment first)
{
    char *end;
    size_t least = strtoul(p->at, &end, 10), most = *end == ',' ? strtoul(end + 1, &end, 10) : least;
    if (*end != '}' || least > most || most < 1)
        mistake(p, "how often");
    p->at = end + 1;
    Fragment f = least == 0 ? optional(p->nodes, first) : first;
    for (size_t i = 1; i < most; i++) {
        Fragment more = atom_again(p, atom);
        f = behind(p->nodes, f, i < least ? more : optional(p->nodes, more));
    }
    return f;
}

static Fragment read_repeated(Parser *p)
{
    const char *atom = p->at;
    Fragment f = read_atom(p);
    switch (*p->at) {
    case '?':
        p->at++;
        return optional(p->nodes, f);
    case '*':
        p->at++;
        return optional(p->nodes, repeated(p->nodes, f));
    case '+':
        p->at++;
        return repeated(p->nodes, f);
    case '{':
        if (p->at[1] < '0' || p->at[1] > '9')
            return f;
        p->at++;
        return read_times(p, atom, f);
    default:
        return f;
    }
}

static Fragment read_sequence(Parser *p)
{
    Fragment f = empty(p->nodes);
    while (*p->at && *p->at != '|' && *p->at != ')') {
        Fragment next = read_repeated(p);
        f = behind(p->nodes, f, next);
    }
    return f;
}

static Fragment read_choice(Parser *p)
{
    Fragment f = read_sequence(p);
    while (*p->at == '|') {
        p->at++;
        Fragment other = read_sequence(p);
        f = either(p->nodes, f, other);
    }
    return f;
}

/* ---- rules ---- */

static Fragment read_pattern(Nodes *n, const LexerName *names, size_t n_names, const char *pattern)
{
    Parser p = {n, names, n_names, pattern, pattern};
    Fragment f = read_choice(&p);
    if (*p.at)
        mistake(&p, "its end");
    return f;
}

static Fragment read_rule(Nodes *n, const LexerName *names, size_t n_names, const LexerRule *rule, RuleSize *size)
{
    Fragment token = read_pattern(n, names, n_names, rule->pattern);
    *size = (RuleSize){0};
    if (!rule->ahead)
        return token;
    Fragment ahead = read_pattern(n, names, n_names, rule->ahead);
    if (ahead.least == ahead.most)
        size->ahead = ahead.least;
    else if (token.least == token.most)
        size->token = token.least;
    else
        bug("rule \"%s\", ahead \"%s\": neither is of one length", rule->pattern, rule->ahead);
    return behind(n, token, ahead);
}

void nodes_make(Nodes *out, const LexerName *names, size_t n_names, const LexerRule *rules, size_t n_rules)
{
    out->sizes = xcalloc(n_rules, sizeof *out->sizes);
    for (size_t i = 0; i < n_rules; i++) {
        Fragment f = read_rule(out, names, n_names, &rules[i], &out->sizes[i]);
        uint32_t found = node_new(out, NODE_FOUND, (uint32_t)i), start = node_new(out, NODE_EMPTY, 0);
        out->nodes[f.out].out[0] = found;
        out->nodes[start].out[0] = f.in;
        out->nodes[start].out[1] = i > 0 ? out->start : NODE_NONE;
        out->start = start;
    }
}

void nodes_release(Nodes *n)
{
    for (size_t i = 0; i < n->n_sets; i++)
        free(n->sets[i].ranges);
    free(n->sets);
    free(n->nodes);
    free(n->sizes);
    *n = (Nodes){0};
}
