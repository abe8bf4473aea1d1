/* Votes counted; see votes.h. */
#include "pages/votes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"
#include "pages/shown.h"

const char *const question_names[QUESTIONS] = {"detail", "truth", "grammar", "preference"};
static const char *const value_names[VALUES] = {"a", "b", "tie"};

/* ---- statistics ---- */

/* Wilson, "Probable inference, the law of succession, and statistical inference", 1927. */
void wilson_interval(double *low, double *high, size_t k, size_t n)
{
    const double z = 1.959963984540054;
    *low = 0;
    *high = 1;
    if (n == 0)
        return;
    double m = (double)n, p = (double)k / m, middle = p + z * z / (2 * m);
    double reach = z * sqrt(p * (1 - p) / m + z * z / (4 * m * m)), scale = 1 + z * z / m;
    *low = fmax(0, (middle - reach) / scale);
    *high = fmin(1, (middle + reach) / scale);
}

/* Krippendorff, "Computing Krippendorff's alpha-reliability", 2011, section C: 1 - (n - 1) sum_c o_c(not c) / sum_c n_c n_(not
 * c). */
double krippendorff_alpha(const size_t (*counts)[VALUES], size_t units)
{
    double seen = 0, expected = 0, of[VALUES] = {0}, n = 0;
    for (size_t u = 0; u < units; u++) {
        double m = 0;
        for (size_t c = 0; c < VALUES; c++)
            m += (double)counts[u][c];
        if (m < 2)
            continue;
        for (size_t c = 0; c < VALUES; c++) {
            double here = (double)counts[u][c];
            seen += here * (m - here) / (m - 1);
            of[c] += here;
        }
        n += m;
    }
    for (size_t c = 0; c < VALUES; c++)
        expected += of[c] * (n - of[c]);
    return expected > 0 ? 1 - (n - 1) * seen / expected : NAN;
}

/* ---- reading ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Whether the file is of the same two streams, whatever they are called. */
static bool same_streams(Votes *v, const char *path, const json_t *file, Error *err)
{
    static const char *const sides[] = {"a", "b"};
    for (size_t i = 0; i < 2; i++) {
        json_t **first = i == 0 ? &v->a : &v->b, *side = json_object_get(file, sides[i]);
        const char *digest = text_of(side, "digest");
        if (!digest[0])
            return error_set_status(err, STATUS_CORRUPT, "%s: %s.digest is missing", path, sides[i]);
        if (!*first)
            *first = json_incref(side);
        if (strcmp(text_of(*first, "digest"), digest) != 0)
            return error_set_status(err, STATUS_MISMATCH,
                                    "%s: votes on other captions: %s has the digest %s, in the files before %s", path, sides[i],
                                    digest, text_of(*first, "digest"));
    }
    return true;
}

static size_t place_of(Votes *v, const char *id)
{
    json_t *place = json_object_get(v->places, id);
    if (place)
        return (size_t)json_integer_value(place);
    size_t capacity = v->capacity;
    for (size_t q = 0; q < QUESTIONS; q++) {
        v->capacity = capacity;
        v->counts[q] = array_reserve(v->counts[q], &v->capacity, v->frames + 1, sizeof *v->counts[q]);
        memset(v->counts[q][v->frames], 0, sizeof *v->counts[q]);
    }
    json_object_set_new(v->places, id, json_integer((json_int_t)v->frames));
    return v->frames++;
}

static bool take_vote(Votes *v, const char *path, const json_t *vote, json_t *seen, Error *err)
{
    const char *id = json_string_value(json_object_get(vote, "id"));
    if (!id)
        return error_set_status(err, STATUS_CORRUPT, "%s: a vote without id", path);
    if (json_object_get(seen, id))
        return error_set_status(err, STATUS_CORRUPT, "%s: two votes on %s", path, id);
    json_object_set_new(seen, id, json_true());
    size_t place = place_of(v, id);
    for (size_t q = 0; q < QUESTIONS; q++) {
        const char *said = text_of(vote, question_names[q]);
        size_t value = 0;
        while (value < VALUES && strcmp(said, value_names[value]) != 0)
            value++;
        if (value < VALUES)
            v->counts[q][place][value]++;
        else if (said[0])
            return error_set_status(err, STATUS_CORRUPT, "%s: %s of %s is %s, expected a, b or tie", path, question_names[q], id,
                                    said);
    }
    return true;
}

static bool take_file(Votes *v, const char *path, const json_t *file, Error *err)
{
    const char *voter = text_of(file, "voter");
    json_t *vote, *seen = json_object();
    size_t i;
    bool ok = true;
    if (json_integer_value(json_object_get(file, "vlrm")) != 1 || strcmp(text_of(file, "kind"), "votes") != 0)
        ok = error_set_status(err, STATUS_MISMATCH, "%s: no votes of version 1 (formats/votes.md)", path);
    if (ok && !voter[0])
        ok = error_set_status(err, STATUS_MISMATCH, "%s: has no voter, expected a text (formats/votes.md)", path);
    ok = ok && same_streams(v, path, file, err);
    if (ok && json_object_get(v->voters, voter))
        ok = error_set(err, "%s and %s are by the same voter, %s: count one of them", text_of(v->voters, voter), path, voter);
    json_array_foreach (json_object_get(file, "votes"), i, vote)
        ok = ok && take_vote(v, path, vote, seen, err);
    if (ok)
        json_object_set_new(v->voters, voter, json_string(path));
    json_decref(seen);
    return ok;
}

bool votes_read(Votes *v, const char *path, Error *err)
{
    if (!v->voters) {
        v->voters = json_object();
        v->places = json_object();
    }
    json_t *file = json_file_read(path, err);
    bool ok = file && take_file(v, path, file, err);
    json_decref(file);
    return ok;
}

void votes_release(Votes *v)
{
    json_decref(v->a);
    json_decref(v->b);
    json_decref(v->voters);
    json_decref(v->places);
    for (size_t q = 0; q < QUESTIONS; q++)
        free(v->counts[q]);
    *v = (Votes){0};
}

/* ---- counting ---- */

Counts votes_count(const Votes *v, size_t question)
{
    Counts c = {0};
    const size_t(*counts)[VALUES] = (const size_t(*)[VALUES])v->counts[question];
    for (size_t i = 0; i < v->frames; i++) {
        size_t m = 0;
        for (size_t value = 0; value < VALUES; value++) {
            c.of[value] += counts[i][value];
            m += counts[i][value];
        }
        c.shared += m >= 2;
    }
    wilson_interval(&c.low, &c.high, c.of[0], c.of[0] + c.of[1]);
    c.alpha = krippendorff_alpha(counts, v->frames);
    return c;
}

json_t *votes_json(const Votes *v)
{
    json_t *questions = json_object();
    for (size_t q = 0; q < QUESTIONS; q++) {
        Counts c = votes_count(v, q);
        size_t decided = c.of[0] + c.of[1];
        json_object_set_new(questions, question_names[q],
                            json_pack("{s:I, s:I, s:I, s:o, s:f, s:f, s:I, s:o}", "a", (json_int_t)c.of[0], "b",
                                      (json_int_t)c.of[1], "tie", (json_int_t)c.of[2], "win_rate",
                                      decided ? json_real((double)c.of[0] / (double)decided) : json_null(), "low", c.low, "high",
                                      c.high, "shared", (json_int_t)c.shared, "alpha", shown_number(c.alpha)));
    }
    return json_pack("{s:i, s:s, s:O, s:O, s:I, s:I, s:o}", "vlrm", 1, "stage", "ballot", "a", v->a, "b", v->b, "voters",
                     (json_int_t)json_object_size(v->voters), "frames", (json_int_t)v->frames, "questions", questions);
}
