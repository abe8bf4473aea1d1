/*
 * The tape: what is computed is computed at once; while recording, each op also leaves a node, which knows how to run it
 * backwards.
 *
 *   tape_record(t, true);
 *   ... ops ...                        forward, results on the tape's stack
 *   seed the results' gradients        RL losses are plain C on the host: download, compute, upload into ->grad
 *   tape_backward(t);                  adds to the gradients of everything that has one
 *   tape_reset(t);
 *
 * Only what leads to a gradient is recorded: an op none of whose inputs has a gradient buffer leaves no node and its result has
 * none. Without recording the same ops serve inference; a mark and a release around each layer keep the stack flat.
 * The stack keeps its blocks: a loop that has warmed up allocates nothing (tape_forbid_growth enforces it).
 */
#ifndef TENSOR_TAPE_H
#define TENSOR_TAPE_H

#include "tensor/kernels.h"
#include "tensor/stack.h"

typedef struct Tape Tape;

/* How far the tape has come: two stacks and the nodes. {0} is its beginning. */
typedef struct TapeMark {
    StackMark device, host;
    size_t n_nodes;
} TapeMark;

/* An empty tape over a table (borrowed): neither recording nor forbidden to grow. tape_free frees it; NULL is fine. */
Tape *tape_new(const Kernels *kernels);
void tape_free(Tape *t);
const Kernels *tape_kernels(const Tape *t);

/* Recording is off in a new tape. */
void tape_record(Tape *t, bool on);
bool tape_recording(const Tape *t);

/* A new uninitialised matrix on the stack. wants_grad while recording: with a zeroed gradient. */
Tensor *tape_tensor(Tape *t, size_t rows, size_t cols, bool wants_grad);

/*
 * The same shape as x, and where x has a gradient with that one: for a sum that x goes into as it is, if nobody reads x later.
 * Where x's gradient has no memory yet, inside of what is checkpointed, with one of its own.
 */
Tensor *tape_tensor_onto(Tape *t, const Tensor *x, bool wants_grad);

/* The same, filled from host memory. */
Tensor *tape_input(Tape *t, size_t rows, size_t cols, const real *host, bool wants_grad);

/* Host memory that lives as long as the stack's top: index arrays of ops, contexts of what is checkpointed. */
void *tape_alloc(Tape *t, size_t bytes);

TapeMark tape_mark(Tape *t);
void tape_release(Tape *t, TapeMark mark); /* everything since the mark, nodes included */
void tape_reset(Tape *t);

/* Called by ops: a node, that is a backward step. context must come from tape_alloc. Ignored while not recording. */
void tape_node(Tape *t, void (*backward)(Tape *t, void *context), void *context);

/* Runs the nodes backwards and forgets them. The stack is untouched: gradients can be read until the release. */
void tape_backward(Tape *t);
void tape_backward_since(Tape *t, TapeMark mark); /* only those since: what was recorded before waits for its own time */

/*
 * y = f(t, context, x), without keeping what f computed in between: the backward pass computes it again (gradient
 * checkpointing). y has `rows` rows and the columns of x. context must live until the backward pass. Gradients are the same to
 * the last bit as without. When the tape does not record, it only frees what f left on the stack, and the result takes the place
 * of x, if it has as many rows: nobody else reads x later. With checkpointing off nothing is
 * computed again; then only the gradients inside of f have no memory but while the backward pass is there, which is half of what
 * recording takes.
 */
Tensor *tape_checkpoint(Tape *t, Tensor *(*f)(Tape *t, void *context, Tensor *x), void *context, Tensor *x, size_t rows);
void tape_checkpointing(Tape *t, bool on); /* on in a new tape */

/* After this, growing the stack is a bug and aborts: called once the decode loop has warmed up. */
void tape_forbid_growth(Tape *t, bool forbid);
size_t tape_peak(const Tape *t); /* bytes, the most the stack ever held */

size_t tape_reached(const Tape *t); /* bytes of the stack that were ever in use: what it takes of a machine that gives memory when
                                       it is touched */

#endif
