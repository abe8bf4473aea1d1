/* The tape; see tape.h. Data and gradients lie on a device stack; notes, Tensor structs and contexts on a host stack. */
#include "tensor/tape.h"

#include <stdlib.h>

#include "tensor/op.h"
#include "tensor/stack.h"

typedef struct Note Note;
struct Note {
    Note *before;
    void (*backward)(Tape *t, void *context);
    void *context;
};

/* PROBE: a segment finds out whether its result leads to a gradient: gradients are marked (grad = data), nothing is noted. */
typedef enum Mode { MODE_OFF, MODE_RECORD, MODE_PROBE } Mode;

/*
 * A segment that keeps what it computed, but not its gradients: they get memory when the backward pass comes to the segment, and
 * give it back when that leaves it. Until then a tensor is marked as in a probe.
 */
typedef struct Scoped Scoped;
struct Scoped {
    Scoped *before;
    Tensor *tensor;
};
typedef struct Scope {
    Scoped *last;
    TapeMark mark; /* of the backward pass, where the gradients begin */
} Scope;

struct Tape {
    const Kernels *kernels; /* borrowed */
    Stack device, host;
    Note *last;
    size_t n_notes;
    Mode mode;
    Adapter adapter;
    bool segments, step;
    Scope *scope; /* the segment being recorded; NULL outside */
};

static void *host_new(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p)
        die_status(STATUS_MEMORY, "out of memory: %zu bytes asked for", bytes);
    return p;
}

Tape *tape_new(const Kernels *kernels)
{
    Tape *t = xcalloc(1, sizeof *t);
    t->kernels = kernels;
    t->adapter = ADAPTER_NONE;
    t->segments = true;
    stack_init(&t->device, kernels->memory_new, kernels->memory_free);
    stack_init(&t->host, host_new, free);
    return t;
}

void tape_free(Tape *t)
{
    if (!t)
        return;
    stack_release(&t->device);
    stack_release(&t->host);
    free(t);
}

const Kernels *tape_kernels(const Tape *t)
{
    return t->kernels;
}

void tape_record(Tape *t, bool on)
{
    t->mode = on ? MODE_RECORD : MODE_OFF;
}

bool tape_recording(const Tape *t)
{
    return t->mode != MODE_OFF;
}

void tape_adapter(Tape *t, Adapter adapter)
{
    t->adapter = adapter;
}

Adapter tape_adapter_in_force(const Tape *t)
{
    return t->adapter;
}

void tape_step(Tape *t, bool on)
{
    if (on && t->mode != MODE_OFF)
        bug("a step of decoding is not recorded");
    t->step = on;
}

bool tape_in_step(const Tape *t)
{
    return t->step;
}

void tape_segments(Tape *t, bool on)
{
    t->segments = on;
}

void tape_forbid_growth(Tape *t, bool forbid)
{
    t->device.fixed = t->host.fixed = forbid;
}

size_t tape_peak(const Tape *t)
{
    return t->device.peak + t->host.peak;
}

static size_t matrix_bytes(size_t rows, size_t cols)
{
    size_t n;
    if (__builtin_mul_overflow(rows, cols, &n) || __builtin_mul_overflow(n, sizeof(real), &n))
        die_status(STATUS_MEMORY, "out of memory: a matrix of %zu x %zu asked for", rows, cols);
    return n;
}

/* Gives x a zeroed gradient, or in a probe the mark of one. */
static void give_grad(Tape *t, Tensor *x)
{
    size_t bytes = matrix_bytes(x->rows, x->cols);
    if (t->mode == MODE_RECORD && t->scope) {
        Scoped *s = tape_alloc(t, sizeof *s);
        *s = (Scoped){t->scope->last, x};
        t->scope->last = s;
        x->grad = x->data;
    } else if (t->mode == MODE_RECORD) {
        x->grad = stack_push(&t->device, bytes);
        t->kernels->zero(x->grad, bytes);
    } else if (t->mode == MODE_PROBE) {
        x->grad = x->data;
    }
}

Tensor *tape_tensor(Tape *t, size_t rows, size_t cols, bool wants_grad)
{
    size_t bytes = matrix_bytes(rows, cols);
    Tensor *x = tape_alloc(t, sizeof *x);
    *x = (Tensor){.data = stack_push(&t->device, bytes), .rows = rows, .cols = cols, .type = DTYPE_REAL};
    if (wants_grad)
        give_grad(t, x);
    return x;
}

Tensor *tape_tensor_onto(Tape *t, const Tensor *x, bool wants_grad)
{
    bool has_memory = t->mode == MODE_RECORD && x->grad && x->grad != x->data;
    Tensor *y = tape_tensor(t, x->rows, x->cols, wants_grad && !has_memory);
    if (has_memory)
        y->grad = x->grad;
    return y;
}

Tensor *tape_input(Tape *t, size_t rows, size_t cols, const real *host, bool wants_grad)
{
    Tensor *x = tape_tensor(t, rows, cols, wants_grad);
    t->kernels->upload(x->data, host, matrix_bytes(rows, cols));
    return x;
}

void *tape_alloc(Tape *t, size_t bytes)
{
    return stack_push(&t->host, bytes);
}

TapeMark tape_mark(Tape *t)
{
    StackMark device = stack_mark(&t->device), host = stack_mark(&t->host);
    return (TapeMark){
        {(uintptr_t)device.block, device.used, device.total, (uintptr_t)host.block, host.used, host.total, t->n_notes}};
}

static void last_note_drop(Tape *t)
{
    t->last = t->last->before;
    t->n_notes--;
}

void tape_release(Tape *t, TapeMark mark)
{
    const uint64_t *at = mark.at;
    while (t->n_notes > at[6])
        last_note_drop(t);
    stack_pop(&t->device, (StackMark){(StackBlock *)(uintptr_t)at[0], at[1], at[2]});
    stack_pop(&t->host, (StackMark){(StackBlock *)(uintptr_t)at[3], at[4], at[5]});
}

void tape_reset(Tape *t)
{
    tape_release(t, (TapeMark){{0}});
}

void tape_note(Tape *t, void (*backward)(Tape *, void *), void *context)
{
    if (t->mode != MODE_RECORD)
        return;
    Note *n = tape_alloc(t, sizeof *n);
    *n = (Note){t->last, backward, context};
    t->last = n;
    t->n_notes++;
}

static void run_back_to(Tape *t, size_t n_notes)
{
    while (t->n_notes > n_notes) {
        Note *n = t->last;
        last_note_drop(t);
        n->backward(t, n->context);
    }
}

void tape_backward_since(Tape *t, TapeMark mark)
{
    Mode mode = t->mode;
    t->mode = MODE_OFF;
    run_back_to(t, mark.at[6]);
    t->mode = mode;
}

void tape_backward(Tape *t)
{
    tape_backward_since(t, (TapeMark){{0}});
}

typedef struct Segment {
    Tensor *(*f)(Tape *, void *, Tensor *);
    void *context;
    const Tensor *x, *y;
    Adapter adapter;
} Segment;

/* Computes f again, recording this time, and runs its notes back. */
static void segment_backward(Tape *t, void *context)
{
    const Segment *s = context;
    TapeMark mark = tape_mark(t);
    Mode mode = t->mode;
    Adapter adapter = t->adapter;
    size_t n_notes = t->n_notes;
    t->mode = MODE_RECORD;
    t->adapter = s->adapter;
    Tensor x = *s->x;
    Tensor *y = s->f(t, s->context, &x);
    t->kernels->axpy(y->grad, 1, s->y->grad, tensor_size(y));
    t->mode = MODE_OFF;
    run_back_to(t, n_notes);
    t->mode = mode;
    t->adapter = adapter;
    tape_release(t, mark);
}

/* f without what it leaves on the stack; its result goes into y. Says whether the result leads to a gradient. */
static bool segment_forward(Tape *t, const Segment *s, Tensor *y)
{
    TapeMark mark = tape_mark(t);
    Mode mode = t->mode;
    t->mode = mode == MODE_OFF ? MODE_OFF : MODE_PROBE;
    Tensor x = *s->x;
    const Tensor *result = s->f(t, s->context, &x);
    op_expect("segment", "rows of the result", result->rows, y->rows);
    op_expect("segment", "columns of the result", result->cols, y->cols);
    if (result->data != y->data)
        t->kernels->copy(y->data, result->data, matrix_bytes(y->rows, y->cols));
    bool leads = result->grad;
    t->mode = mode;
    tape_release(t, mark);
    return leads;
}

/* Backwards a segment begins at its end: gradients get their memory. */
static void scope_enter(Tape *t, void *context)
{
    Scope *scope = context;
    scope->mark = tape_mark(t);
    for (Scoped *s = scope->last; s; s = s->before) {
        size_t bytes = matrix_bytes(s->tensor->rows, s->tensor->cols);
        s->tensor->grad = stack_push(&t->device, bytes);
        t->kernels->zero(s->tensor->grad, bytes);
    }
}

static void scope_leave(Tape *t, void *context)
{
    const Scope *scope = context;
    for (Scoped *s = scope->last; s; s = s->before)
        s->tensor->grad = NULL;
    stack_pop(&t->device, (StackMark){(StackBlock *)(uintptr_t)scope->mark.at[0], scope->mark.at[1], scope->mark.at[2]});
}

/* The segment's result is read and added to outside: it leaves the scope, with a gradient of its own. */
static void scope_give(Tape *t, Scope *scope, Tensor *y)
{
    for (Scoped **s = &scope->last; *s; s = &(*s)->before)
        if ((*s)->tensor == y) {
            *s = (*s)->before;
            give_grad(t, y);
            return;
        }
}

static Tensor *segment_kept(Tape *t, Tensor *(*f)(Tape *, void *, Tensor *), void *context, Tensor *x)
{
    if (t->mode != MODE_RECORD)
        return f(t, context, x);
    Scope *outer = t->scope, *scope = tape_alloc(t, sizeof *scope);
    *scope = (Scope){0};
    tape_note(t, scope_leave, scope);
    t->scope = scope;
    Tensor *y = f(t, context, x);
    t->scope = outer;
    scope_give(t, scope, y);
    tape_note(t, scope_enter, scope);
    return y;
}

Tensor *tape_segment(Tape *t, Tensor *(*f)(Tape *, void *, Tensor *), void *context, Tensor *x, size_t rows)
{
    if (!t->segments)
        return segment_kept(t, f, context, x);
    Segment *s = tape_alloc(t, sizeof *s);
    Tensor *y = rows == x->rows && op_spends(t, x) ? x : tape_tensor(t, rows, x->cols, false);
    *s = (Segment){f, context, x, y, t->adapter};
    if (segment_forward(t, s, y)) {
        give_grad(t, y);
        tape_note(t, segment_backward, s);
    }
    return y;
}
