/*
 * Matching: a scorer learns which captions belong to an image: a true one, and not the same with a detail changed, nor another
 * image's, unless that is true as well. Alone, this takes very long until a word means anything, and whether it ever learns which
 * object a word is about hangs on how sums are rounded; so four more losses go with it. Words that were changed, and those that
 * they replaced, answer whether they are true of the image. Hidden words are guessed from the image and the rest (ALBEF, Li et
 * al. 2021): a hidden colour is that of the object which the rest describes; half of these captions are of one object, for there
 * it is plain which. In the beginning, BLIP-2's contrast of images and texts. Then, as words mean something, each says where in
 * the image lies what it is about (phrase grounding; GLIP, Li et al. 2022), a relation where its two objects lie.
 *
 * A second course, --go-on, is about length: of two true captions the scorer shall prefer the one that says more.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/families/blip2/itm.h"
#include "world/lessons/contrast.h"
#include "world/lessons/match_texts.h"
#include "world/lessons/teach.h"

/* Of the steps of a first course: with images of one object, with contrast, and before negatives are hard. */
static const double EASY = 0.1, CONTRAST = 0.2, HARD = 0.35;
/* Of the loss: by kind of text. */
static const double SHARES[MATCH_TEXTS] = {[TRUE_ONE] = 0.5, [CHANGED] = 0.3, [OTHERS] = 0.2};
static const double HARD_SHARES[MATCH_TEXTS] = {[TRUE_ONE] = 0.4, [CHANGED] = 0.25, [OTHERS] = 0.35};
static const double GUESSING = 1, PLACES = 0.5;
/* Of a second course: what the whole truth and a changed caption count, in shares, and how fast what leaves much out counts less.
 */
static const double WHOLE = 2.5, WRONG = 1.6, LEFT_OUT = 4;

/* Judgements: how many were right of how many. */
typedef struct Share {
    double right, asked;
} Share;

/* Judgements and losses since the last line of the log. */
typedef struct Marks {
    Share of[MATCH_TEXTS], exchanged, related;
    double words, guesses, places, other_places, contrast, aligned;
} Marks;

typedef struct Class {
    const Gallery *g;
    const TeachOptions *options;
    Itm *itm;
    Tokenizer *tokenizer;
    real *features; /* owned: all sights', normed by the scorer's own norm */
    Lesson lesson;
    Tensor *word_table;     /* [2, hidden]: false, true */
    Tensor *guess_table;    /* [vocabulary, hidden] */
    Tensor *place_table[2]; /* [patches, hidden]: of the object before and after, as WordObjects has them */
    Marks marks;
} Class;

/* One step's images and texts. */
typedef struct Sheet {
    size_t n;           /* images */
    size_t *numbers;    /* of their sights */
    MatcherText *texts; /* [n * MATCH_TEXTS] */
    MatchTexts *drawn;  /* [n] */
} Sheet;

static bool before(const Class *c, double share)
{
    return !c->options->go_on && (double)c->lesson.step < share * (double)c->lesson.options.steps;
}

/*
 * A second course mines among so many images that captions which say little are true of another, and exchanges nothing: what the
 * scorer cannot tell from the truth makes it doubt whatever could have been exchanged, which is every long caption.
 */
static Hardness hardness(const Class *c)
{
    if (before(c, HARD))
        return (Hardness){.easy = before(c, EASY), .exchanged = 0.2, .related = 0.15, .borrowed = 0.5, .mined = 1};
    return c->options->go_on ? (Hardness){.related = 0.25, .mined = 256}
                             : (Hardness){.exchanged = 0.4, .related = 0.15, .borrowed = 0.5, .mined = 6};
}

static size_t patches_in_row(const Class *c)
{
    return (size_t)c->g->side / c->itm->base.vit.config.patch;
}

static Sheet sheet_draw(Class *c, Arena *arena)
{
    const Hardness h = hardness(c);
    Sheet s = {.n = (size_t)c->options->batch};
    Dice d = dice_make(c->options->seed, (uint32_t)c->lesson.step, 3);
    const MatchWriter w = {c->g, c->tokenizer, patches_in_row(c), &d, arena};
    s.numbers = arena_alloc(arena, s.n * sizeof *s.numbers);
    s.texts = arena_alloc(arena, s.n * sizeof *s.texts * MATCH_TEXTS);
    s.drawn = arena_alloc(arena, s.n * sizeof *s.drawn);
    for (size_t i = 0; i < s.n; i++) {
        s.numbers[i] = sight_draw(c->g, h.easy, &d);
        s.drawn[i] = match_texts_draw(&w, i, &c->g->sights[s.numbers[i]], &h);
        memcpy(s.texts + i * MATCH_TEXTS, s.drawn[i].text, sizeof s.drawn[i].text);
    }
    return s;
}

/*
 * What a judgement of a text counts. In a second course a true caption counts the more, the more it says of what there is: else
 * one that leaves half of it out is as good as the whole truth, and safer. The wrong one beside it counts more, too, lest a
 * scorer take length for truth.
 */
static double weight_of(const Class *c, const MatchTexts *drawn, size_t kind)
{
    const double share = (before(c, HARD) ? SHARES : HARD_SHARES)[kind];
    if (!c->options->go_on)
        return share;
    return kind == TRUE_ONE ? share * WHOLE * pow(drawn->told, LEFT_OUT) : kind == CHANGED ? share * WRONG : share;
}

static void count(Share *s, bool right)
{
    s->asked++;
    s->right += right;
}

static void mark(Marks *m, size_t kind, const MatchTexts *drawn, bool right)
{
    count(&m->of[kind], right);
    if (kind == CHANGED && drawn->exchanged)
        count(&m->exchanged, right);
    if (kind == CHANGED && drawn->related)
        count(&m->related, right);
}

/* Cross entropy over the two logits of each text but the masked ones; seeds their gradient. */
static double judge(Class *c, Tensor *logits, const Sheet *s)
{
    const Kernels *k = tape_kernels(c->lesson.tape);
    const size_t n = s->n * MATCH_TEXTS;
    real *host = xmalloc(2 * n * sizeof *host);
    double loss = 0;
    k->download(host, logits->data, 2 * n * sizeof *host);
    for (size_t i = 0; i < n; i++) {
        size_t kind = i % MATCH_TEXTS, truth = kind == TRUE_ONE;
        double margin = (host[2 * i + truth] - host[2 * i + 1 - truth]), wrong = 1 / (1 + exp(margin));
        const MatchTexts *drawn = s->drawn + i / MATCH_TEXTS;
        double weight = weight_of(c, drawn, kind) / (double)s->n;
        loss += weight * (margin > 0 ? log1p(exp(-margin)) : log1p(exp(margin)) - margin);
        host[2 * i + truth] = (real)(-weight * wrong);
        host[2 * i + 1 - truth] = (real)(weight * wrong);
        mark(&c->marks, kind, drawn, margin > 0);
    }
    k->upload(logits->grad, host, 2 * n * sizeof *host);
    free(host);
    return loss;
}

/* Questions about words: rows of the texts, and the class that each belongs to. */
typedef struct Questions {
    RowRef *rows;
    int32_t *answers;
    size_t n;
} Questions;

static void ask(Questions *q, size_t row, int32_t answer)
{
    q->rows[q->n] = (RowRef){0, (uint32_t)row};
    q->answers[q->n++] = answer;
}

/* The words of a true caption that its changed twin does not share, and what the twin has there: are they true? */
static void ask_changed(Questions *q, const MatcherText *a, const MatcherText *b, size_t row)
{
    if (a->n != b->n)
        return; /* another number of pieces: which stands for which cannot be said */
    for (size_t j = 0; j < a->n; j++)
        if (a->ids[j] != b->ids[j]) {
            ask(q, row + j, 1);
            ask(q, row + a->n + j, 0);
        }
}

static void ask_hidden(Questions *q, const MatcherText *masked, const int32_t *whole, size_t row)
{
    for (size_t j = 0; j < masked->n; j++)
        if (masked->ids[j] != whole[j])
            ask(q, row + j, whole[j]);
}

static void ask_places(Questions *q, const int32_t *places, size_t n, size_t row)
{
    for (size_t j = 0; j < n; j++)
        if (places[j] >= 0)
            ask(q, row + j, places[j]);
}

/* Cross entropy of the answers by the rows' products with the classes of the table; their mean, weighted. */
static double answer(Class *c, const Tensor *words, const Questions *q, const Tensor *table, double weight)
{
    if (q->n == 0)
        return 0;
    const Tensor *asked = op_gather(c->lesson.tape, &words, 1, q->rows, q->n);
    return lesson_likely(&c->lesson, op_token_logp(c->lesson.tape, asked, table, NULL, q->answers, NULL), weight);
}

static Questions questions(const Tensor *words, Arena *arena)
{
    return (Questions){arena_alloc(arena, words->rows * sizeof(RowRef)), arena_alloc(arena, words->rows * sizeof(int32_t)), 0};
}

/* words: the rows of all texts, one text after the other. */
static void judge_words(Class *c, const Tensor *words, const Sheet *s, Arena *arena)
{
    Questions changed = questions(words, arena), hidden = questions(words, arena);
    Questions place = questions(words, arena), other_place = questions(words, arena);
    size_t row = 0;
    for (size_t i = 0; i < s->n * MATCH_TEXTS; row += s->texts[i++].n) {
        const MatchTexts *drawn = s->drawn + i / MATCH_TEXTS;
        const size_t kind = i % MATCH_TEXTS;
        if (kind == TRUE_ONE)
            ask_changed(&changed, s->texts + i, s->texts + i + 1, row);
        if (kind == MASKED)
            ask_hidden(&hidden, s->texts + i, drawn->whole, row);
        if (kind != TRUE_ONE && kind != MASKED)
            continue;
        const Places *places = kind == TRUE_ONE ? &drawn->places : &drawn->masked_places;
        ask_places(&place, places->before, s->texts[i].n, row);
        ask_places(&other_place, places->after, s->texts[i].n, row);
    }
    c->marks.words += answer(c, words, &changed, c->word_table, 1);
    c->marks.guesses += answer(c, words, &hidden, c->guess_table, GUESSING) / GUESSING;
    if (before(c, CONTRAST))
        return;
    c->marks.places += answer(c, words, &place, c->place_table[0], PLACES) / PLACES;
    c->marks.other_places += answer(c, words, &other_place, c->place_table[1], PLACES) / PLACES;
}

/* Image-text contrast, as BLIP-2's first stage has it beside matching: the texts read alone, the images by the queries alone. */
static void align(Class *c, const QformerMemory *memory, const Sheet *s)
{
    Tape *t = c->lesson.tape;
    const size_t n = s->n, queries = c->itm->qformer.queries;
    MatcherText *alone = tape_alloc(t, 2 * n * sizeof *alone);
    size_t *first = tape_alloc(t, 2 * n * sizeof *first), *count = first + n;
    for (size_t i = 0; i < n; i++) {
        alone[i] = s->drawn[i].text[TRUE_ONE];
        alone[n + i] = s->drawn[i].text[CHANGED];
        first[i] = i * queries;
        count[i] = queries;
    }
    Tensor *image = op_mean_rows(t, qformer_queries(t, &c->itm->qformer, memory), first, count, n);
    image = op_normalise(t, op_linear(t, image, &c->itm->vision_projection));
    Tensor *text = op_normalise(t, op_linear(t, qformer_texts(t, &c->itm->qformer, alone, 2 * n), &c->itm->text_projection));
    c->marks.contrast += contrast(&c->lesson, image, text, NULL, &c->marks.aligned);
}

static double share_of(Share s)
{
    return s.right / fmax(s.asked, 1);
}

static void say(Class *c)
{
    const double steps = 200;
    const Marks *m = &c->marks;
    if (fmod((double)c->lesson.step + 1, steps) != 0)
        return;
    note("  right of true captions %.3f, changed %.3f (exchanged %.3f, relations %.3f), others' %.3f", share_of(m->of[TRUE_ONE]),
         share_of(m->of[CHANGED]), share_of(m->exchanged), share_of(m->related), share_of(m->of[OTHERS]));
    note("  loss on words %.3f, hidden %.3f, places %.3f, of relations %.3f, contrast %.3f (%.3f sure)", m->words / steps,
         m->guesses / steps, m->places / steps, m->other_places / steps, m->contrast / steps,
         m->aligned / fmax(m->of[TRUE_ONE].asked, 1));
    c->marks = (Marks){0};
}

static void match_step(Class *c, Arena *arena)
{
    Tape *t = c->lesson.tape;
    const Sheet s = sheet_draw(c, arena);
    const Tensor *features = vit_norm(t, &c->itm->base.vit, sights_features(t, &c->itm->base.vit, c->features, s.numbers, s.n));
    QformerMemory memory = qformer_memory(t, &c->itm->qformer, features, s.n);
    Tensor *words;
    const Tensor *rows = qformer_pairs(t, &c->itm->qformer, &memory, s.texts, s.n * MATCH_TEXTS, &words);
    double loss = judge(c, itm_head(t, c->itm, rows, s.n * MATCH_TEXTS), &s);
    judge_words(c, words, &s, arena);
    if (before(c, CONTRAST))
        align(c, &memory, &s);
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
    static const char *const taught[] = {"vision_model", "query_tokens",      "embeddings",     "qformer",
                                         "itm_head",     "vision_projection", "text_projection"};
    const size_t hidden = c->itm->qformer.config.hidden;
    const bool anew = !c->options->go_on;
    Arena arena = {0};
    for (size_t i = 0; i < sizeof taught / sizeof taught[0]; i++)
        lesson_teach(&c->lesson, taught[i], anew);
    c->word_table = lesson_table(&c->lesson, "match.word", 2, hidden);
    c->guess_table = lesson_table(&c->lesson, "match.guess", (size_t)tokenizer_size(c->tokenizer), hidden);
    c->place_table[0] = lesson_table(&c->lesson, "match.before", patches_in_row(c) * patches_in_row(c), hidden);
    c->place_table[1] = lesson_table(&c->lesson, "match.after", patches_in_row(c) * patches_in_row(c), hidden);
    if (anew)
        take_over(&c->lesson, captioner);
    Tape *t = tape_new(c->itm->base.binder.kernels);
    c->features = sights_encode(c->g, &c->itm->base.vit, t);
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
        lesson_begin(&c.lesson, &(LessonOptions){"match", o->steps, o->rate, 0, o->seed}, &c.itm->base.binder);
        teach_class(&c, captioner);
        ok = lesson_save(&c.lesson, o->model, err);
        lesson_release(&c.lesson);
    }
    tokenizer_free(c.tokenizer);
    matcher_free(c.itm ? &c.itm->base : NULL);
    checkpoint_free(captioner);
    return ok;
}
