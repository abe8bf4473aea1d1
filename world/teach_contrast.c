/*
 * Contrast (Radford et al. 2021): images and captions of the same scene come to the same place, others apart. Each image has a
 * caption of its own and the same with a detail changed, which counts as one more wrong caption for all.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/clip.h"
#include "text/tokenizer.h"
#include "world/teach.h"

enum { TEXTS = 2 };
static const double SCALE_MOST = 100; /* of the cosines, as in CLIP */

typedef struct Class {
    const Gallery *g;
    const TeachOptions *options;
    Clip *clip;
    Tokenizer *tokenizer;
    Lesson lesson;
    double right, asked; /* images whose caption came first, since the last line of the log */
} Class;

static ClipText encode(Class *c, const char *text, Arena *arena)
{
    Error err = {0};
    Tokens tokens;
    if (!tokenizer_encode(&tokens, arena, c->tokenizer, (TextSlice){text, strlen(text)}, ENCODE_SPECIAL,
                          c->clip->config.text.positions, &err))
        bug("%s", err.text);
    return (ClipText){tokens.ids, tokens.count};
}

/* Captions 0 .. n-1 are true, n .. 2n-1 the same with a detail changed. */
static void draw_texts(Class *c, ClipText *out, const size_t *numbers, size_t n, Dice *d, Arena *arena)
{
    char text[CAPTION_MAX], changed[CAPTION_MAX];
    for (size_t i = 0; i < n; i++) {
        const Scene *s = c->g->sights[numbers[i]].scene;
        bool wrong = false;
        while (!wrong) {
            Plan plan = dice_chance(d, 0.5) ? plan_long : plan_range(d);
            caption_write(text, s, &plan, d);
            wrong = (dice_chance(d, 0.3) && caption_exchange(changed, s, text, d)) || caption_falsify(changed, s, text, d);
        }
        out[i] = encode(c, text, arena);
        out[n + i] = encode(c, changed, arena);
    }
}

typedef struct Scores {
    size_t images, texts, width;
    const real *image, *text; /* [.., width] */
    double scale;
    double *cosine;  /* [images, texts] */
    double *dcosine; /* of the loss */
    double dscale;
} Scores;

/* Softmax over n cosines `stride` apart: adds weight * (p - onehot) * scale to their gradient; returns -log p of the right one.
 */
static double softmax_row(Scores *s, size_t first, size_t stride, size_t n, size_t right, double weight)
{
    double most = -INFINITY, sum = 0;
    for (size_t j = 0; j < n; j++)
        most = fmax(most, s->cosine[first + j * stride]);
    for (size_t j = 0; j < n; j++)
        sum += exp(s->scale * (s->cosine[first + j * stride] - most));
    for (size_t j = 0; j < n; j++) {
        double cosine = s->cosine[first + j * stride], p = exp(s->scale * (cosine - most)) / sum;
        double d = weight * (p - (j == right));
        s->dcosine[first + j * stride] += d * s->scale;
        s->dscale += d * cosine;
    }
    return weight * (log(sum) - s->scale * (s->cosine[first + right * stride] - most));
}

static void cosines(Scores *s)
{
    for (size_t i = 0; i < s->images; i++)
        for (size_t j = 0; j < s->texts; j++) {
            double sum = 0;
            for (size_t k = 0; k < s->width; k++)
                sum += (double)s->image[i * s->width + k] * s->text[j * s->width + k];
            s->cosine[i * s->texts + j] = sum;
        }
}

static void cosines_backward(const Scores *s, real *dimage, real *dtext)
{
    memset(dimage, 0, s->images * s->width * sizeof *dimage);
    memset(dtext, 0, s->texts * s->width * sizeof *dtext);
    for (size_t i = 0; i < s->images; i++)
        for (size_t j = 0; j < s->texts; j++) {
            real d = (real)s->dcosine[i * s->texts + j];
            for (size_t k = 0; k < s->width; k++) {
                dimage[i * s->width + k] += d * s->text[j * s->width + k];
                dtext[j * s->width + k] += d * s->image[i * s->width + k];
            }
        }
}

/* Both directions: an image among all captions, a true caption among all images. Seeds the gradients of both embeddings. */
static double contrast(Class *c, Tensor *images, Tensor *texts)
{
    const Kernels *k = tape_kernels(c->lesson.tape);
    const size_t n = images->rows, m = texts->rows, width = images->cols;
    real *host = xmalloc(2 * (n + m) * width * sizeof *host), *grad = host + (n + m) * width, log_scale;
    Parameter *scale = parameters_find(&c->lesson.parameters, "logit_scale");
    Scores s = {.images = n, .texts = m, .width = width, .image = host, .text = host + n * width};
    s.cosine = xcalloc(2 * n * m, sizeof *s.cosine);
    s.dcosine = s.cosine + n * m;
    k->download(host, images->data, n * width * sizeof *host);
    k->download(host + n * width, texts->data, m * width * sizeof *host);
    parameter_get(&c->lesson.parameters, scale, &log_scale);
    s.scale = fmin(exp(log_scale), SCALE_MOST);
    cosines(&s);
    double loss = 0;
    for (size_t i = 0; i < n; i++) {
        double one = softmax_row(&s, i * m, 1, m, i, 0.5 / (double)n);
        loss += one + softmax_row(&s, i, m, n, i, 0.5 / (double)n);
        c->right += one * 2 * (double)n < log(2);
    }
    c->asked += (double)n;
    cosines_backward(&s, grad, grad + n * width);
    k->upload(images->grad, grad, n * width * sizeof *grad);
    k->upload(texts->grad, grad + n * width, m * width * sizeof *grad);
    real dlog = (real)(s.scale < SCALE_MOST ? s.dscale * s.scale : 0);
    k->upload(scale->value.grad, &dlog, sizeof dlog);
    free(s.cosine);
    free(host);
    return loss;
}

static void say(Class *c)
{
    if ((c->lesson.step + 1) % 200 != 0)
        return;
    note("  more sure of the right caption than of all others together: %.3f", c->right / c->asked);
    c->right = c->asked = 0;
}

static void contrast_step(Class *c, Arena *arena)
{
    Tape *t = c->lesson.tape;
    const size_t n = (size_t)c->options->batch, side = (size_t)c->g->side;
    size_t *numbers = tape_alloc(t, n * sizeof *numbers);
    ClipText *texts = tape_alloc(t, n * TEXTS * sizeof *texts);
    float *pixels = xmalloc(n * 3 * side * side * sizeof *pixels);
    Dice d = dice_make(c->options->seed, (uint32_t)c->lesson.step, 4);
    gallery_draw(c->g, numbers, n, &d);
    gallery_pixels(c->g, pixels, numbers, n);
    draw_texts(c, texts, numbers, n, &d, arena);
    Tensor *images = clip_images(t, c->clip, pixels, n);
    free(pixels);
    double loss = contrast(c, images, clip_texts(t, c->clip, texts, n * TEXTS));
    say(c);
    lesson_learn(&c->lesson, loss);
    arena_reset(arena);
}

/* The encoder is kept as it has learnt to see, and goes on learning; all else is new. */
static void teach_class(Class *c)
{
    Arena arena = {0};
    lesson_teach(&c->lesson, "vision_model", false);
    lesson_teach(&c->lesson, "", true);
    while (lesson_step(&c->lesson))
        contrast_step(c, &arena);
    arena_release(&arena);
}

bool teach_contrast(const Gallery *g, const TeachOptions *o, const Kernels *kernels, Error *err)
{
    Class c = {.g = g, .options = o, .clip = clip_open(o->model, kernels, err)};
    c.tokenizer = c.clip ? tokenizer_open(o->model, err) : NULL;
    bool ok = c.tokenizer != NULL;
    if (ok) {
        lesson_begin(&c.lesson, &(LessonOptions){"contrast", o->steps, o->rate, 0.02, o->seed}, &c.clip->binder);
        teach_class(&c);
        ok = lesson_save(&c.lesson, o->model, err);
        lesson_release(&c.lesson);
    }
    tokenizer_free(c.tokenizer);
    clip_free(c.clip);
    return ok;
}
