/* The tape; see tape.h. Data and gradients lie on a device stack; nodes, Tensor structs and contexts on a host stack. */
#include "tensor/tape.h"

#include <stdlib.h>

#include "tensor/op.h"
#include "tensor/stack.h"

typedef struct Node Node;
struct Node {
    Node *before;
    void (*backward)(Tape *t, void *context);
    void *context;
};

/* PROBE: checkpointing finds out whether a result leads to a gradient: tensors say that they want one, no node is made. */
typedef enum Mode { MODE_OFF, MODE_RECORD, MODE_PROBE } Mode;

/*
 * A function whose results are kept, but not their gradients: they get memory when the backward pass comes to it, and give it
 * back when that leaves it. Until then a tensor only says that it wants one (grad_later).
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
    Node *last;
    size_t n_nodes;
    Mode mode;
    Adapter adapter;
    bool checkpointing, step;
    Scope *scope; /* of the function being recorded; NULL outside */
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
    t->checkpointing = true;
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

void tape_checkpointing(Tape *t, bool on)
{
    t->checkpointing = on;
}

void tape_forbid_growth(Tape *t, bool forbid)
{
    t->device.fixed = t->host.fixed = forbid;
}

size_t tape_peak(const Tape *t)
{
    return t->device.peak + t->host.peak;
}

size_t tape_reached(const Tape *t)
{
    return stack_reached(&t->device) + stack_reached(&t->host);
}

static size_t matrix_bytes(size_t rows, size_t cols)
{
    size_t n;
    if (__builtin_mul_overflow(rows, cols, &n) || __builtin_mul_overflow(n, sizeof(real), &n))
        die_status(STATUS_MEMORY, "out of memory: a matrix of %zu x %zu asked for", rows, cols);
    return n;
}

/* Memory for x's gradient, zeroed. */
static void grad_new(Tape *t, Tensor *x)
{
    size_t bytes = matrix_bytes(x->rows, x->cols);
    x->grad = stack_push(&t->device, bytes);
    x->grad_later = false;
    t->kernels->zero(x->grad, bytes);
}

/* Gives x a gradient, now or later. */
static void give_grad(Tape *t, Tensor *x)
{
    if (t->mode == MODE_RECORD && t->scope) {
        Scoped *s = tape_alloc(t, sizeof *s);
        *s = (Scoped){t->scope->last, x};
        t->scope->last = s;
        x->grad_later = true;
    } else if (t->mode == MODE_RECORD) {
        grad_new(t, x);
    } else if (t->mode == MODE_PROBE) {
        x->grad_later = true;
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
    bool has_memory = t->mode == MODE_RECORD && x->grad;
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
    return (TapeMark){stack_mark(&t->device), stack_mark(&t->host), t->n_nodes};
}

static void last_node_drop(Tape *t)
{
    t->last = t->last->before;
    t->n_nodes--;
}

void tape_release(Tape *t, TapeMark mark)
{
    while (t->n_nodes > mark.n_nodes)
        last_node_drop(t);
    stack_pop(&t->device, mark.device);
    stack_pop(&t->host, mark.host);
}

void tape_reset(Tape *t)
{
    tape_release(t, (TapeMark){0});
}

void tape_node(Tape *t, void (*backward)(Tape *, void *), void *context)
{
    if (t->mode != MODE_RECORD)
        return;
    Node *n = tape_alloc(t, sizeof *n);
    *n = (Node){t->last, backward, context};
    t->last = n;
    t->n_nodes++;
}

static void run_back_to(Tape *t, size_t n_nodes)
{
    while (t->n_nodes > n_nodes) {
        Node *n = t->last;
        last_node_drop(t);
        n->backward(t, n->context);
    }
}

void tape_backward_since(Tape *t, TapeMark mark)
{
    Mode mode = t->mode;
    t->mode = MODE_OFF;
    run_back_to(t, mark.n_nodes);
    t->mode = mode;
}

void tape_backward(Tape *t)
{
    tape_backward_since(t, (TapeMark){0});
}

/*
 * Checkpointing, y = f(x), nested as f likes. Time runs to the right, the device stack upwards:
 *
 *   forward   | x | y | f's own results |              mode PROBE: do the results say that y leads to a gradient?
 *             | x | y |                                what f left is released; a node knows f, its context and x
 *   backward  | x | y | f's results and gradients |    mode RECORD: f once more, from the same x
 *             | x | y |                                y's gradient went into the second y, the new nodes ran back to here
 *
 * Everything of f is thus on the stack twice, never at the same time as that of another f. The second pass computes the same
 * bits: f is a function of x, its context and the adapter in force, which the node remembers.
 *
 * With checkpointing off, f's results stay from the first pass on, and only their gradients come and go: the node made before f
 * (scope_leave) runs after its nodes, the one made behind it (scope_enter) before them.
 */
typedef struct Checkpointed {
    Tensor *(*f)(Tape *, void *, Tensor *);
    void *context;
    const Tensor *x, *y;
    Adapter adapter;
} Checkpointed;

/* Computes f again, recording this time, and runs its nodes back. */
static void checkpointed_backward(Tape *t, void *context)
{
    const Checkpointed *s = context;
    TapeMark mark = tape_mark(t);
    Mode mode = t->mode;
    Adapter adapter = t->adapter;
    size_t n_nodes = t->n_nodes;
    t->mode = MODE_RECORD;
    t->adapter = s->adapter;
    Tensor x = *s->x;
    Tensor *y = s->f(t, s->context, &x);
    t->kernels->axpy(y->grad, 1, s->y->grad, tensor_size(y));
    t->mode = MODE_OFF;
    run_back_to(t, n_nodes);
    t->mode = mode;
    t->adapter = adapter;
    tape_release(t, mark);
}

/* f without what it leaves on the stack; its result goes into y. Says whether the result leads to a gradient. */
static bool checkpointed_forward(Tape *t, const Checkpointed *s, Tensor *y)
{
    TapeMark mark = tape_mark(t);
    Mode mode = t->mode;
    t->mode = mode == MODE_OFF ? MODE_OFF : MODE_PROBE;
    Tensor x = *s->x;
    const Tensor *result = s->f(t, s->context, &x);
    op_expect("checkpoint", "rows of the result", result->rows, y->rows);
    op_expect("checkpoint", "columns of the result", result->cols, y->cols);
    if (result->data != y->data)
        t->kernels->copy(y->data, result->data, matrix_bytes(y->rows, y->cols));
    bool leads = has_grad(result);
    t->mode = mode;
    tape_release(t, mark);
    return leads;
}

/* Backwards f begins at its end: gradients get their memory. */
static void scope_enter(Tape *t, void *context)
{
    Scope *scope = context;
    scope->mark = tape_mark(t);
    for (Scoped *s = scope->last; s; s = s->before)
        grad_new(t, s->tensor);
}

static void scope_leave(Tape *t, void *context)
{
    const Scope *scope = context;
    for (Scoped *s = scope->last; s; s = s->before)
        s->tensor->grad = NULL;
    stack_pop(&t->device, scope->mark.device);
}

/* f's result is read and added to outside: it leaves the scope, with a gradient of its own. */
static void scope_give(Tape *t, Scope *scope, Tensor *y)
{
    for (Scoped **s = &scope->last; *s; s = &(*s)->before)
        if ((*s)->tensor == y) {
            *s = (*s)->before;
            give_grad(t, y);
            return;
        }
}

static Tensor *checkpointing_off(Tape *t, Tensor *(*f)(Tape *, void *, Tensor *), void *context, Tensor *x)
{
    if (t->mode != MODE_RECORD)
        return f(t, context, x);
    Scope *outer = t->scope, *scope = tape_alloc(t, sizeof *scope);
    *scope = (Scope){0};
    tape_node(t, scope_leave, scope);
    t->scope = scope;
    Tensor *y = f(t, context, x);
    t->scope = outer;
    scope_give(t, scope, y);
    tape_node(t, scope_enter, scope);
    return y;
}

Tensor *tape_checkpoint(Tape *t, Tensor *(*f)(Tape *, void *, Tensor *), void *context, Tensor *x, size_t rows)
{
    if (!t->checkpointing)
        return checkpointing_off(t, f, context, x);
    Checkpointed *s = tape_alloc(t, sizeof *s);
    Tensor *y = rows == x->rows && op_may_overwrite(t, x) ? x : tape_tensor(t, rows, x->cols, false);
    *s = (Checkpointed){f, context, x, y, t->adapter};
    if (checkpointed_forward(t, s, y)) {
        give_grad(t, y);
        tape_node(t, checkpointed_backward, s);
    }
    return y;
}
