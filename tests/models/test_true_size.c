/*
 * BLIP-2 OPT-2.7B at its true shapes, as a sparse file of zeros: the layout has as many values as the published checkpoint, and
 * opening it adds less than 50 MB of private memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/captioner.h"
#include "learn/lora.h"

static const char config_text[] =
    "{\"num_query_tokens\": 32, \"vision_config\": {}, \"qformer_config\": {}, \"text_config\": {\"model_type\": \"opt\", "
    "\"hidden_size\": 2560, \"num_hidden_layers\": 32, \"num_attention_heads\": 32, \"ffn_dim\": 10240, \"eos_token_id\": "
    "50118}}";

#ifdef __SANITIZE_ADDRESS__
#define LIMIT 100e6 /* its red zones and quarantine are not ours */
#else
#define LIMIT (sizeof(real) == 8 ? 100e6 : 50e6)
#endif

static char folder[] = "/tmp/vlrm-true-size-XXXXXX";

/* Values of all tensors within one of the prefixes ("" is all). */
static size_t count(const Binder *b, const char *const *prefixes, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < b->n_bindings; i++)
        for (size_t j = 0; j < n; j++)
            if (name_within(b->bindings[i].name, prefixes[j])) {
                sum += shape_size(&b->bindings[i].shape);
                break;
            }
    return sum;
}

/* A file of zeros in bf16 with every tensor of the layout; takes no space on the disk. */
static void write_sparse(const Binder *b, const char *path)
{
    size_t values = 0, length;
    char *text = NULL, shape[128];
    FILE *header = open_memstream(&text, &length);
    assert_non_null(header);
    for (size_t i = 0; i < b->n_bindings; i++) {
        size_t bytes = 2 * shape_size(&b->bindings[i].shape);
        fprintf(header, "%s\"%s\": {\"dtype\": \"BF16\", \"shape\": %s, \"data_offsets\": [%zu, %zu]}", i ? ", " : "{",
                b->bindings[i].name, shape_text(&b->bindings[i].shape, shape), values, values + bytes);
        values += bytes;
    }
    fputc('}', header);
    while (ftell(header) % 8)
        fputc(' ', header);
    assert_int_equal(fclose(header), 0);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (int i = 0; i < 8; i++)
        fputc((int)(length >> (8 * i) & 255), f);
    fwrite(text, 1, length, f);
    assert_int_equal(fflush(f), 0);
    assert_int_equal(ftruncate(fileno(f), (off_t)(8 + length + values)), 0);
    assert_int_equal(fclose(f), 0);
    free(text);
}

/* Private memory of this process, in bytes. */
static size_t private_memory(void)
{
    char line[256];
    size_t sum = 0, kilobytes;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "Private_Clean: %zu kB", &kilobytes) == 1 || sscanf(line, "Private_Dirty: %zu kB", &kilobytes) == 1)
            sum += kilobytes * 1024;
    fclose(f);
    return sum;
}

static Captioner *layout_open(const Kernels *kernels)
{
    Error err = {0};
    Captioner *c = captioner_layout(folder, kernels, &err);
    if (!c)
        fail_msg("%s", err.text);
    return c;
}

static int make_folder(void **state)
{
    (void)state;
    Error err = {0};
    if (!mkdtemp(folder))
        return -1;
    char *path = path_join(folder, "config.json");
    bool ok = file_write(path, config_text, strlen(config_text), &err);
    free(path);
    if (!ok)
        print_error("%s\n", err.text);
    return ok ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char *command = xasprintf("rm -r '%s'", folder);
    int status = system(command);
    free(command);
    return status;
}

static void test_counts(void **state)
{
    (void)state;
    Error err = {0};
    Captioner *c = layout_open(kernels_cpu(COMPUTE_AUTO));
    assert_int_equal(c->binder.n_bindings, 1247);
    assert_int_equal(count(&c->binder, (const char *const[]){""}, 1), 3744679936u);
    assert_int_equal(count(&c->binder, (const char *const[]){"vision_model"}, 1), 985952256u);
    assert_int_equal(count(&c->binder, (const char *const[]){"query_tokens", "qformer", "language_projection"}, 3), 107130880u);
    Parameters p;
    parameters_init(&p, c->binder.kernels);
    LoraSet *lora = lora_new(&c->binder, ADAPTER_VALUE);
    static const char *const targets[] = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"};
    if (!lora_train(lora, &p, "lora", "language_model", targets, 6, 4, 8, 1, &err))
        fail_msg("%s", err.text);
    assert_int_equal(parameters_count(&p, "lora"), 5898240);
    lora_free(lora);
    parameters_release(&p);
    captioner_free(c);
}

static void test_memory(void **state)
{
    (void)state;
    Error err = {0};
    const Kernels *kernels = kernels_cpu(COMPUTE_AUTO);
    char *path = path_join(folder, "model.safetensors");
    Captioner *layout = layout_open(kernels);
    write_sparse(&layout->binder, path);
    captioner_free(layout);
    free(path);
    size_t before = private_memory();
    Captioner *c = captioner_open(folder, kernels, &err);
    if (!c)
        fail_msg("%s", err.text);
    size_t added = private_memory() - before;
    print_message("opening added %.1f MB of private memory\n", (double)added / 1e6);
    assert_true(added < LIMIT);
    captioner_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
