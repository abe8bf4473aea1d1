/* What a fuzzer is given, as files: memory that has a path but lies on no disk, for readers that want a name. */
#ifndef FUZZ_GIVEN_H
#define FUZZ_GIVEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An open file of these bytes, at its beginning; the caller closes it. */
int given_file(const uint8_t *data, size_t size);

/* Where an open file can be opened once more. */
const char *given_path(char path[static 64], int fd);

/* One part of an input that holds several: after a line "==== NAME", up to the next such line. False where it has none. */
bool given_part(const uint8_t *data, size_t size, const char *name, const uint8_t **part, size_t *part_size);

/* A folder of the parts of those names; other parts do not show in it. */
enum { GIVEN_FILES = 8 };
typedef struct GivenFolder {
    const char *names[GIVEN_FILES];
    char path[64]; /* made by the first given_folder, gone at exit */
    int files[GIVEN_FILES];
    bool there[GIVEN_FILES];
} GivenFolder;

/* Makes the folder hold this input's parts, in place of the one before; its path. One folder a program. */
const char *given_folder(GivenFolder *f, const uint8_t *data, size_t size);

#endif
