/* lib/base: what is there and what is not; folders read whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/base.h"
#include "base/steps.h"

/* What cannot be read is neither there nor missing. */
static void test_folders(void **state)
{
    (void)state;
    char folder[] = "/tmp/test-base-XXXXXX";
    assert_non_null(mkdtemp(folder));
    Error err = {0};
    char *a = path_join(folder, "a"), *b = path_join(folder, "b"), *below = path_join(b, "x");
    bool there;
    FolderNames names;
    assert_true(folder_names(&names, folder, &err) && names.count == 0);
    folder_names_release(&names);
    assert_true(file_write(b, "x", 1, &err) && symlink("nowhere", a) == 0);
    assert_true(path_exists(b, &there, &err) && there);
    assert_true(path_exists(a, &there, &err) && !there);
    assert_true(path_exists(below, &there, &err) && !there);
    assert_true(folder_names(&names, folder, &err) && names.count == 2);
    assert_string_equal(names.items[0], "a");
    assert_string_equal(names.items[1], "b");
    folder_names_release(&names);
    assert_false(folder_names(&names, b, &err));
    assert_int_equal(names.count, 0);
    assert_non_null(strstr(err.text, "Not a directory"));
    err = (Error){0};
    assert_true(unlink(a) == 0 && symlink("a", a) == 0); /* a link to itself cannot be looked at */
    assert_false(path_exists(a, &there, &err));
    assert_non_null(strstr(err.text, a));
    err = (Error){0};
    int64_t newest;
    assert_false(steps_newest(below, &newest, &err)); /* no folder is not "no steps" */
    assert_true(unlink(a) == 0 && unlink(b) == 0 && rmdir(folder) == 0);
    free(a);
    free(b);
    free(below);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_folders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
