/* The header's inputs; see inputs.h. */
#include "stage/inputs.h"

#include "base/hash.h"

void inputs_add(json_t *inputs, const char *role, uint64_t digest)
{
    inputs_add_text(inputs, role, digest_text(digest).text);
}

void inputs_add_text(json_t *inputs, const char *role, const char *digest)
{
    json_array_append_new(inputs, json_pack("{s:s, s:s}", "role", role, "digest", digest));
}
