/*
 * vlrm-ballot: two streams of captions of the same frames put to people, blindly; and their votes counted.
 *
 * The page shows both captions of a frame side by side, which one stands left is drawn for each frame, and says which stream was
 * which once the voter has ended. Votes never leave the browser but as a file that the voter saves.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/hash.h"
#include "base/options/options.h"
#include "base/random.h"
#include "base/sandbox.h"
#include "base/signals.h"
#include "pages/page.h"
#include "pages/records.h"
#include "pages/set.h"
#include "pages/shown.h"
#include "pages/votes.h"

static struct {
    const char *output;
    int64_t frames, seed, size;
    bool count, json;
    Sandbox sandbox;
} opt;

static const Option options[] = {
    OPT_GROUP("The ballot"),
    OPT_INT("frames", 'n', &opt.frames, "50", 1, 10000, "N", "draw N frames at random among those in both"),
    OPT_INT("seed", 0, &opt.seed, "1", 0, 9e15, "S", "seed the draw: which frames, in which order, which caption on which side"),
    OPT_STRING("output", 'o', &opt.output, NULL, "FILE", "write the page there (default: stdout)"),
    OPT_INT("size", 0, &opt.size, "480", 16, 2048, "PX", "shrink pictures to this longest side"),
    OPT_GROUP("The count"),
    OPT_FLAG("count", 0, &opt.count, "count votes that the page has saved"),
    OPT_FLAG("json", 0, &opt.json, "print one JSON object instead of the table (formats/votes.md)"),
    OPT_GROUP("Both"),
    SANDBOX_OPTION(opt.sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-ballot",
    .summary = "put two captions of the same frames to people, blindly, and count their votes",
    .operands = "A B | --count VOTES...",
    .description =
        "Makes a page that asks of each frame which of two captions says more details, is truer, is better language, and which one the "
        "voter prefers. Which stream stands left is drawn again for each frame; which was which is said at the end. The page needs no "
        "network; votes are kept in the browser and saved as a file. Frames on which both say the same are left out.\n\n"
        "With --count: for each question the share of A among the votes for one of both, with Wilson's interval (95 %), and how far "
        "voters agree, as Krippendorff's alpha. Votes on other captions are refused (exit status 6), and so is a second file of one voter.",
    .examples = "vlrm-ballot base.vlrm trained.vlrm --frames 100 -o ballot.html\n"
                "vlrm-ballot --count votes-*.json",
    .options = options,
};

/* ---- the streams ---- */

typedef struct Side {
    const char *path;
    json_t *texts; /* owned: {id: text} */
    XXH3_state_t *hash;
} Side;

static struct {
    Side a, b;
    json_t *frames; /* owned: of the page */
    json_t *places; /* owned: {id: place in frames} */
    size_t missing; /* pictures not found yet */
    Pictures pictures;
    Notes notes;
} ballot;

static bool take_text(void *context, const Record *r)
{
    Side *side = context;
    Slice text;
    if (record_string(r, "caption.text", &text) != FIELD_OK)
        return true;
    XXH3_64bits_update(side->hash, r->id.data, r->id.size);
    XXH3_64bits_update(side->hash, "", 1);
    XXH3_64bits_update(side->hash, text.data, text.size);
    XXH3_64bits_update(side->hash, "", 1);
    json_t *id = shown_text(r->id);
    if (!json_object_get(side->texts, json_string_value(id)))
        json_object_set_new(side->texts, json_string_value(id), shown_text(text));
    json_decref(id);
    return true;
}

/* Reads a file whole; what is cut or damaged makes no ballot. */
static void read_whole(const char *path, RecordEach *each, void *context)
{
    Error err = {0};
    int status = records_each(path, false, each, context, &err);
    if (err.text[0])
        die_status(status, "%s", err.text);
    if (status == STATUS_INTERRUPTED)
        die_status(status, "interrupted");
    notes_status(&ballot.notes, status);
}

static void side_read(Side *side, const char *path)
{
    struct stat what;
    if (strcmp(path, "-") == 0 || (stat(path, &what) == 0 && !S_ISREG(what.st_mode)))
        usage_error("%s: a stream is read twice: give a file, no pipe, stdin or folder", path);
    *side = (Side){path, json_object(), XXH3_createState()};
    XXH3_64bits_reset(side->hash);
    read_whole(path, take_text, side);
    if (json_object_size(side->texts) == 0)
        die_status(STATUS_EMPTY, "%s: no captions", path);
}

static json_t *side_json(const Side *side)
{
    json_t *name = shown_text(slice_of(side->path));
    return json_pack("{s:o, s:s}", "name", name, "digest", digest_text(XXH3_64bits_digest(side->hash)).text);
}

static void side_release(Side *side)
{
    json_decref(side->texts);
    XXH3_freeState(side->hash);
}

/* ---- the draw ---- */

typedef struct Draw {
    uint64_t key;
    const char *id;
} Draw;

static int by_key(const void *a, const void *b)
{
    const Draw *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key ? 1 : strcmp(x->id, y->id);
}

static void add_frame(const char *id)
{
    uint64_t hash = hash_id(id, strlen(id));
    bool swap = random_bits((uint64_t)opt.seed, 1, hash, 0) & 1;
    json_object_set_new(ballot.places, id, json_integer((json_int_t)json_array_size(ballot.frames)));
    json_array_append_new(ballot.frames, json_pack("{s:s, s:O, s:O, s:b}", "id", id, "a", json_object_get(ballot.a.texts, id),
                                                   "b", json_object_get(ballot.b.texts, id), "swap", swap));
}

/* Draws the frames; returns on how many both say the same. */
static size_t draw_frames(void)
{
    Draw *all = xcalloc(json_object_size(ballot.a.texts), sizeof *all);
    json_t *text;
    const char *id;
    size_t n = 0, same = 0, both = 0;
    json_object_foreach (ballot.a.texts, id, text) {
        json_t *other = json_object_get(ballot.b.texts, id);
        both += other != NULL;
        if (other && json_equal(text, other))
            same++;
        else if (other)
            all[n++] = (Draw){random_bits((uint64_t)opt.seed, 0, hash_id(id, strlen(id)), 0), id};
    }
    if (both == 0)
        die_status(STATUS_MISMATCH, "no frame is in both: ids of %s and %s differ", ballot.a.path, ballot.b.path);
    if (n == 0)
        die_status(STATUS_EMPTY, "both say the same of all %zu frames: there is nothing to vote on", both);
    qsort(all, n, sizeof *all, by_key);
    for (size_t i = 0; i < n && i < (size_t)opt.frames; i++)
        add_frame(all[i].id);
    free(all);
    return same;
}

static bool take_picture(void *context, const Record *r)
{
    (void)context;
    json_t *id = shown_text(r->id), *place = json_object_get(ballot.places, json_string_value(id));
    json_t *frame = place ? json_array_get(ballot.frames, (size_t)json_integer_value(place)) : NULL;
    if (frame && !json_object_get(frame, "picture") && picture_key(r)) {
        pictures_set(&ballot.pictures, frame, r);
        ballot.missing--;
    }
    json_decref(id);
    return ballot.missing > 0;
}

static int make_ballot(char **operands)
{
    Error err = {0};
    side_read(&ballot.a, operands[0]);
    side_read(&ballot.b, operands[1]);
    pictures_init(&ballot.pictures, opt.size);
    ballot.notes.missing = json_array();
    ballot.frames = json_array();
    ballot.places = json_object();
    size_t same = draw_frames();
    ballot.missing = json_array_size(ballot.frames);
    read_whole(ballot.a.path, take_picture, NULL);
    if (ballot.missing > 0)
        read_whole(ballot.b.path, take_picture, NULL);
    if (ballot.missing > 0)
        warn("%zu of %zu frames have no picture: voters see the captions alone", ballot.missing, json_array_size(ballot.frames));
    json_t *data = json_pack("{s:s, s:s, s:I, s:o, s:o, s:I, s:O, s:O}", "kind", "ballot", "version", VLRM_VERSION, "seed",
                             (json_int_t)opt.seed, "a", side_json(&ballot.a), "b", side_json(&ballot.b), "same", (json_int_t)same,
                             "frames", ballot.frames, "pictures", ballot.pictures.list);
    if (!page_write(opt.output, "ballot", false, data, &err)) {
        warn("%s", err.text);
        notes_status(&ballot.notes, err.status ? err.status : STATUS_FAILURE);
    }
    if (ballot.pictures.failed > 0)
        notes_status(&ballot.notes, STATUS_SOME_FAILED);
    json_decref(data);
    json_decref(ballot.frames);
    json_decref(ballot.places);
    json_decref(ballot.notes.missing);
    pictures_release(&ballot.pictures);
    side_release(&ballot.a);
    side_release(&ballot.b);
    return finish_stdout(ballot.notes.status);
}

/* ---- the count ---- */

static void print_name(const char *side, const json_t *stream)
{
    const char *name = json_string_value(json_object_get(stream, "name"));
    printf("%s: ", side);
    for (; name && *name; name++)
        putchar((unsigned char)*name < ' ' || *name == 127 ? '?' : *name);
    putchar('\n');
}

static void print_table(const Votes *v)
{
    print_name("A", v->a);
    print_name("B", v->b);
    printf("%zu voters, %zu frames\n\n", json_object_size(v->voters), v->frames);
    printf("%-10s %6s %6s %6s  %6s  %-16s  %6s\n", "question", "A", "B", "tie", "A wins", "95 %", "alpha");
    for (size_t q = 0; q < QUESTIONS; q++) {
        Counts c = votes_count(v, q);
        size_t decided = c.of[0] + c.of[1];
        char share[32] = "-", alpha[32] = "-";
        if (decided > 0)
            snprintf(share, sizeof share, "%.3f", (double)c.of[0] / (double)decided);
        if (isfinite(c.alpha))
            snprintf(alpha, sizeof alpha, "%.3f", c.alpha);
        printf("%-10s %6zu %6zu %6zu  %6s  %.3f to %.3f    %6s\n", question_names[q], c.of[0], c.of[1], c.of[2], share, c.low,
               c.high, alpha);
    }
}

static int count_votes(char **operands, int n)
{
    Votes v = {0};
    if (n == 0)
        usage_error("--count needs files of votes, as the page saves them");
    for (int i = 0; i < n; i++) {
        Error err = {0};
        if (!votes_read(&v, operands[i], &err))
            die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    }
    if (v.frames == 0)
        die_status(STATUS_EMPTY, "the files hold no votes");
    if (opt.json) {
        json_t *all = votes_json(&v);
        json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
        putchar('\n');
        json_decref(all);
    } else
        print_table(&v);
    votes_release(&v);
    return finish_stdout(STATUS_CLEAN);
}

int main(int argc, char **argv)
{
    int n;
    char **operands = options_parse(&program, argc, argv, &n);
    signals_init();
    sandbox_enclose(opt.sandbox, &(SandboxFiles){.write = &opt.output, .n_write = opt.output != NULL});
    if (opt.count)
        return count_votes(operands, n);
    if (n != 2)
        usage_error("expected two streams of captions, A and B; found %d operands", n);
    page_check_output(opt.output);
    return make_ballot(operands);
}
