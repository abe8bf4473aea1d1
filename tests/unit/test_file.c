/* Files that appear whole or not at all, whatever stands where they are to be; and mapped ones that are cut short. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/mapped.h"
#include "base/steps.h"

static char folder[64];

static int folder_new(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test-file-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int folder_gone(void **state)
{
    (void)state;
    Error err = {0};
    return folder_remove(folder, &err) ? 0 : -1;
}

static void assert_holds(const char *path, const char *expected)
{
    Error err = {0};
    size_t size;
    char *text = file_read(path, &size, &err);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

/* How many names the folder has. */
static int names(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static void test_replaced(void **state)
{
    (void)state;
    Error err = {0};
    char *path = path_join(folder, "file");
    mode_t before = umask(027);
    assert_true(file_write(path, "one", 3, &err));
    struct stat s;
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0640);
    umask(before);
    assert_true(file_write(path, "two", 3, &err));
    assert_holds(path, "two");
    AtomicFile f;
    assert_true(atomic_open(&f, path, &err));
    fputs("three", f.stream);
    assert_holds(path, "two"); /* until it is whole */
    assert_true(atomic_place(&f, &err));
    assert_holds(path, "three");
    assert_int_equal(names(), 1);
    free(path);
}

static void test_links_are_not_followed(void **state)
{
    (void)state;
    Error err = {0};
    char *path = path_join(folder, "file"), *other = path_join(folder, "other");
    char *guessed = xasprintf("%s.writing-%ld", path, (long)getpid());
    assert_true(file_write(other, "mine", 4, &err));
    assert_int_equal(symlink("other", path), 0);
    assert_int_equal(symlink("other", guessed), 0);
    assert_true(file_write(path, "new", 3, &err));
    assert_holds(other, "mine");
    assert_holds(path, "new");
    struct stat s;
    assert_int_equal(lstat(path, &s), 0);
    assert_true(S_ISREG(s.st_mode));
    assert_int_equal(names(), 3);
    free(path);
    free(other);
    free(guessed);
}

static void test_no_regular_file(void **state)
{
    (void)state;
    Error err = {0};
    char *path = path_join(folder, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(file_write(path, "x", 1, &err));
    assert_non_null(strstr(err.text, path));
    err = (Error){0};
    assert_false(folder_make(path, &err));
    assert_non_null(strstr(err.text, path));
    free(path);
}

static void test_temporary_folders(void **state)
{
    (void)state;
    Error err = {0};
    char *path = path_join(folder, "step-000001");
    char *a = writing_folder(path, &err), *b = writing_folder(path, &err);
    assert_true(a && b && strcmp(a, b) != 0);
    assert_int_equal(strncmp(a, path, strlen(path)), 0);
    assert_true(leftovers_remove(folder, "step-000001", &err));
    assert_int_equal(names(), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_null(writing_folder(path, &err));
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(mkdir(folder, 0700), 0);
    free(a);
    free(b);
    free(path);
}

/* What killed writers have left under temporary names goes when a file is replaced there; what is at work or a user's stays. */
static void test_left_on_the_way(void **state)
{
    (void)state;
    Error err = {0};
    char *path = path_join(folder, "file"), *left = writing_name(path), *at_work = writing_name(path);
    char *users = path_join(folder, "my.writing-2024");
    int fd = open(at_work, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    for (const char **p = (const char *[]){left, users, path, path, NULL}; *p; p++)
        assert_true(file_write(*p, "text", 4, &err));
    assert_int_equal(access(left, F_OK), -1);
    assert_int_equal(access(at_work, F_OK), 0);
    assert_int_equal(access(users, F_OK), 0);
    assert_int_equal(names(), 3);
    close(fd);
    free(path);
    free(left);
    free(at_work);
    free(users);
}

/* Writers of one file take turns: each succeeds, and what stands there is always one's whole text. */
static void test_written_at_once(void **state)
{
    enum { WRITERS = 3, TIMES = 200 };
    (void)state;
    Error err = {0};
    char *path = path_join(folder, "file");
    for (int w = 0; w < WRITERS; w++)
        if (fork() == 0) {
            bool ok = true;
            for (int i = 0; i < TIMES; i++)
                ok = file_write(path, w ? "twelve chars" : "one", w ? 12 : 3, &err) && ok;
            _exit(ok ? 0 : 1);
        }
    for (int w = 0; w < WRITERS; w++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(names(), 1);
    struct stat s;
    assert_int_equal(stat(path, &s), 0);
    assert_true(s.st_size == 12 || s.st_size == 3);
    free(path);
}

/* Writes half a file, and is killed. */
static void test_killed(void **state)
{
    (void)state;
    char *path = path_join(folder, "file");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        Error err = {0};
        AtomicFile f;
        if (atomic_open(&f, path, &err) && fputs("half", f.stream) >= 0 && fflush(f.stream) == 0)
            raise(SIGKILL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_not_equal(access(path, F_OK), 0);
    Error err = {0};
    assert_true(leftovers_remove(folder, "file", &err)); /* where the file system has files with names alone */
    assert_int_equal(names(), 0);
    free(path);
}

/* In a child: maps the file, cuts it, and reads (or only gets the signal). What it says goes to `said`. */
static int cut_status(const char *path, bool sent, char said[512])
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        Error err = {0};
        const unsigned char *data;
        size_t size;
        int fd = open(path, O_RDWR);
        dup2(ends[1], STDERR_FILENO);
        if (!mapped_open(&data, &size, fd, path, &err) || size != 65536 || data[40000] != 'x' || ftruncate(fd, 4096) != 0)
            _exit(99);
        if (sent)
            raise(SIGBUS);
        volatile unsigned char got = data[40000];
        _exit(got ? 98 : 97);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], said, 511);
    said[n > 0 ? n : 0] = '\0';
    for (ssize_t more; n > 0 && n < 511 && (more = read(ends[0], said + n, (size_t)(511 - n))) > 0; n += more)
        said[n + more] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void test_mapped(void **state)
{
    (void)state;
    Error err = {0};
    char *path = path_join(folder, "model"), *data = xmalloc(65536), said[512];
    memset(data, 'x', 65536);
    const unsigned char *mapped;
    size_t size;
    assert_true(file_write(path, "", 0, &err));
    int fd = open(path, O_RDONLY);
    assert_true(mapped_open(&mapped, &size, fd, path, &err));
    assert_true(!mapped && size == 0);
    mapped_close(mapped, size);
    close(fd);
    for (int i = 0; i < 3; i++) { /* a place in the list serves again */
        assert_true(file_write(path, data, 65536, &err));
        fd = open(path, O_RDONLY);
        assert_true(mapped_open(&mapped, &size, fd, path, &err));
        close(fd);
        assert_int_equal(mapped[65535], 'x');
        assert_int_equal(cut_status(path, false, said), STATUS_CORRUPT);
        assert_non_null(strstr(said, path));
        assert_non_null(strstr(said, "cut short"));
        mapped_close(mapped, size);
    }
    assert_true(file_write(path, data, 65536, &err));
    assert_int_equal(cut_status(path, true, said), 128 + SIGBUS); /* not ours: the ordinary end */
    fd = open(folder, O_RDONLY);
    assert_false(mapped_open(&mapped, &size, fd, folder, &err));
    assert_non_null(strstr(err.text, "not a regular file"));
    close(fd);
    free(data);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replaced, folder_new, folder_gone),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, folder_new, folder_gone),
        cmocka_unit_test_setup_teardown(test_no_regular_file, folder_new, folder_gone),
        cmocka_unit_test_setup_teardown(test_temporary_folders, folder_new, folder_gone),
        cmocka_unit_test_setup_teardown(test_left_on_the_way, folder_new, folder_gone),
        cmocka_unit_test_setup_teardown(test_written_at_once, folder_new, folder_gone),
        cmocka_unit_test_setup_teardown(test_killed, folder_new, folder_gone),
        cmocka_unit_test_setup_teardown(test_mapped, folder_new, folder_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
