/*
 * Matching: a scorer learns which captions belong to an image. Every image comes with a true caption, the same with one detail
 * changed or two exchanged, and a caption of another image, true or not: what is true of many images then counts for less, and
 * length is no evidence, since a changed caption is as long as the true one. Besides, the rows of words that were changed, and of
 * those that they replaced, answer whether the word is true of the image: without that it takes very long until a word means
 * anything.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/itm.h"
#include "text/tokenizer.h"
#include "world/contrast.h"
#include "world/teach.h"

enum { TEXTS = 3, TRUE_ONE = 0, CHANGED = 1, OTHERS = 2 };
/* Of the loss; in a first course, and in one that goes on from it. */
static const double FIRST_SHARES[TEXTS] = {0.5, 0.3, 0.2}, LATER_SHARES[TEXTS] = {0.4, 0.2, 0.4};

typedef struct Class {
    const Gallery *g;
    const TeachOptions *options;
    Itm *itm;
    Tokenizer *tokenizer;
    real *features; /* owned: all sights', normed by the scorer's own norm */
    Lesson lesson;
    Tensor *word_table;                                   /* [2, hidden]: false, true */
    double right[TEXTS], asked, words, contrast, aligned; /* judgements and losses since the last line of the log */
} Class;

/* The first lessons are easy: scenes of one object, so that a word can be compared with all that there is. */
static const double EASY = 0.2; /* share of the steps */

static bool is_easy(const Class *c)
{
    return !c->options->go_on && (double)c->lesson.step < EASY * (double)c->lesson.options.steps;
}

static void draw_sights(const Class *c, size_t *numbers, size_t n, Dice *d)
{
    for (size_t i = 0; i < n; i++)
        do
            gallery_draw(c->g, numbers + i, 1, d);
        while (is_easy(c) && c->g->sights[numbers[i]].scene->n_objects > 1);
}

/* The whole range of captions, some of them such as the web writes. */
static Plan draw_plan(Dice *d)
{
    double kind = dice_between(d, 0, 1);
    Plan plan = kind < 0.35 ? plan_long : kind < 0.75 ? plan_range(d) : plan_web(&web_default, d);
    if (kind < 0.75 && dice_chance(d, 0.15))
        plan.place = 0.5;
    return plan;
}

static QformerText encode(Class *c, size_t image, const char *text, Arena *arena)
{
    Error err = {0};
    Tokens tokens;
    if (!tokenizer_encode(&tokens, arena, c->tokenizer, (TextSlice){text, strlen(text)}, ENCODE_SPECIAL, 32, &err))
        bug("%s", err.text);
    return (QformerText){image, tokens.ids, tokens.count};
}

/* The caption with details changed: one, or up to five, for the sake of the words; or two exchanged. */
static bool change(char out[CAPTION_MAX], const Scene *s, const char *text, Dice *d)
{
    char last[CAPTION_MAX];
    int more = dice_chance(d, 0.5) ? 0 : 1 + dice_below(d, 4);
    if (dice_chance(d, 0.2) && caption_exchange(out, s, text, d))
        return true;
    bool changed = caption_falsify(out, s, text, d);
    for (bool again = changed; again && more > 0; more--) {
        memcpy(last, out, sizeof last);
        again = caption_falsify(out, s, last, d);
        if (!again)
            memcpy(out, last, sizeof last);
    }
    return changed;
}

static void draw_texts(Class *c, QformerText *out, size_t image, const Scene *s, Dice *d, Arena *arena)
{
    char text[CAPTION_MAX], changed[CAPTION_MAX];
    Plan plan;
    do { /* made-up talk can leave no detail to change */
        plan = draw_plan(d);
        caption_write(text, s, &plan, d);
    } while (!change(changed, s, text, d));
    out[TRUE_ONE] = encode(c, image, text, arena);
    out[CHANGED] = encode(c, image, changed, arena);
    size_t other;
    draw_sights(c, &other, 1, d);
    caption_write(text, c->g->sights[other].scene, &plan, d);
    out[OTHERS] = encode(c, image, text, arena);
}

/* Cross entropy over the two logits of each text; seeds their gradient. */
static double judge(Class *c, Tensor *logits, size_t n)
{
    const Kernels *k = tape_kernels(c->lesson.tape);
    const double *shares = c->options->go_on ? LATER_SHARES : FIRST_SHARES;
    real *host = xmalloc(2 * n * sizeof *host);
    double loss = 0, images = (double)n / TEXTS;
    k->download(host, logits->data, 2 * n * sizeof *host);
    for (size_t i = 0; i < n; i++) {
        size_t kind = i % TEXTS, truth = kind == TRUE_ONE;
        double margin = (host[2 * i + truth] - host[2 * i + 1 - truth]), wrong = 1 / (1 + exp(margin));
        double weight = shares[kind] / images;
        loss += weight * (margin > 0 ? log1p(exp(-margin)) : log1p(exp(margin)) - margin);
        host[2 * i + truth] = (real)(-weight * wrong);
        host[2 * i + 1 - truth] = (real)(weight * wrong);
        c->right[kind] += margin > 0;
    }
    c->asked += images;
    k->upload(logits->grad, host, 2 * n * sizeof *host);
    free(host);
    return loss;
}

/* The words of each true caption that its changed twin does not share, and what the twin has there. */
static double judge_words(Class *c, const Tensor *rows, const QformerText *texts, size_t n)
{
    RowRef *refs = xmalloc(rows->rows * sizeof *refs);
    int32_t *answers = xmalloc(rows->rows * sizeof *answers);
    size_t asked = 0, row = 0;
    for (size_t i = 0; i < n; row += texts[i++].n) {
        const QformerText *a = &texts[i], *b = a + 1;
        if (i % TEXTS != TRUE_ONE || a->n != b->n)
            continue; /* another number of pieces: which stands for which cannot be said */
        for (size_t j = 0; j < a->n; j++) {
            if (a->ids[j] == b->ids[j])
                continue;
            refs[asked] = (RowRef){0, (uint32_t)(row + j)};
            answers[asked++] = 1;
            refs[asked] = (RowRef){0, (uint32_t)(row + a->n + j)};
            answers[asked++] = 0;
        }
    }
    double loss = 0;
    if (asked) {
        const Tensor *words = op_gather(c->lesson.tape, &rows, 1, refs, asked);
        loss = lesson_likely(&c->lesson, op_token_logp(c->lesson.tape, words, c->word_table, answers, NULL), 1);
    }
    c->words += loss;
    free(refs);
    free(answers);
    return loss;
}

/* Image-text contrast, as BLIP-2's first stage has it beside matching: the texts read alone, the images by the queries alone. */
static void align(Class *c, const QformerMemory *memory, const QformerText *texts, size_t n)
{
    Tape *t = c->lesson.tape;
    const size_t queries = c->itm->qformer.queries;
    QformerText *alone = tape_alloc(t, 2 * n * sizeof *alone);
    size_t *first = tape_alloc(t, 2 * n * sizeof *first), *count = first + n;
    for (size_t i = 0; i < n; i++) {
        alone[i] = texts[i * TEXTS + TRUE_ONE];
        alone[n + i] = texts[i * TEXTS + CHANGED];
        first[i] = i * queries;
        count[i] = queries;
    }
    Tensor *image = op_mean_rows(t, qformer_queries(t, &c->itm->qformer, memory), first, count, n);
    image = op_normalise(t, op_linear(t, image, &c->itm->vision_projection));
    Tensor *text = op_normalise(t, op_linear(t, qformer_texts(t, &c->itm->qformer, alone, 2 * n), &c->itm->text_projection));
    c->contrast += contrast(&c->lesson, image, text, NULL, &c->aligned);
}

static void say(Class *c)
{
    if ((c->lesson.step + 1) % 200 != 0)
        return;
    note("  right of true captions %.3f, changed %.3f, others' %.3f; loss on words %.3f, contrast %.3f (%.3f sure)",
         c->right[TRUE_ONE] / c->asked, c->right[CHANGED] / c->asked, c->right[OTHERS] / c->asked, c->words / 200,
         c->contrast / 200, c->aligned / c->asked);
    memset(c->right, 0, sizeof c->right);
    c->asked = c->words = c->contrast = c->aligned = 0;
}

static void match_step(Class *c, Arena *arena)
{
    Tape *t = c->lesson.tape;
    const size_t n = (size_t)c->options->batch;
    size_t *numbers = tape_alloc(t, n * sizeof *numbers);
    QformerText *texts = tape_alloc(t, n * TEXTS * sizeof *texts);
    Dice d = dice_make(c->options->seed, (uint32_t)c->lesson.step, 3);
    draw_sights(c, numbers, n, &d);
    for (size_t i = 0; i < n; i++)
        draw_texts(c, texts + i * TEXTS, i, c->g->sights[numbers[i]].scene, &d, arena);
    const Tensor *features = sights_features(t, &c->itm->vit, c->features, numbers, n);
    QformerMemory memory = qformer_memory(t, &c->itm->qformer, features, n);
    Tensor *words;
    const Tensor *rows = qformer_pairs(t, &c->itm->qformer, &memory, texts, n * TEXTS, &words);
    double loss = judge(c, itm_head(t, c->itm, rows, n * TEXTS), n * TEXTS);
    judge_words(c, words, texts, n * TEXTS);
    align(c, &memory, texts, n);
    say(c);
    lesson_learn(&c->lesson, loss);
    arena_reset(arena);
}

/* The text branch begins as the query branch: it is the same kind of work on other rows. */
static const StoredTensor *start_of(const Checkpoint *captioner, const char *name)
{
    static const struct {
        const char *text, *query;
    } twins[] = {{".intermediate.dense.", ".intermediate_query.dense."}, {".output.", ".output_query."}};
    const StoredTensor *found = checkpoint_find(captioner, name);
    for (size_t i = 0; !found && i < 2; i++) {
        const char *at = strstr(name, twins[i].text);
        if (!at || strstr(name, "attention"))
            continue;
        char *query = xasprintf("%.*s%s%s", (int)(at - name), name, twins[i].query, at + strlen(twins[i].text));
        found = checkpoint_find(captioner, query);
        free(query);
    }
    return found;
}

/* Takes what the captioner has under the same name (or the query branch's) into the lesson's parameters. */
static void take_over(Lesson *l, const Checkpoint *captioner)
{
    for (size_t i = 0; i < l->parameters.count; i++) {
        Parameter *p = l->parameters.items[i];
        const StoredTensor *start = start_of(captioner, p->name);
        if (!start)
            continue;
        if (!shape_equal(&start->shape, &p->shape))
            bug("%s differs in shape between captioner and scorer", p->name);
        real *values = xmalloc(tensor_size(&p->value) * sizeof *values);
        stored_read(start, 0, tensor_size(&p->value), DTYPE_REAL, values);
        parameter_set(&l->parameters, p, values);
        free(values);
    }
}

static void teach_class(Class *c, const Checkpoint *captioner)
{
    const bool anew = !c->options->go_on;
    Arena arena = {0};
    lesson_teach(&c->lesson, "vision_model", anew);
    lesson_teach(&c->lesson, "query_tokens", anew);
    lesson_teach(&c->lesson, "embeddings", anew);
    lesson_teach(&c->lesson, "qformer", anew);
    lesson_teach(&c->lesson, "itm_head", anew);
    lesson_teach(&c->lesson, "vision_projection", anew);
    lesson_teach(&c->lesson, "text_projection", anew);
    c->word_table = lesson_table(&c->lesson, "match.word", 2, c->itm->qformer.config.hidden);
    if (anew)
        take_over(&c->lesson, captioner);
    Tape *t = tape_new(c->itm->binder.kernels);
    c->features = sights_encode(c->g, &c->itm->vit, t);
    tape_free(t);
    while (lesson_step(&c->lesson)) /* the encoder's gradients stay zero: its output is a constant here */
        match_step(c, &arena);
    free(c->features);
    arena_release(&arena);
}

bool teach_match(const Gallery *g, const TeachOptions *o, const Kernels *kernels, Error *err)
{
    if (!o->from)
        return error_set(err, "--from DIR is needed: the captioner that the scorer starts from");
    Checkpoint *captioner = checkpoint_open(o->from, err);
    Class c = {.g = g, .options = o, .itm = captioner ? itm_open(o->model, kernels, err) : NULL};
    c.tokenizer = c.itm ? tokenizer_open(o->model, err) : NULL;
    bool ok = c.tokenizer != NULL;
    if (ok) {
        lesson_begin(&c.lesson, &(LessonOptions){"match", o->steps, o->rate, 0, o->seed}, &c.itm->binder);
        teach_class(&c, captioner);
        ok = lesson_save(&c.lesson, o->model, err);
        lesson_release(&c.lesson);
    }
    tokenizer_free(c.tokenizer);
    itm_free(c.itm);
    checkpoint_free(captioner);
    return ok;
}
