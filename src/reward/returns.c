/* From parts to returns, and into the record; see returns.h. */
#include "reward/returns.h"

#include <math.h>

double reward_sim(const Reward *r, const Weights *w)
{
    return (isnan(r->itm) ? 0 : r->itm) + (isnan(r->phi) ? 0 : w->clip * r->phi);
}

void reward_returns(double *out, const Reward *r, const Weights *w)
{
    double whole = w->sim * reward_sim(r, w) + (isnan(r->ref) ? 0 : w->ref * r->ref) - w->noeos * r->noeos, tail = 0;
    for (size_t k = r->marks.count; k-- > 0;) {
        tail = w->bad * r->marks.bad[k] + w->repeat * r->marks.repeat[k] + w->gamma * tail;
        out[k] = whole - tail;
    }
}

static void pack_part(Packer *p, const char *name, double value)
{
    pack_string(p, name);
    if (isnan(value))
        pack_nil(p);
    else
        pack_real(p, value);
}

static void pack_marks(Packer *p, const char *name, const uint8_t *marks, size_t n)
{
    pack_string(p, name);
    pack_array(p, n);
    for (size_t i = 0; i < n; i++)
        pack_int(p, marks[i]);
}

static void pack_fired(Packer *p, const WordMarks *marks)
{
    pack_string(p, "fired");
    pack_array(p, marks->n_fired);
    for (size_t i = 0; i < marks->n_fired; i++) {
        const WordFired *f = &marks->fired[i];
        pack_map(p, 4);
        pack_string(p, "rule");
        pack_string(p, word_rule_name(f->rule));
        pack_string(p, "text");
        pack_string_n(p, f->text.data, f->text.size);
        pack_string(p, "start");
        pack_int(p, (int64_t)f->start);
        pack_string(p, "end");
        pack_int(p, (int64_t)f->end);
    }
}

void reward_pack(Packer *p, const Reward *r, const Weights *w, Arena *arena)
{
    size_t n = r->marks.count;
    double *returns = arena_alloc(arena, n * sizeof *returns);
    reward_returns(returns, r, w);
    pack_reset(p);
    pack_map(p, 8);
    pack_string(p, "sim");
    pack_real(p, reward_sim(r, w));
    pack_part(p, "ref", r->ref);
    pack_string(p, "noeos");
    pack_int(p, r->noeos);
    pack_marks(p, "bad", r->marks.bad, n);
    pack_marks(p, "repeat", r->marks.repeat, n);
    pack_string(p, "returns");
    pack_reals(p, returns, n);
    pack_string(p, "parts");
    pack_map(p, r->ref_model[0] ? 3 : 2);
    pack_part(p, "itm", r->itm);
    pack_part(p, "phi", r->phi);
    if (r->ref_model[0]) {
        pack_string(p, "ref_model");
        pack_string(p, r->ref_model);
    }
    pack_fired(p, &r->marks);
}
