/*
 * Beam search over rows of logits; see beam.h.
 *
 * Scores are float and summed as Hugging Face sums them (log_softmax in float32, whatever the model computes in), so that the
 * same candidates win. Ties go to the lower index.
 */
#include "decode/beam.h"

#include <math.h>
#include <string.h>

static const float NEVER = -1e9f;

/* One way on from the live beams. */
typedef struct Candidate {
    float score;
    size_t beam;
    int32_t token;
    double logp;
    bool ends;
} Candidate;

enum { MOST_KEPT = (1 + MOST_EOS) * MAX_BEAMS };

size_t beam_keeps(const GenerateOptions *options)
{
    const size_t each = options->eos.n > 0 ? 1 + options->eos.n : 2;
    return each * (size_t)options->num_beams;
}

static Beam *beams_new(BeamSearch *b)
{
    Beam *beams = arena_calloc(&b->arena, b->width, sizeof *beams);
    for (size_t i = 0; i < b->width; i++) {
        size_t most = b->n_prompt + (size_t)b->options.max_new_tokens;
        beams[i].ids = arena_calloc(&b->arena, most, sizeof *beams[i].ids);
        beams[i].logp = arena_calloc(&b->arena, (size_t)b->options.max_new_tokens, sizeof *beams[i].logp);
        beams[i].score = NEVER;
    }
    return beams;
}

void beam_init(BeamSearch *b, const GenerateOptions *options, const int32_t *prompt, size_t n_prompt, size_t vocabulary)
{
    if (options->num_beams > MAX_BEAMS || vocabulary < beam_keeps(options))
        bug("%lld beams over %zu tokens", (long long)options->num_beams, vocabulary);
    *b = (BeamSearch){.options = *options, .n_prompt = n_prompt, .vocabulary = vocabulary, .width = (size_t)options->num_beams};
    b->live = beams_new(b);
    b->next = beams_new(b);
    b->done = beams_new(b);
    b->parents = arena_calloc(&b->arena, b->width, sizeof *b->parents);
    b->prompt = prompt;
    beam_reset(b);
}

void beam_reset(BeamSearch *b)
{
    for (size_t i = 0; i < b->width; i++) {
        Beam *live = &b->live[i], *done = &b->done[i];
        if (b->n_prompt > 0)
            memcpy(live->ids, b->prompt, b->n_prompt * sizeof *b->prompt);
        live->n = done->n = b->n_prompt;
        live->score = i == 0 ? 0 : NEVER;
        done->score = NEVER;
        done->finished = false;
    }
}

void beam_release(BeamSearch *b)
{
    arena_release(&b->arena);
}

size_t beam_live(const BeamSearch *b)
{
    return b->live[0].n == b->n_prompt ? 1 : b->width;
}

const Beam *beam_best(const BeamSearch *b, size_t rank)
{
    return &b->done[rank];
}

int32_t beam_last(const BeamSearch *b, size_t beam)
{
    return b->live[beam].ids[b->live[beam].n - 1];
}

/* Keeps the best `most` candidates sorted, first come first among equals. */
static size_t candidate_insert(Candidate *best, size_t n, size_t most, Candidate c)
{
    if (n == most && !(c.score > best[n - 1].score))
        return n;
    size_t at = n < most ? n : most - 1;
    for (; at > 0 && c.score > best[at - 1].score; at--)
        best[at] = best[at - 1];
    best[at] = c;
    return n < most ? n + 1 : n;
}

History beam_history(const BeamSearch *b, size_t beam)
{
    return (History){b->live[beam].ids, b->live[beam].n, b->n_prompt};
}

static float score_with(const Beam *from, const Choices *c, real logit)
{
    return (float)((double)logit - c->lse) + from->score;
}

bool beam_settled(const BeamSearch *b, size_t beam, const Choices *c)
{
    const Beam *from = &b->live[beam];
    size_t most = beam_keeps(&b->options);
    return most < c->n && score_with(from, c, choices_kth(c, most)) > score_with(from, c, c->rest);
}

/* The best ways on from one live beam join the best of all. */
static size_t candidates_add(BeamSearch *b, size_t beam, const Choices *c, Candidate *best, size_t n, size_t most)
{
    Candidate own[MOST_KEPT];
    size_t n_own = 0;
    float floor_score = n == most ? best[n - 1].score : -INFINITY;
    for (size_t i = 0; i < c->n; i++) {
        float score = score_with(&b->live[beam], c, c->logits[i]);
        int32_t id = choices_id(c, i);
        if (score > floor_score || n_own < most)
            n_own = candidate_insert(own, n_own, most,
                                     (Candidate){score, beam, id, (double)c->logits[i] - c->lse, eos_is(&b->options.eos, id)});
    }
    for (size_t i = 0; i < n_own; i++)
        n = candidate_insert(best, n, most, own[i]);
    return n;
}

/* to = the beam that c continues, with c's token. */
static void beam_extend(const BeamSearch *b, Beam *to, const Candidate *c)
{
    const Beam *from = &b->live[c->beam];
    memcpy(to->ids, from->ids, from->n * sizeof *to->ids);
    size_t new_tokens = from->n - b->n_prompt;
    memcpy(to->logp, from->logp, new_tokens * sizeof *to->logp);
    to->ids[from->n] = c->token;
    to->logp[new_tokens] = c->logp;
    to->n = from->n + 1;
    to->score = c->score;
}

static void beam_swap(Beam *a, Beam *b)
{
    Beam t = *a;
    *a = *b;
    *b = t;
}

/* A newly finished hypothesis takes its place among the done ones, behind equals. */
static void done_insert(BeamSearch *b, const Candidate *c, size_t new_tokens)
{
    Candidate scored = *c;
    scored.score = (float)((double)c->score / pow((double)new_tokens, b->options.length_penalty));
    size_t at = b->width;
    while (at > 0 && scored.score > b->done[at - 1].score)
        at--;
    if (at == b->width)
        return;
    for (size_t i = b->width - 1; i > at; i--)
        beam_swap(&b->done[i], &b->done[i - 1]);
    beam_extend(b, &b->done[at], &scored);
    b->done[at].finished = true;
}

/* Whether the best live beam could still beat the worst finished one at the present length. */
static bool can_improve(const BeamSearch *b)
{
    const Beam *worst = &b->done[b->width - 1];
    size_t new_tokens = b->live[0].n - b->n_prompt;
    float possible = (float)((double)b->live[0].score / pow((double)new_tokens, b->options.length_penalty));
    return !worst->finished || possible > worst->score;
}

bool beam_step(BeamSearch *b, const Choices *choices)
{
    Candidate best[MOST_KEPT];
    size_t most = beam_keeps(&b->options), n = 0, rows = beam_live(b), new_tokens = b->live[0].n - b->n_prompt + 1;
    bool last = new_tokens >= (size_t)b->options.max_new_tokens;
    for (size_t i = 0; i < rows; i++)
        n = candidates_add(b, i, &choices[i], best, n, most);
    for (size_t i = 0; i < n && i < b->width; i++)
        if (best[i].ends || last)
            done_insert(b, &best[i], new_tokens);
    if (last)
        return false;
    size_t live = 0;
    for (size_t i = 0; i < n && live < b->width; i++) {
        if (best[i].ends)
            continue;
        beam_extend(b, &b->next[live], &best[i]);
        b->parents[live++] = best[i].beam;
    }
    Beam *t = b->live;
    b->live = b->next;
    b->next = t;
    return can_improve(b);
}
