/*
 * Single-stream decoding, the model as a whole: one caption at a time from an OPT of BLIP-2's width and a LLaMa of 7B's, with
 * fewer layers (weights still come from memory). Seconds per token against what a plain read of as many bytes takes in the same
 * round: the part of the memory's bandwidth that decoding reaches, with weights in each type.
 *
 *   bench_decode [THREADS [ROUNDS]]
 */
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/pool.h"
#include "decode/decode.h"
#include "models/language.h"
#include "models/lm_place.h"
#include "tests/bench/median.h"

enum { LAYERS = 4, WIDEST = 11008, PREFIX = 32, FEW = 4, MANY = 20, MAX_ROUNDS = 99 };
enum { READ_PART = 1 << 24 };

static char *pool; /* of weights */
static size_t pool_bytes, used;
static real zeros[WIDEST];
static volatile float sink;

__attribute__((target("avx2"))) static void read_part(void *context, size_t part)
{
    size_t from = part * READ_PART, end = *(size_t *)context;
    end = from + READ_PART < end ? from + READ_PART : end;
    __m256 s[8];
    for (int j = 0; j < 8; j++)
        s[j] = _mm256_setzero_ps();
    for (size_t i = from; i + 256 <= end; i += 256)
        for (size_t j = 0; j < 8; j++)
            s[j] = _mm256_add_ps(s[j], _mm256_loadu_ps((const float *)(pool + i) + 8 * j));
    for (int j = 1; j < 8; j++)
        s[0] = _mm256_add_ps(s[0], s[j]);
    sink = _mm256_cvtss_f32(s[0]);
}

/* Seconds that all threads need for a plain read of the first `bytes` of the pool. */
static double read_seconds(size_t bytes)
{
    double start = seconds_now();
    pool_run(read_part, &bytes, (bytes + READ_PART - 1) / READ_PART);
    return seconds_now() - start;
}

static Tensor weights(DType type, size_t rows, size_t cols)
{
    Tensor t = {.data = pool + used, .rows = rows, .cols = cols, .type = type};
    used += rows * cols * dtype_size(type);
    if (used > pool_bytes)
        bug("%zu bytes of weights, %zu are there", used, pool_bytes);
    return t;
}

static Tensor vector(size_t cols)
{
    return (Tensor){.data = zeros, .rows = 1, .cols = cols, .type = DTYPE_REAL};
}

static Linear linear(DType type, size_t out, size_t in, bool bias)
{
    return (Linear){.weight = weights(type, out, in), .bias = bias ? vector(out) : (Tensor){0}};
}

/* RMSNorm has no beta. */
static Norm norm(const LmConfig *c)
{
    return (Norm){.gamma = vector(c->hidden), .beta = c->rope.theta > 0 ? (Tensor){0} : vector(c->hidden), .eps = 1e-5};
}

/* LLaMa-2-7B's, of fewer layers. */
static LmConfig llama_config(void)
{
    return (LmConfig){.family = &llama_family,
                      .hidden = 4096,
                      .layers = LAYERS,
                      .heads = 32,
                      .kv_heads = 32,
                      .head_dim = 128,
                      .ffn = WIDEST,
                      .positions = 4096,
                      .vocabulary = 32000,
                      .activation = ACTIVATION_SWIGLU,
                      .eps = 1e-5,
                      .rope = {.theta = 1e4},
                      .bos = 1,
                      .eos = {{2}, 1},
                      .pad = 2};
}

static Block block(const LmConfig *c, DType type)
{
    const bool opt = c->rope.theta == 0;
    const size_t d = c->hidden, ffn = c->ffn;
    Linear q = linear(type, d, d, opt), k = linear(type, d, d, opt), v = linear(type, d, d, opt), out = linear(type, d, d, opt);
    Linear fc1 = linear(type, ffn, d, opt), fc2 = linear(type, d, ffn, opt);
    Block b = {norm(c), norm(c), q, k, v, out, fc1, fc2, .gate = {.lora = {NULL}}};
    if (!opt)
        b.gate = linear(type, ffn, d, false);
    return b;
}

/* The decoder's weights one after the other in the pool: those that a token needs. */
static void model_init(Lm *o, const LmConfig *c, Block *blocks, DType type)
{
    used = 0;
    *o = (Lm){.config = *c, .blocks = blocks, .norm = norm(c)};
    for (int i = 0; i < LAYERS; i++)
        blocks[i] = block(c, type);
    o->tokens = weights(type, c->vocabulary, c->hidden); /* LLaMa's head: one of its own, of which as much is read */
    o->head = (Linear){.weight = o->tokens};
    if (c->rope.theta > 0) {
        o->frequencies = lm_frequencies(c);
        return;
    }
    o->position_offset = 2;
    o->positions = (Tensor){.data = pool, .rows = 2050, .cols = c->hidden, .type = type};
}

static double decode_seconds(const Kernels *kernels, const Lm *o, int64_t tokens)
{
    GenerateOptions options = {.eos = {{2}, 1},
                               .num_beams = 1,
                               .min_new_tokens = tokens,
                               .max_new_tokens = tokens,
                               .length_penalty = 1,
                               .sample = true,
                               .top_k = 6,
                               .temperature = 2,
                               .seed = 1};
    Tape *t = tape_new(kernels);
    Decoder *d = decoder_new(kernels, o, &options, PREFIX, 1, 1, NULL, 0);
    Tensor *prefix = tape_tensor(t, PREFIX, o->config.hidden, false);
    for (size_t i = 0; i < tensor_size(prefix); i++)
        tensor_data(prefix)[i] = (real)(i % 7) - 3;
    const uint64_t key = 1;
    double start = seconds_now();
    decoder_run(d, t, prefix, 1, &key, 0);
    double seconds = seconds_now() - start;
    if (decoder_result(d, 0, 0).n != (size_t)tokens)
        die("%zu tokens, expected %lld", decoder_result(d, 0, 0).n, (long long)tokens);
    decoder_free(d);
    tape_free(t);
    return seconds;
}

static void measure(const char *name, const LmConfig *c, DType type, int rounds)
{
    const Kernels *kernels = kernels_cpu(COMPUTE_AUTO);
    Block blocks[LAYERS];
    Lm o;
    model_init(&o, c, blocks, type);
    double speed[MAX_ROUNDS], ratio[MAX_ROUNDS];
    for (int r = 0; r < rounds; r++) {
        double floor = read_seconds(used);
        double token = (decode_seconds(kernels, &o, MANY) - decode_seconds(kernels, &o, FEW)) / (MANY - FEW);
        floor = (floor + read_seconds(used)) / 2;
        speed[r] = (double)used / token / 1e9;
        ratio[r] = floor / token;
    }
    double gb = median(speed, rounds);
    printf("decode, 1 caption  %-5s %-5s %6.2f GB of weights  %6.1f tokens/s  %6.1f GB/s  of a plain read %5.2f\n", name,
           dtype_name(type), (double)used / 1e9, gb * 1e9 / (double)used, gb, median(ratio, rounds));
    fflush(stdout);
    free(o.frequencies);
}

int main(int argc, char **argv)
{
    progname = "bench_decode";
    pool_init(argc > 1 ? atoi(argv[1]) : 0);
    int rounds = argc > 2 ? atoi(argv[2]) : 5;
    if (rounds < 1 || rounds > MAX_ROUNDS)
        die("rounds %d: from 1 to %d", rounds, MAX_ROUNDS);
    const Kernels *kernels = kernels_cpu(COMPUTE_AUTO);
    const LmConfig opt = opt_config(2560, LAYERS, 32, 4 * 2560, 2048, 50272), llama = llama_config();
    pool_bytes = sizeof(float) * llama.hidden * (LAYERS * (4 * llama.hidden + 3 * llama.ffn) + llama.vocabulary);
    pool = kernels->memory_new(pool_bytes);
    for (size_t i = 0; i < pool_bytes / 2; i++) /* small values in any of the three types, of both signs */
        ((uint16_t *)pool)[i] = (uint16_t)(0x1c00 + i * 7 % 256 + (i % 3 ? 0x8000 : 0));
    printf("table %s, %d threads, %d rounds\n", kernels->name, pool_threads(), rounds);
    static const DType types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
    for (int i = 0; i < 3; i++) {
        measure("OPT", &opt, types[i], rounds);
        measure("LLaMa", &llama, types[i], rounds);
    }
    kernels->memory_free(pool);
    return finish_stdout(STATUS_CLEAN);
}
