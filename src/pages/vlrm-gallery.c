/*
 * vlrm-gallery: the records of any stream as a page to leaf through: pictures, captions, every number, what fired.
 *
 * Several files are one gallery: what they say of one id is shown together, so that the ranks that vlrm-eval --per-image wrote
 * stand beside captions and rewards. Sorting and filtering are the page's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/options/options.h"
#include "base/sandbox.h"
#include "base/signals.h"
#include "pages/page.h"
#include "pages/records.h"
#include "pages/set.h"
#include "pages/shown.h"

static struct {
    const char *output, *model;
    int64_t limit, size;
    enum { FROM_STREAM, FROM_JSON } from;
    Sandbox sandbox;
} opt;

static const Option options[] = {
    OPT_STRING("output", 'o', &opt.output, NULL, "FILE", "write the page there (default: stdout)"),
    OPT_STRING("model", 'm', &opt.model, NULL, "DIR", "show the tokens of rewards by the tokenizer of this captioner"),
    OPT_INT("limit", 'n', &opt.limit, "10000", 1, 1000000, "N", "show the first N records; what follows is not read"),
    OPT_INT("size", 0, &opt.size, "160", 16, 1024, "PX", "shrink pictures to this longest side"),
    OPT_ENUM("from", 0, &opt.from, "stream", "stream|json",
             "take what stdin holds for this kind (of a file its first byte tells)"),
    SANDBOX_OPTION(opt.sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-gallery",
    .summary = "show the records of any stream as one page: pictures, captions, scores, filters",
    .operands = "[file|-]...",
    .input = "any groups; or JSON lines, those of vlrm-eval --per-image among them",
    .description =
        "The page is one HTML file that needs no network. It sorts by any number in the records, and filters by text, by the rules "
        "that fired and by a range of any number.\n\n"
        "What several files say of one id is shown together.",
    .examples =
        "vlrm-gallery rewarded.vlrm -o gallery.html\n"
        "vlrm-eval --clip clip --per-image ranks.jsonl rewarded.vlrm > report.json && vlrm-gallery rewarded.vlrm ranks.jsonl -o gallery.html",
    .options = options,
};

static struct {
    json_t *records; /* owned */
    HashMap places;  /* by hash of the id: place in records + 1 */
    Pictures pictures;
    Notes notes;
    Tokenizer *tokenizer; /* owned; NULL without --model */
    Arena scratch;
    bool joining; /* a file before this one has been read */
} gallery;

/* The object of the record: a new one, or that of the same id in a file before. NULL where the page is full. */
static json_t *object_of(const Record *r)
{
    int64_t *place = hashmap_at(&gallery.places, hash_id(r->id.data, r->id.size));
    size_t n = json_array_size(gallery.records);
    if (gallery.joining && *place > 0)
        return json_array_get(gallery.records, (size_t)*place - 1);
    if (n >= (size_t)opt.limit)
        return NULL;
    json_array_append_new(gallery.records, json_pack("{s:o, s:{}}", "id", shown_text(r->id), "numbers"));
    if (*place == 0)
        *place = (int64_t)n + 1;
    return json_array_get(gallery.records, n);
}

static bool take(void *context, const Record *r)
{
    (void)context;
    Slice text;
    json_t *object = object_of(r);
    if (!object && gallery.joining)
        return true;
    if (!object) {
        notes_missing(&gallery.notes, "What follows the first %lld records: --limit N shows more.", (long long)opt.limit);
        return false;
    }
    shown_numbers(json_object_get(object, "numbers"), r);
    if (record_string(r, "caption.text", &text) == FIELD_OK || record_string(r, "text", &text) == FIELD_OK)
        json_object_set_new(object, "text", shown_text(text));
    if (!json_object_get(object, "picture"))
        pictures_set(&gallery.pictures, object, r);
    json_t *ledger = shown_ledger(r, gallery.tokenizer, &gallery.scratch);
    if (ledger)
        json_object_set_new(object, "ledger", ledger);
    arena_reset(&gallery.scratch);
    return true;
}

static void read_file(const char *path)
{
    Error err = {0};
    notes_status(&gallery.notes, records_each(path, opt.from == FROM_JSON, take, NULL, &err));
    if (err.text[0])
        notes_failed(&gallery.notes, &err);
    gallery.joining = true;
}

static int finish(void)
{
    Error err = {0};
    json_t *data = json_pack("{s:s, s:s, s:O, s:O, s:O}", "kind", "gallery", "version", VLRM_VERSION, "records", gallery.records,
                             "pictures", gallery.pictures.list, "missing", gallery.notes.missing);
    if (json_array_size(gallery.records) == 0) {
        if (gallery.notes.status == STATUS_CLEAN)
            warn("no records: there is nothing to show");
        notes_status(&gallery.notes, STATUS_EMPTY);
    } else if (!page_write(opt.output, "gallery", false, data, &err)) {
        warn("%s", err.text);
        notes_status(&gallery.notes, err.status ? err.status : STATUS_FAILURE);
    }
    if (gallery.pictures.failed > 0)
        notes_status(&gallery.notes, STATUS_SOME_FAILED);
    json_decref(data);
    json_decref(gallery.records);
    json_decref(gallery.notes.missing);
    hashmap_release(&gallery.places);
    pictures_release(&gallery.pictures);
    tokenizer_free(gallery.tokenizer);
    arena_release(&gallery.scratch);
    return finish_stdout(gallery.notes.status);
}

int main(int argc, char **argv)
{
    static char *standard_input[] = {"-", NULL};
    int n;
    Error err = {0};
    char **operands = options_parse(&program, argc, argv, &n);
    page_check_output(opt.output);
    signals_init();
    sandbox_enclose(opt.sandbox, &(SandboxFiles){.write = &opt.output, .n_write = opt.output != NULL});
    gallery.records = json_array();
    gallery.notes.missing = json_array();
    pictures_init(&gallery.pictures, opt.size);
    if (opt.model && !(gallery.tokenizer = tokenizer_open(opt.model, &err)))
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    for (char **path = n > 0 ? operands : standard_input; *path; path++)
        read_file(*path);
    return finish();
}
