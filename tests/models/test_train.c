/*
 * Every weight of every model can be trained: in the double build its derivative against central differences; in all builds
 * gradients are the same to the last bit with and without recomputing the layers.
 */
#include "parity.h"

/* ---- every weight can be trained ---- */

typedef Tensor *(*Forward)(const Case *c);

static Tensor *captioner_output(const Case *c)
{
    return lm_logp(c->tape, &c->captioner->lm, hidden(c, true), c->tokens, NULL);
}

static Tensor *clip_image_output(const Case *c)
{
    return scorer_images(c->tape, c->clip, golden(c, "clip_pixels")->data, c->items);
}

/* Weights of the outputs in the loss: anything without symmetry. */
static double weight(size_t i)
{
    return sin(1.0 + 0.7 * (double)i);
}

static double loss(const Case *c, Forward f)
{
    const Tensor *y = f(c);
    double sum = 0;
    for (size_t i = 0; i < tensor_size(y); i++)
        sum += weight(i) * tensor_data(y)[i];
    tape_reset(c->tape);
    return sum;
}

static void gradients(const Case *c, Forward f, Parameters *p)
{
    parameters_zero_grad(p);
    tape_record(c->tape, true);
    Tensor *y = f(c);
    assert_non_null(y->grad);
    for (size_t i = 0; i < tensor_size(y); i++)
        y->grad[i] = (real)weight(i);
    tape_backward(c->tape);
    tape_record(c->tape, false);
    tape_reset(c->tape);
}

/* The derivative along the gradient's own direction plus a fixed one, by central differences. */
static double numeric(const Case *c, Forward f, Parameter *item, const real *direction, double h)
{
    real *w = tensor_data(&item->value), *kept = xmalloc(tensor_size(&item->value) * sizeof *kept);
    const size_t n = tensor_size(&item->value);
    double side[2];
    memcpy(kept, w, n * sizeof *w);
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < n; i++)
            w[i] = (real)(kept[i] + (s ? h : -h) * direction[i]);
        side[s] = loss(c, f);
    }
    memcpy(w, kept, n * sizeof *w);
    free(kept);
    return (side[1] - side[0]) / (2 * h);
}

static double norm_of(const real *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sqrt(sum);
}

static void check_gradients(const Case *c, Forward f, Binder *b, const char *what)
{
    Parameters p;
    parameters_init(&p, c->kernels);
    assert_true(parameters_train(&p, "all", b, "") > 0);
    gradients(c, f, &p);
    double whole = 0;
    for (size_t i = 0; i < p.count; i++)
        whole += pow(norm_of(p.items[i]->value.grad, tensor_size(&p.items[i]->value)), 2);
    whole = sqrt(whole);
    assert_true(isfinite(whole) && whole > 0);
    const double h = 1e-5, allowed = 1e-6;
    size_t untouched = 0;
    for (size_t i = 0; i < p.count; i++) {
        Parameter *item = p.items[i];
        const size_t n = tensor_size(&item->value);
        real *direction = xmalloc(n * sizeof *direction);
        double analytic = 0, size = norm_of(item->value.grad, n);
        untouched += size == 0;
        for (size_t j = 0; j < n; j++) {
            direction[j] = (real)((size > 0 ? item->value.grad[j] / size : 0) + 0.5 * sin((double)j) / sqrt((double)n));
            analytic += (double)direction[j] * item->value.grad[j];
        }
        double found = sizeof(real) == 8 ? numeric(c, f, item, direction, h) : analytic;
        free(direction);
        if (fabs(found - analytic) > allowed * (fabs(analytic) + 1e-2 * whole))
            fail_msg("%s: %s: derivative %.10g, by differences %.10g", what, item->name, analytic, found);
    }
    print_message("%s: %zu tensors, gradient norm %.4g, %zu untouched\n", what, p.count, whole, untouched);
    parameters_release(&p);
}

/* After training the model's fields point into freed parameters, so each of these opens its own. */
static void test_train_captioner(void **state)
{
    Case *c = *state, own = *c;
    Error err = {0};
    own.captioner = captioner_open(checkpoint_path(c->captioner->checkpoint), c->kernels, &err);
    assert_non_null(own.captioner);
    check_gradients(&own, captioner_output, &own.captioner->binder, "captioner");
    captioner_free(own.captioner);
}

static void test_train_scorer(void **state)
{
    Case *c = *state, own = *c;
    Error err = {0};
    own.itm = matcher_open(checkpoint_path(c->itm->checkpoint), c->kernels, &err);
    assert_non_null(own.itm);
    check_gradients(&own, itm_scores, &own.itm->binder, "scorer");
    matcher_free(own.itm);
}

static void test_train_clip(void **state)
{
    Case *c = *state, own = *c;
    Error err = {0};
    for (int text = 0; text < 2; text++) {
        own.clip = scorer_open(checkpoint_path(c->clip->checkpoint), c->kernels, &err);
        assert_non_null(own.clip);
        check_gradients(&own, text ? clip_text_rows : clip_image_output, &own.clip->binder, text ? "clip text" : "clip image");
        scorer_free(own.clip);
    }
}

/* Gradients are the same to the last bit with and without recomputing the layers. */
static void test_segments(void **state)
{
    Case *c = *state, own = *c;
    Error err = {0};
    own.captioner = captioner_open(checkpoint_path(c->captioner->checkpoint), c->kernels, &err);
    assert_non_null(own.captioner);
    Parameters p;
    parameters_init(&p, c->kernels);
    parameters_train(&p, "all", &own.captioner->binder, "");
    gradients(&own, captioner_output, &p);
    real **kept = xcalloc(p.count, sizeof *kept);
    for (size_t i = 0; i < p.count; i++) {
        const size_t bytes = tensor_size(&p.items[i]->value) * sizeof(real);
        kept[i] = memcpy(xmalloc(bytes), p.items[i]->value.grad, bytes);
    }
    tape_checkpointing(c->tape, false);
    gradients(&own, captioner_output, &p);
    tape_checkpointing(c->tape, true);
    for (size_t i = 0; i < p.count; i++) {
        if (memcmp(kept[i], p.items[i]->value.grad, tensor_size(&p.items[i]->value) * sizeof(real)) != 0)
            fail_msg("%s: the gradient changes with recomputation", p.items[i]->name);
        free(kept[i]);
    }
    free(kept);
    captioner_free(own.captioner);
    parameters_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train_captioner),
        cmocka_unit_test(test_train_scorer),
        cmocka_unit_test(test_segments),
    };
    const struct CMUnitTest clip_tests[] = {cmocka_unit_test(test_train_clip)};
    return run_cases(tests, sizeof tests / sizeof tests[0], clip_tests, 1);
}
