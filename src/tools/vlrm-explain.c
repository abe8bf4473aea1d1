/*
 * vlrm-explain: a recorded caption as the paper's Table 1: a row for each token, with what its reward is made of.
 *
 * For people: a table on a terminal, the same without colours elsewhere. Programs read vlrm-cat's JSON. Nothing is computed
 * here: what is shown is what vlrm-reward (and vlrm-update --record) wrote.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "base/options/options.h"
#include "base/progress.h"
#include "base/sandbox.h"
#include "base/signals.h"
#include "base/utf8.h"
#include "checkpoint/hub.h"
#include "stage/caption.h"
#include "stream/filter.h"
#include "stream/made_from.h"
#include "text/tokenizer.h"
#include "text/unicode/unicode.h"

static struct {
    const char *model;
    StringList ids;
    int64_t digits;
    bool fired;
    Sandbox sandbox;
} opt;

static const Option options[] = {
    OPT_STRING("model", 'm', &opt.model, NULL, "MODEL", "show tokens by the tokenizer of this captioner"),
    OPT_LIST("id", 0, &opt.ids, NULL, "IDS", "show only these records (default: all)"),
    OPT_INT("digits", 0, &opt.digits, "3", 0, 17, "N", "print N digits after the point"),
    OPT_FLAG_ON("fired", 0, &opt.fired, "say below the table which rules fired, and where"),
    SANDBOX_OPTION(opt.sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-explain",
    .summary = "show a recorded caption as a table: every token, what it was punished for, its return",
    .operands = "[file|-]...",
    .input = "caption, reward (and value)",
    .description =
        "A row for each token, as the paper's Table 1: bad and repeat mark what is punished, ref and sim are those of the whole "
        "caption, return is R(t_k), the reward of the token. value and advantage follow where vlrm-update --record has written "
        "them.\n\n"
        "A token that begins with a space stands one column further right. Control characters and bytes that are no UTF-8 are "
        "written as \\xNN. Parts are unweighted, as in the record; weights are in the stream's header.",
    .examples = "# Why was this caption rewarded so?\n"
                "vlrm-explain --model blip2 --id clip#2.480 rewarded.vlrm",
    .options = options,
};

/* One record, read; arrays have one entry for each token (value and advantage may be NULL). */
typedef struct Table {
    int64_t *ids;
    size_t n;
    Slice text;
    double *bad, *repeat, *returns, *value, *advantage;
    double sim, ref, noeos;
    bool has_ref, deferred; /* deferred: what is of the whole batch is still to come */
} Table;

enum { COLUMNS_MAX = 8 };

typedef struct Cell {
    char *text; /* in the arena */
    int width;  /* columns of a terminal */
    bool marked;
} Cell;

static bool coloured;
static char *seen; /* [opt.ids.count] */

/* ---- reading ---- */

static bool read_array(double **out, const Record *r, Arena *a, const char *path, size_t n, bool needed, Error *err)
{
    size_t found;
    Field field = record_reals(r, path, a, out, &found);
    if (field == FIELD_MISSING && !needed) {
        *out = NULL;
        return true;
    }
    if (field != FIELD_OK)
        return error_set(err, "%s is %s", path, field == FIELD_MISSING ? "missing" : "not an array of numbers");
    if (found != n)
        return error_set(err, "%s has %zu numbers, expected %zu, one for each token", path, found, n);
    return true;
}

static bool read_number(double *out, const Record *r, const char *path, bool *has, Error *err)
{
    Field field = record_real(r, path, out);
    if (has)
        *has = field == FIELD_OK;
    if (field == FIELD_WRONG || (!has && field != FIELD_OK))
        return error_set(err, "%s is %s", path, field == FIELD_MISSING ? "missing" : "not a number");
    return true;
}

/* Another tokenizer would give these ids another text. */
static bool tokens_agree(const Table *t, const Tokenizer *tokenizer, Arena *a, Error *err)
{
    CaptionText said;
    int32_t *ids = arena_alloc(a, (t->n + 1) * sizeof *ids);
    for (size_t i = 0; i < t->n; i++)
        ids[i] = t->ids[i] >= 0 && t->ids[i] <= INT32_MAX ? (int32_t)t->ids[i] : -1;
    tokenizer_caption(&said, a, tokenizer, ids, t->n);
    const Slice text = text_strip(t->text);
    return !t->text.data || slice_same(said.text, text) ||
           error_set_status(err, STATUS_MISMATCH,
                            "with the tokenizer of %s caption.tokens say \"%.*s\", caption.text is \"%.*s\": give --model the "
                            "captioner that wrote them",
                            opt.model, (int)(said.text.size < 200 ? said.text.size : 200), said.text.data,
                            (int)(text.size < 200 ? text.size : 200), text.data);
}

static bool table_read(Table *t, const Record *r, const Tokenizer *tokenizer, Arena *a, Error *err)
{
    *t = (Table){0};
    if (!record_raw(r, "reward").data)
        return error_set(err, "no reward");
    if (!reward_check(r, err))
        return false;
    t->deferred = record_raw(r, "reward.deferred").data != NULL;
    if (!caption_tokens_needed(r, a, &t->ids, &t->n, err) || caption_text(r, &t->text, err) == FIELD_WRONG)
        return false;
    return read_array(&t->bad, r, a, "reward.bad", t->n, true, err) &&
           read_array(&t->repeat, r, a, "reward.repeat", t->n, true, err) &&
           read_array(&t->returns, r, a, "reward.returns", t->n, true, err) &&
           read_array(&t->value, r, a, "value.values", t->n, false, err) &&
           read_array(&t->advantage, r, a, "value.advantages", t->n, false, err) &&
           read_number(&t->sim, r, "reward.sim", NULL, err) && read_number(&t->ref, r, "reward.ref", &t->has_ref, err) &&
           read_number(&t->noeos, r, "reward.noeos", NULL, err) && tokens_agree(t, tokenizer, a, err);
}

/* ---- cells ---- */

/* Text that is safe on a terminal, and how wide it is there. */
static Cell cell_text(Arena *a, const char *data, size_t size)
{
    Cell c = {.text = arena_alloc(a, 4 * size + 1)};
    char *to = c.text;
    for (const char *p = data, *end = data + size; p < end;) {
        int bytes;
        bool valid;
        uint32_t code = utf8_decode(p, end, &bytes, &valid);
        int width = valid ? wcwidth((wchar_t)code) : -1;
        for (int i = 0; i < bytes; i++, p++) {
            if (width >= 0)
                *to++ = *p;
            else
                to += sprintf(to, "\\x%02x", (unsigned char)*p);
        }
        c.width += width >= 0 ? width : 4 * bytes;
    }
    *to = '\0';
    return c;
}

static Cell cell_token(Arena *a, const Tokenizer *t, int64_t id)
{
    if (id == tokenizer_ids(t).eos)
        return cell_text(a, "<eos>", 5);
    Slice s = {NULL, 0};
    if (id >= 0 && id < tokenizer_size(t))
        s = tokenizer_is_special(t, (int32_t)id) ? tokenizer_piece(t, (int32_t)id) : tokenizer_token_bytes(t, (int32_t)id);
    if (s.size > 0)
        return cell_text(a, s.data, s.size);
    char number[40];
    return cell_text(a, number, (size_t)snprintf(number, sizeof number, "<%lld>", (long long)id));
}

static Cell cell_number(Arena *a, double value, int digits)
{
    char text[400];
    int n = snprintf(text, sizeof text, "%.*f", digits, value);
    Cell c = cell_text(a, text, (size_t)n);
    return c;
}

static Cell cell_mark(Arena *a, double value)
{
    Cell c = cell_number(a, value, 0);
    c.marked = value != 0;
    return c;
}

static size_t fill_titles(Cell *cells, Arena *a, const Table *t)
{
    static const char *const titles[COLUMNS_MAX] = {"token", "bad", "repeat", "ref", "sim", "return", "value", "advantage"};
    size_t n = 0;
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        if ((i != 6 || t->value) && (i != 7 || t->advantage))
            cells[n++] = cell_text(a, titles[i], strlen(titles[i]));
    return n;
}

static void fill_row(Cell *cells, Arena *a, const Tokenizer *tokenizer, const Table *t, size_t k)
{
    int digits = (int)opt.digits;
    *cells++ = cell_token(a, tokenizer, t->ids[k]);
    *cells++ = cell_mark(a, t->bad[k]);
    *cells++ = cell_mark(a, t->repeat[k]);
    *cells++ = t->has_ref ? cell_number(a, t->ref, digits) : cell_text(a, "-", 1);
    *cells++ = cell_number(a, t->sim, digits);
    *cells++ = cell_number(a, t->returns[k], digits);
    if (t->value)
        *cells++ = cell_number(a, t->value[k], digits);
    if (t->advantage)
        *cells++ = cell_number(a, t->advantage[k], digits);
}

/* ---- printing ---- */

static void print_cell(const Cell *c, int width, bool left, const char *colour)
{
    if (!left)
        printf("%*s", width - c->width, "");
    if (coloured && colour)
        printf("%s%s\033[0m", colour, c->text);
    else
        fputs(c->text, stdout);
    if (left)
        printf("%*s", width - c->width, "");
}

/* rows rows of cols cells, the first of them titles. */
static void print_cells(const Cell *cells, size_t rows, size_t cols)
{
    int widths[COLUMNS_MAX] = {0};
    for (size_t i = 0; i < rows * cols; i++)
        if (cells[i].width > widths[i % cols])
            widths[i % cols] = cells[i].width;
    for (size_t row = 0; row < rows; row++) {
        const Cell *c = cells + row * cols;
        bool punished = c[1].marked || c[2].marked;
        for (size_t col = 0; col < cols; col++) {
            const char *colour = row == 0 ? "\033[1m" : c[col].marked || (col == 0 && punished) ? "\033[31m" : NULL;
            fputs(col ? "  " : "", stdout);
            print_cell(&c[col], widths[col], col == 0, colour);
        }
        putchar('\n');
    }
}

static void print_fired(const Record *r, Arena *a)
{
    json_t *fired = slice_json(record_raw(r, "reward.fired")), *f;
    size_t i;
    json_array_foreach (fired, i, f) {
        const char *rule = json_string_value(json_object_get(f, "rule"));
        json_t *text = json_object_get(f, "text");
        Cell c = cell_text(a, json_is_string(text) ? json_string_value(text) : "", json_string_length(text));
        printf("%s \"%s\": tokens %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT "\n", rule ? rule : "?", c.text,
               json_integer_value(json_object_get(f, "start")), json_integer_value(json_object_get(f, "end")) - 1);
    }
    json_decref(fired);
}

static void explain(const Record *r, const Tokenizer *tokenizer, const Table *t, Arena *a)
{
    static bool before;
    Cell *cells = arena_calloc(a, (t->n + 1) * COLUMNS_MAX, sizeof *cells);
    size_t cols = fill_titles(cells, a, t);
    for (size_t k = 0; k < t->n; k++)
        fill_row(cells + (k + 1) * cols, a, tokenizer, t, k);
    printf("%s%s: \"%s\"%s%s\n", before ? "\n" : "", cell_text(a, r->id.data, r->id.size).text,
           cell_text(a, t->text.data, t->text.size).text, t->noeos != 0 ? " (noeos)" : "",
           t->deferred ? " (before vlrm-update completes it: without Phi or --standardise)" : "");
    before = true;
    print_cells(cells, t->n + 1, cols);
    if (opt.fired)
        print_fired(r, a);
}

/* ---- the loop ---- */

static bool wanted(const Record *r)
{
    bool found = opt.ids.count == 0;
    for (size_t i = 0; i < opt.ids.count; i++) {
        if (slice_equal(r->id, opt.ids.items[i]))
            found = true, seen[i] = 1;
    }
    return found;
}

static void run(Filter *f, const Tokenizer *tokenizer)
{
    Record r;
    Arena arena = {0};
    while (filter_next(f, &r)) {
        Error err = {0};
        Table t;
        if (r.kind != RECORD_DATA || !wanted(&r))
            continue;
        if (table_read(&t, &r, tokenizer, &arena, &err)) {
            explain(&r, tokenizer, &t, &arena);
        } else {
            filter_refuse_mismatch(&r, &err);
            filter_failed(f, &r, "%s", err.text);
        }
        arena_reset(&arena);
    }
    for (size_t i = 0; i < opt.ids.count; i++) {
        if (!seen[i]) {
            warn("no record %s", opt.ids.items[i]);
            filter_status(f, STATUS_SOME_FAILED);
        }
    }
    arena_release(&arena);
}

int main(int argc, char **argv)
{
    int n;
    Error err = {0};
    Filter f;
    char **operands = options_parse(&program, argc, argv, &n);
    hub_take(&opt.model);
    if (!opt.model)
        usage_error("--model is required: its tokenizer shows the tokens");
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        note("no locale C.UTF-8: characters that are not ASCII are written as bytes");
    sandbox_enclose(opt.sandbox, &(SandboxFiles){.read = NULL});
    Tokenizer *tokenizer = caption_tokenizer_open(opt.model, &err);
    if (!tokenizer)
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    coloured = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    seen = xcalloc(opt.ids.count + 1, 1);
    filter_init(&f, &program, operands, n, -1, "captions");
    if (isatty(STDOUT_FILENO))
        progress_quiet(); /* it would stand in the middle of a table */
    run(&f, tokenizer);
    int status = filter_finish(&f);
    tokenizer_free(tokenizer);
    free(seen);
    return finish_stdout(status);
}
