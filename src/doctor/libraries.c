/* Versions of libraries; see libraries.h. MPI is looked for without being linked: a machine of one rank needs none. */
#include "doctor/libraries.h"

#include <dlfcn.h>
#include <math.h>
#include <string.h>

#include "media/media_libraries.h"
#include "stream/stream_libraries.h"
#include "tensor/cpu/blas.h"

static void add(Checks *c, const Library *l)
{
    char *name = xasprintf("library %s", l->name);
    check_add(c, name, l->fits, NAN, NAN, "%s, built with %s%s", l->found, l->built,
              l->fits ? "" : ": it is another or an older one: build again, or install that one");
    free(name);
}

static Library jansson(void)
{
    Library l = {.name = "jansson", .fits = jansson_version_cmp(JANSSON_MAJOR_VERSION, JANSSON_MINOR_VERSION, 0) >= 0};
    snprintf(l.built, sizeof l.built, "%s", JANSSON_VERSION);
    snprintf(l.found, sizeof l.found, "%s", jansson_version_str());
    return l;
}

/* The first line of what MPI says of itself; false where none can be loaded. */
static bool mpi_version(char *text, size_t size)
{
    static const char *const names[] = {"libmpi.so.40", "libmpi.so.12", "libmpich.so.12", "libmpi.so"};
    char said[8192] = ""; /* MPI_MAX_LIBRARY_VERSION_STRING is less everywhere */
    int n = 0, (*ask)(char *, int *) = NULL;
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library)
        *(void **)&ask = dlsym(library, "MPI_Get_library_version");
    if (!ask || ask(said, &n) != 0)
        return false;
    snprintf(text, size, "%.*s", (int)strcspn(said, "\n,"), said);
    return true;
}

void libraries_check(Checks *c)
{
    Library media[MEDIA_LIBRARIES], stream[STREAM_LIBRARIES];
    const Library own[] = {jansson(), blas_library()};
    char mpi[256];
    media_libraries(media);
    stream_libraries(stream);
    for (size_t i = 0; i < MEDIA_LIBRARIES; i++)
        add(c, &media[i]);
    for (size_t i = 0; i < STREAM_LIBRARIES; i++)
        add(c, &stream[i]);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        add(c, &own[i]);
    if (mpi_version(mpi, sizeof mpi))
        check_add(c, "library MPI", true, NAN, NAN, "%s", mpi);
    else
        check_add(c, "library MPI", true, NAN, NAN, "none can be loaded: trainings have one rank");
}
