/* From parts to returns, and into the record; see returns.h. */
#include "stage/returns.h"

#include <math.h>
#include <string.h>

double reward_sim(const Reward *r, const Weights *w)
{
    return (isnan(r->itm) ? 0 : r->itm) + (isnan(r->phi) ? 0 : w->clip * r->phi);
}

void reward_returns(double *out, const Reward *r, const Weights *w)
{
    double whole = w->sim * reward_sim(r, w) + (isnan(r->ref) ? 0 : w->ref * r->ref) - w->noeos * r->noeos, tail = 0;
    for (size_t k = r->marks.count; k-- > 0;) {
        tail = w->bad * r->marks.bad[k] + w->repeat * r->marks.repeat[k] + w->gamma * tail;
        tail -= w->length + (r->marks.good ? w->good * r->marks.good[k] : 0);
        out[k] = whole - tail;
    }
}

double reward_weight(const Weights *w, int part)
{
    const double weights[REWARD_PARTS] = {w->sim, w->ref, w->noeos, w->bad, w->repeat, w->good, w->length};
    return weights[part];
}

/* Of one token. */
static double token_part(const Reward *r, int part, size_t k)
{
    if (part == REWARD_LENGTH)
        return 1;
    if (part == REWARD_GOOD)
        return r->marks.good ? r->marks.good[k] : 0;
    return part == REWARD_BAD ? -r->marks.bad[k] : part == REWARD_REPEAT ? -r->marks.repeat[k] : 0;
}

void reward_part(double *out, const Reward *r, const Weights *w, int part)
{
    const double ref = isnan(r->ref) ? 0 : r->ref;
    const double whole = part == REWARD_SIM     ? reward_sim(r, w)
                         : part == REWARD_REF   ? ref
                         : part == REWARD_NOEOS ? -(double)r->noeos
                                                : 0;
    double tail = 0;
    out[r->marks.count] = whole;
    for (size_t k = r->marks.count; k-- > 0;) {
        tail = token_part(r, part, k) + w->gamma * tail;
        out[k] = whole + tail;
    }
}

static void pack_part(Packer *p, const char *name, double value)
{
    pack_key(p, name);
    if (isnan(value))
        pack_nil(p);
    else
        pack_real(p, value);
}

static void pack_marks(Packer *p, const char *name, const uint8_t *marks, size_t n)
{
    pack_key(p, name);
    pack_array(p, n);
    for (size_t i = 0; i < n; i++)
        pack_int(p, marks[i]);
}

static void pack_fired(Packer *p, const WordMarks *marks)
{
    pack_key(p, "fired");
    pack_array(p, marks->n_fired);
    for (size_t i = 0; i < marks->n_fired; i++) {
        const WordFired *f = &marks->fired[i];
        pack_map_begin(p);
        pack_field_text(p, "rule", word_rule_name(f->rule));
        pack_field_text_n(p, "text", f->text.data, f->text.size);
        pack_field_int(p, "start", (int64_t)f->start);
        pack_field_int(p, "end", (int64_t)f->end);
        pack_map_end(p);
    }
}

void reward_pack(Packer *p, const Reward *r, const Weights *w, Arena *arena)
{
    size_t n = r->marks.count;
    double *returns = r->returns ? r->returns : arena_alloc(arena, n * sizeof *returns);
    if (!r->returns)
        reward_returns(returns, r, w);
    pack_reset(p);
    pack_map_begin(p);
    pack_field_real(p, "sim", reward_sim(r, w));
    pack_part(p, "ref", r->ref);
    pack_field_int(p, "noeos", r->noeos);
    pack_marks(p, "bad", r->marks.bad, n);
    pack_marks(p, "repeat", r->marks.repeat, n);
    if (r->marks.good)
        pack_marks(p, "good", r->marks.good, n);
    pack_field_reals(p, "returns", returns, n);
    pack_key(p, "parts");
    pack_map_begin(p);
    pack_part(p, "itm", r->itm);
    pack_part(p, "phi", r->phi);
    if (!isnan(r->cosine))
        pack_field_real(p, "cosine", r->cosine);
    if (r->ref_model.text[0])
        pack_field_text(p, "ref_model", r->ref_model.text);
    pack_map_end(p);
    pack_fired(p, &r->marks);
    pack_field_text(p, "caption", r->caption.text);
    if (r->deferred)
        deferred_pack(p, r->deferred);
    pack_map_end(p);
}

bool reward_read_parts(Reward *reward, const Record *r, Error *err)
{
    static const char *const paths[] = {"reward.parts.itm", "reward.parts.phi", "reward.ref", "reward.parts.cosine"};
    double *const out[] = {&reward->itm, &reward->phi, &reward->ref, &reward->cosine};
    for (size_t i = 0; i < 4; i++) {
        *out[i] = NAN;
        if (record_real(r, paths[i], out[i]) == FIELD_WRONG)
            return error_set(err, "%s is not a number", paths[i]);
    }
    Slice model;
    if (record_string(r, "reward.parts.ref_model", &model) == FIELD_OK && model.size < sizeof reward->ref_model.text)
        memcpy(reward->ref_model.text, model.data, model.size);
    return true;
}

/* n marks of 0 and 1; NULL where the record has none. */
static bool read_marks(uint8_t **out, const Record *r, const char *path, size_t n, Arena *arena, Error *err)
{
    int64_t *marks;
    size_t found;
    const Field field = record_ints(r, path, arena, &marks, &found);
    *out = NULL;
    if (field == FIELD_MISSING)
        return true;
    if (field == FIELD_WRONG || found != n)
        return error_set(err, "%s is no array of %zu marks, one for each token", path, n);
    *out = arena_alloc(arena, n + 1);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = marks[i] != 0;
    return true;
}

bool reward_read_marks(Reward *reward, const Record *r, size_t n, Arena *arena, Error *err)
{
    int64_t noeos;
    WordMarks *m = &reward->marks;
    *m = (WordMarks){.count = n};
    if (!read_marks(&m->bad, r, "reward.bad", n, arena, err) || !read_marks(&m->repeat, r, "reward.repeat", n, arena, err) ||
        !read_marks(&m->good, r, "reward.good", n, arena, err))
        return false;
    if (!m->bad || !m->repeat || record_int(r, "reward.noeos", &noeos) != FIELD_OK)
        return error_set(err, "reward.bad, reward.repeat or reward.noeos is missing");
    reward->noeos = noeos != 0;
    return true;
}
