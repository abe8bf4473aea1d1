/* The restricted unpickler; see pickle.h. Opcodes as in CPython's Lib/pickletools.py, protocols 2 to 5. */
#include "checkpoint/pickle.h"

#include <stdlib.h>
#include <string.h>

typedef enum Kind {
    KIND_NONE,
    KIND_MARK,
    KIND_NUMBER, /* integers and booleans */
    KIND_TEXT,
    KIND_TUPLE,
    KIND_LIST, /* only as something to be ignored */
    KIND_DICT,
    KIND_GLOBAL,
    KIND_STORAGE,
    KIND_TENSOR,
} Kind;

typedef enum Global { GLOBAL_DICT, GLOBAL_TENSOR, GLOBAL_PARAMETER, GLOBAL_STORAGE } Global;

typedef struct Value Value;
typedef struct Pair {
    const Value *key, *value;
} Pair;

/* A value of the machine. They live in the arena and are never freed singly. */
struct Value {
    Kind kind;
    int64_t number;
    const char *text; /* TEXT; GLOBAL and STORAGE: the type's name as safetensors calls it */
    Global global;
    const Value **items; /* TUPLE */
    size_t n;            /* of items or pairs */
    Pair *pairs;         /* DICT */
    size_t capacity;
    PickledTensor tensor; /* TENSOR; STORAGE: dtype and key */
    size_t storage_size;  /* STORAGE: in values */
};

typedef struct Machine {
    const unsigned char *at, *end;
    Arena *arena;
    Value **stack; /* owned */
    size_t depth, stack_capacity;
    Value **memo; /* owned */
    size_t memo_size, memo_capacity;
    Error *err;
} Machine;

static bool fail(Machine *m, const char *what)
{
    error_set(m->err, "pickle: %s", what);
    return false;
}

static Value *new_value(Machine *m, Kind kind)
{
    Value *v = arena_calloc(m->arena, 1, sizeof *v);
    v->kind = kind;
    return v;
}

static bool push(Machine *m, Value *v)
{
    m->stack = array_reserve(m->stack, &m->stack_capacity, m->depth + 1, sizeof *m->stack);
    m->stack[m->depth++] = v;
    return true;
}

static bool push_number(Machine *m, int64_t n)
{
    Value *v = new_value(m, KIND_NUMBER);
    v->number = n;
    return push(m, v);
}

static Value *top(const Machine *m)
{
    return m->depth && m->stack[m->depth - 1]->kind != KIND_MARK ? m->stack[m->depth - 1] : NULL;
}

static Value *pop(Machine *m)
{
    Value *v = top(m);
    if (v)
        m->depth--;
    else
        fail(m, "the stack is empty");
    return v;
}

/* Little-endian number of the next n bytes. */
static bool take_number(Machine *m, size_t n, uint64_t *out)
{
    *out = 0;
    if ((size_t)(m->end - m->at) < n)
        return fail(m, "cut off");
    for (size_t i = n; i-- > 0;)
        *out = *out << 8 | m->at[i];
    m->at += n;
    return true;
}

/* A counted string into the arena; a zero byte within it is refused. */
static bool take_text(Machine *m, size_t count_bytes, const char **out)
{
    uint64_t n = 0;
    if (!take_number(m, count_bytes, &n))
        return false;
    if (n > (size_t)(m->end - m->at))
        return fail(m, "a string reaches beyond the end");
    if (memchr(m->at, 0, n))
        return fail(m, "a string with a zero byte");
    *out = arena_strndup(m->arena, (const char *)m->at, n);
    m->at += n;
    return true;
}

static bool take_line(Machine *m, const char **out)
{
    const unsigned char *newline = memchr(m->at, '\n', (size_t)(m->end - m->at));
    if (!newline || memchr(m->at, 0, (size_t)(newline - m->at)))
        return fail(m, "a name without an end");
    *out = arena_strndup(m->arena, (const char *)m->at, (size_t)(newline - m->at));
    m->at = newline + 1;
    return true;
}

/* ---- the names that are known ---- */

static bool push_global(Machine *m, const char *module, const char *name)
{
    static const struct {
        const char *module, *name;
        Global global;
        const char *dtype;
    } known[] = {
        {"collections", "OrderedDict", GLOBAL_DICT, NULL},
        {"torch._utils", "_rebuild_tensor_v2", GLOBAL_TENSOR, NULL},
        {"torch._utils", "_rebuild_parameter", GLOBAL_PARAMETER, NULL},
        {"torch", "FloatStorage", GLOBAL_STORAGE, "F32"},
        {"torch", "HalfStorage", GLOBAL_STORAGE, "F16"},
        {"torch", "BFloat16Storage", GLOBAL_STORAGE, "BF16"},
        {"torch", "DoubleStorage", GLOBAL_STORAGE, "F64"},
        {"torch", "LongStorage", GLOBAL_STORAGE, "I64"},
        {"torch", "IntStorage", GLOBAL_STORAGE, "I32"},
        {"torch", "ShortStorage", GLOBAL_STORAGE, "I16"},
        {"torch", "CharStorage", GLOBAL_STORAGE, "I8"},
        {"torch", "ByteStorage", GLOBAL_STORAGE, "U8"},
        {"torch", "BoolStorage", GLOBAL_STORAGE, "BOOL"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].module, module) == 0 && strcmp(known[i].name, name) == 0) {
            Value *v = new_value(m, KIND_GLOBAL);
            v->global = known[i].global;
            v->text = known[i].dtype;
            return push(m, v);
        }
    return error_set(m->err, "pickle: names %.80s.%.80s; only state dicts of tensors are read", module, name);
}

static bool is_global(const Value *v, Global g)
{
    return v->kind == KIND_GLOBAL && v->global == g;
}

/* ("storage", type, key, device, size) */
static bool load_storage(Machine *m)
{
    const Value *id = pop(m);
    if (!id)
        return false;
    bool ok = id->kind == KIND_TUPLE && id->n == 5 && id->items[0]->kind == KIND_TEXT &&
              strcmp(id->items[0]->text, "storage") == 0 && is_global(id->items[1], GLOBAL_STORAGE) &&
              id->items[2]->kind == KIND_TEXT && id->items[4]->kind == KIND_NUMBER && id->items[4]->number >= 0;
    if (!ok)
        return fail(m, "a persistent id that is not a storage");
    Value *v = new_value(m, KIND_STORAGE);
    v->tensor.dtype = id->items[1]->text;
    v->tensor.storage = id->items[2]->text;
    v->storage_size = (size_t)id->items[4]->number;
    return push(m, v);
}

/* Whether strides are those of a contiguous tensor (dimensions of 1 may have any). */
static bool contiguous(const Shape *shape, const Value *strides)
{
    int64_t expected = 1;
    for (size_t i = shape->ndim; i-- > 0;) {
        if (strides->items[i]->kind != KIND_NUMBER)
            return false;
        if (shape->dim[i] != 1 && strides->items[i]->number != expected)
            return false;
        expected *= (int64_t)shape->dim[i];
    }
    return true;
}

/* _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks[, metadata]) */
static bool rebuild_tensor(Machine *m, const Value *a)
{
    if (a->n < 4 || a->items[0]->kind != KIND_STORAGE || a->items[1]->kind != KIND_NUMBER || a->items[1]->number < 0 ||
        a->items[2]->kind != KIND_TUPLE || a->items[3]->kind != KIND_TUPLE || a->items[3]->n != a->items[2]->n ||
        a->items[2]->n > SHAPE_MAX)
        return fail(m, "a tensor with arguments that no tensor has");
    Value *v = new_value(m, KIND_TENSOR);
    v->tensor = a->items[0]->tensor;
    v->tensor.offset = (size_t)a->items[1]->number;
    v->tensor.shape.ndim = a->items[2]->n;
    size_t n = 1, last;
    for (size_t i = 0; i < v->tensor.shape.ndim; i++) {
        const Value *d = a->items[2]->items[i];
        if (d->kind != KIND_NUMBER || d->number < 0 || __builtin_mul_overflow(n, (size_t)d->number, &n) || n > INT64_MAX)
            return fail(m, "a tensor whose shape overflows");
        v->tensor.shape.dim[i] = (size_t)d->number;
    }
    if (n > 0 && !contiguous(&v->tensor.shape, a->items[3]))
        return fail(m, "a tensor that is not contiguous; call .contiguous() before torch.save");
    if (__builtin_add_overflow(v->tensor.offset, n, &last) || last > a->items[0]->storage_size)
        return fail(m, "a tensor reaches beyond its storage");
    return push(m, v);
}

/* f(*args), for the few f there are. */
static bool reduce(Machine *m)
{
    const Value *args = pop(m);
    const Value *f = args ? pop(m) : NULL;
    if (!f)
        return false;
    if (args->kind != KIND_TUPLE)
        return fail(m, "a call without a tuple of arguments");
    if (is_global(f, GLOBAL_TENSOR))
        return rebuild_tensor(m, args);
    if (is_global(f, GLOBAL_DICT) && args->n == 0)
        return push(m, new_value(m, KIND_DICT));
    if (is_global(f, GLOBAL_PARAMETER) && args->n >= 1 && args->items[0]->kind == KIND_TENSOR) {
        Value *v = new_value(m, KIND_TENSOR);
        v->tensor = args->items[0]->tensor;
        return push(m, v);
    }
    return fail(m, "a call of something that is not known");
}

/* ---- containers ---- */

/* Index of the topmost mark; false if there is none. */
static bool find_mark(Machine *m, size_t *at)
{
    for (size_t i = m->depth; i-- > 0;)
        if (m->stack[i]->kind == KIND_MARK) {
            *at = i;
            return true;
        }
    return fail(m, "no mark on the stack");
}

/* The stack's values from `first` on become a tuple; `marks` more values below it go too. */
static bool make_tuple(Machine *m, size_t first, size_t marks)
{
    Value *v = new_value(m, KIND_TUPLE);
    v->n = m->depth - first;
    v->items = arena_alloc(m->arena, v->n * sizeof *v->items);
    for (size_t i = 0; i < v->n; i++) {
        v->items[i] = m->stack[first + i];
        if (v->items[i]->kind == KIND_MARK)
            return fail(m, "a tuple over a mark");
    }
    m->depth = first - marks;
    return push(m, v);
}

static bool small_tuple(Machine *m, size_t n)
{
    return m->depth < n ? fail(m, "the stack is empty") : make_tuple(m, m->depth - n, 0);
}

/* Pairs from `first` on go into the dict below them. */
static bool set_items(Machine *m, size_t first, size_t marks)
{
    size_t n = m->depth - first;
    m->depth = first - marks;
    Value *dict = top(m);
    if (!dict || dict->kind != KIND_DICT || n % 2)
        return fail(m, "items for something that is not a dict");
    if (dict->n + n / 2 > dict->capacity) {
        size_t capacity = 2 * dict->capacity + n / 2;
        Pair *pairs = arena_alloc(m->arena, capacity * sizeof *pairs);
        if (dict->n)
            memcpy(pairs, dict->pairs, dict->n * sizeof *pairs);
        dict->pairs = pairs;
        dict->capacity = capacity;
    }
    for (size_t i = 0; i < n; i += 2)
        dict->pairs[dict->n++] = (Pair){m->stack[first + i], m->stack[first + i + 1]};
    return true;
}

static bool append(Machine *m, size_t first, size_t marks)
{
    m->depth = first - marks;
    const Value *list = top(m);
    return list && list->kind == KIND_LIST ? true : fail(m, "an item for something that is not a list");
}

static bool memoize(Machine *m, uint64_t index)
{
    Value *v = top(m);
    if (!v)
        return fail(m, "the stack is empty");
    if (index > (uint64_t)m->memo_size)
        return fail(m, "a memo out of order");
    if (index == m->memo_size) {
        m->memo = array_reserve(m->memo, &m->memo_capacity, m->memo_size + 1, sizeof *m->memo);
        m->memo_size++;
    }
    m->memo[index] = v;
    return true;
}

static bool recall(Machine *m, uint64_t index)
{
    return index < m->memo_size ? push(m, m->memo[index]) : fail(m, "recalls what was never kept");
}

/* ---- the opcodes ---- */

static bool load_text(Machine *m, size_t count_bytes)
{
    Value *v = new_value(m, KIND_TEXT);
    return take_text(m, count_bytes, &v->text) && push(m, v);
}

static bool load_int(Machine *m, size_t bytes)
{
    uint64_t n = 0;
    return take_number(m, bytes, &n) && push_number(m, bytes == 4 ? (int64_t)(int32_t)n : (int64_t)n);
}

/* LONG1: a count and that many bytes, two's complement. */
static bool load_long(Machine *m)
{
    uint64_t bytes, n = 0;
    if (!take_number(m, 1, &bytes))
        return false;
    if (bytes > 8)
        return fail(m, "an integer of more than 64 bits");
    if (!take_number(m, bytes, &n))
        return false;
    if (bytes > 0 && bytes < 8 && n >> (8 * bytes - 1))
        n |= UINT64_MAX << (8 * bytes);
    return push_number(m, (int64_t)n);
}

static bool load_global(Machine *m)
{
    const char *module = NULL, *name = NULL;
    return take_line(m, &module) && take_line(m, &name) && push_global(m, module, name);
}

static bool load_stack_global(Machine *m)
{
    const Value *name = pop(m), *module = name ? pop(m) : NULL;
    if (!module)
        return false;
    if (module->kind != KIND_TEXT || name->kind != KIND_TEXT)
        return fail(m, "a name that is not text");
    return push_global(m, module->text, name->text);
}

/* BUILD sets attributes: a state dict's _metadata, which nobody needs here. */
static bool build(Machine *m)
{
    const Value *state = pop(m), *object = state ? top(m) : NULL;
    if (!object)
        return state ? fail(m, "the stack is empty") : false;
    return object->kind == KIND_DICT && state->kind == KIND_DICT ? true : fail(m, "attributes for something that is not a dict");
}

static bool from_mark(Machine *m, bool (*f)(Machine *m, size_t first, size_t marks))
{
    size_t mark = 0;
    return find_mark(m, &mark) && f(m, mark + 1, 1);
}

static bool with_index(Machine *m, size_t bytes, bool (*f)(Machine *m, uint64_t index))
{
    uint64_t index = 0;
    return take_number(m, bytes, &index) && f(m, index);
}

/* One opcode but PROTO, FRAME and STOP. */
static bool step(Machine *m, unsigned char op)
{
    /* clang-format off */
    switch (op) {
    case '(': return push(m, new_value(m, KIND_MARK));
    case 'N': return push(m, new_value(m, KIND_NONE));
    case 0x88: return push_number(m, 1);
    case 0x89: return push_number(m, 0);
    case 'K': return load_int(m, 1);
    case 'M': return load_int(m, 2);
    case 'J': return load_int(m, 4);
    case 0x8a: return load_long(m);
    case 'X': return load_text(m, 4);
    case 0x8c: return load_text(m, 1);
    case ')': return small_tuple(m, 0);
    case 0x85: return small_tuple(m, 1);
    case 0x86: return small_tuple(m, 2);
    case 0x87: return small_tuple(m, 3);
    case 't': return from_mark(m, make_tuple);
    case '}': return push(m, new_value(m, KIND_DICT));
    case ']': return push(m, new_value(m, KIND_LIST));
    case 's': return m->depth < 3 ? fail(m, "the stack is empty") : set_items(m, m->depth - 2, 0);
    case 'u': return from_mark(m, set_items);
    case 'a': return m->depth < 2 ? fail(m, "the stack is empty") : append(m, m->depth - 1, 0);
    case 'e': return from_mark(m, append);
    case 'c': return load_global(m);
    case 0x93: return load_stack_global(m);
    case 'q': return with_index(m, 1, memoize);
    case 'r': return with_index(m, 4, memoize);
    case 0x94: return memoize(m, m->memo_size);
    case 'h': return with_index(m, 1, recall);
    case 'j': return with_index(m, 4, recall);
    case 'Q': return load_storage(m);
    case 'R': return reduce(m);
    case 'b': return build(m);
    default:
        return error_set(m->err, "pickle: opcode 0x%02x, which no state dict of tensors needs", op);
    }
    /* clang-format on */
}

/* Runs to STOP; the result is the one value on the stack. */
static const Value *run(Machine *m)
{
    uint64_t ignored;
    while (m->at < m->end) {
        unsigned char op = *m->at++;
        if (op == '.') {
            if (m->depth == 1 && top(m))
                return top(m);
            fail(m, "ends with more or less than one value");
            return NULL;
        }
        bool ok = op == 0x80 ? take_number(m, 1, &ignored) : op == 0x95 ? take_number(m, 8, &ignored) : step(m, op);
        if (!ok)
            return NULL;
    }
    fail(m, "cut off");
    return NULL;
}

static bool collect(Machine *m, const Value *dict, PickledTensor **tensors, size_t *n)
{
    if (dict->kind != KIND_DICT)
        return fail(m, "no state dict: the file holds something else");
    *tensors = arena_alloc(m->arena, (dict->n + 1) * sizeof **tensors);
    for (size_t i = 0; i < dict->n; i++) {
        const Pair *p = &dict->pairs[i];
        if (p->key->kind != KIND_TEXT)
            return fail(m, "a key that is not text");
        if (p->value->kind != KIND_TENSOR)
            return error_set(m->err, "pickle: %.200s is not a tensor; only state dicts of tensors are read", p->key->text);
        (*tensors)[i] = p->value->tensor;
        (*tensors)[i].name = p->key->text;
    }
    *n = dict->n;
    return true;
}

bool pickle_read(const unsigned char *data, size_t size, Arena *arena, PickledTensor **tensors, size_t *n, Error *err)
{
    Machine m = {.at = data, .end = data + size, .arena = arena, .err = err};
    const Value *result = run(&m);
    bool ok = result && collect(&m, result, tensors, n);
    free(m.stack);
    free(m.memo);
    return ok;
}
