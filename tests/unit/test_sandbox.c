/* What an exploited decoder would try, tried within the sandbox: files, network, programs, processes. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sandbox.h"

static const char secret[] = "/etc/passwd";
static char kept[64], escaped[64]; /* a file that there is, and one that there shall not be */

enum { HELD = 0, ESCAPED = 1, NO_SANDBOX = 2 };

/* Runs `attempt` in a process that has entered the sandbox; it returns whether it got through. */
static void refused(bool (*enter)(Sandbox), bool (*attempt)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(!enter(SANDBOX_AUTO) ? NO_SANDBOX : attempt() ? ESCAPED : HELD);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_SANDBOX) {
        print_message("# skip: no seccomp and Landlock here, or the address sanitizer\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), HELD);
}

static bool opens_for_reading(void)
{
    return open(secret, O_RDONLY) >= 0;
}

static bool opens_by_number(void)
{
    return syscall(SYS_openat, AT_FDCWD, secret, O_RDONLY) >= 0 ||
           syscall(SYS_openat2, AT_FDCWD, secret, &(uint64_t[3]){0}, 24) >= 0;
}

static bool opens_for_writing(void)
{
    return open(escaped, O_WRONLY | O_CREAT, 0600) >= 0;
}

static bool removes(void)
{
    return truncate(kept, 0) == 0 || rename(kept, escaped) == 0 || unlink(kept) == 0;
}

static bool connects(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_DGRAM, 0) >= 0 || socket(AF_INET6, SOCK_DGRAM, 0) >= 0;
}

static bool runs_a_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return errno != EPERM;
}

static bool forks(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return child > 0 || syscall(SYS_clone, 17 /* SIGCHLD */, 0, 0, 0, 0) > 0;
}

static bool reads_its_parent(void)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)secret, 1};
    return process_vm_readv(getppid(), &here, 1, &there, 1, 0) > 0;
}

static bool signals_its_parent(void)
{
    return kill(getppid(), 0) == 0;
}

static void *answer(void *context)
{
    return context;
}

/* What decoding needs is there: threads, memory, what is open. */
static bool cannot_work(void)
{
    pthread_t thread;
    void *got = NULL;
    char *bytes = calloc(1 << 24, 1);
    int pipes[2];
    bool ok = bytes && pipe(pipes) == 0 && write(pipes[1], bytes, 100) == 100 && read(pipes[0], bytes, 100) == 100 &&
              pthread_create(&thread, NULL, answer, bytes) == 0 && pthread_join(thread, &got) == 0 && got == bytes;
    free(bytes);
    return !ok;
}

static bool cannot_open(void)
{
    return !opens_for_reading();
}

static int descriptor;

static bool cannot_read_what_is_open(void)
{
    char head[4];
    return pread(descriptor, head, sizeof head, 0) != sizeof head;
}

static void test_sealed_opens_nothing(void **state)
{
    (void)state;
    strcpy(kept, "/tmp/vlrm-sandbox-XXXXXX");
    int fd = mkstemp(kept);
    assert_true(fd >= 0);
    close(fd);
    snprintf(escaped, sizeof escaped, "%.50s.escaped", kept);
    refused(sandbox_seal, opens_for_reading);
    refused(sandbox_seal, opens_by_number);
    refused(sandbox_seal, opens_for_writing);
    refused(sandbox_seal, removes);
    refused(sandbox_seal, signals_its_parent);
    assert_int_equal(access(escaped, F_OK), -1);
    assert_int_equal(unlink(kept), 0);
}

/* ---- enclosed ---- */

static char folder[64], inside[80], target[96]; /* a folder, and files in it: one that there is, and one that there is not */

static void make_folder(void)
{
    strcpy(folder, "/tmp/vlrm-sandbox-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(inside, sizeof inside, "%s/a", folder);
    snprintf(target, sizeof target, "%s/b", folder);
    int fd = open(inside, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void remove_folder(void)
{
    unlink(target);
    assert_int_equal(unlink(inside), 0);
    assert_int_equal(rmdir(folder), 0);
}

static bool reads_any(Sandbox mode)
{
    return sandbox_enclose(mode, &(SandboxFiles){.read = NULL});
}

static bool reads_inside(Sandbox mode)
{
    return sandbox_enclose(mode,
                           &(SandboxFiles){.read = (const char *const[]){inside, "/tmp/there is none such", NULL}, .n_read = 3});
}

static bool writes_folder(Sandbox mode)
{
    return sandbox_enclose(mode, &(SandboxFiles){.write = (const char *const[]){NULL, folder}, .n_write = 2});
}

static bool writes_beside(Sandbox mode)
{
    return sandbox_enclose(mode, &(SandboxFiles){.write = (const char *const[]){inside}, .n_write = 1});
}

/* In a folder that is not there yet. */
static bool writes_below(Sandbox mode)
{
    char new[128];
    snprintf(new, sizeof new, "%s/new/newer/file", folder);
    return sandbox_enclose(mode, &(SandboxFiles){.write = (const char *const[]){new}, .n_write = 1});
}

static bool truncates_on_opening(void)
{
    return open(inside, O_RDONLY | O_TRUNC) >= 0;
}

static bool writes_inside(void)
{
    return open(inside, O_WRONLY) >= 0 || open(inside, O_RDWR) >= 0 || open(folder, O_TMPFILE | O_WRONLY, 0600) >= 0;
}

/* As AtomicFile does: a file without a name is given one; one takes another's place. */
static bool cannot_make(void)
{
    char self[32], new[80];
    int fd = open(folder, O_TMPFILE | O_WRONLY, 0600);
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    snprintf(new, sizeof new, "%s/c", folder);
    return fd < 0 || linkat(AT_FDCWD, self, AT_FDCWD, new, AT_SYMLINK_FOLLOW) != 0 || rename(new, target) != 0 ||
           unlink(target) != 0 || symlink("a", new) != 0 || rename(new, target) != 0 || unlink(target) != 0 ||
           mkdir(new, 0700) != 0 || rmdir(new) != 0 || open(inside, O_RDWR) < 0;
}

static bool cannot_read_inside(void)
{
    return open(inside, O_RDONLY) < 0;
}

static void test_enclosed(void **state)
{
    (void)state;
    bool (*const enter[])(Sandbox) = {reads_any, reads_inside, writes_folder, writes_beside, writes_below};
    make_folder();
    strcpy(kept, "/tmp/vlrm-sandbox-XXXXXX");
    int fd = mkstemp(kept);
    assert_true(fd >= 0);
    close(fd);
    snprintf(escaped, sizeof escaped, "%.50s.escaped", kept);
    for (size_t i = 0; i < sizeof enter / sizeof *enter; i++) {
        refused(enter[i], opens_for_writing);
        refused(enter[i], removes);
        refused(enter[i], cannot_read_inside);
        refused(enter[i], i < 2 ? writes_inside : cannot_make);
    }
    refused(reads_any, cannot_open);
    refused(reads_any, truncates_on_opening);
    refused(reads_inside, opens_for_reading);
    refused(writes_folder, cannot_open);
    assert_int_equal(access(escaped, F_OK), -1);
    assert_int_equal(unlink(kept), 0);
    remove_folder();
}

static void test_no_network_and_no_programs(void **state)
{
    (void)state;
    bool (*const enter[])(Sandbox) = {sandbox_confine, sandbox_seal, reads_any};
    for (size_t i = 0; i < sizeof enter / sizeof *enter; i++) {
        refused(enter[i], connects);
        refused(enter[i], runs_a_program);
        refused(enter[i], forks);
        refused(enter[i], reads_its_parent);
        refused(enter[i], cannot_work);
    }
}

static void test_what_stays(void **state)
{
    (void)state;
    refused(sandbox_confine, cannot_open);
    descriptor = open(secret, O_RDONLY);
    assert_true(descriptor >= 0);
    refused(sandbox_seal, cannot_read_what_is_open);
    close(descriptor);
}

/* The attempts succeed where there is no sandbox: they can fail the test. */
static void test_off(void **state)
{
    (void)state;
    assert_false(sandbox_confine(SANDBOX_OFF));
    assert_false(sandbox_seal(SANDBOX_OFF));
    assert_false(reads_any(SANDBOX_OFF));
    assert_true(opens_for_reading() && opens_by_number() && connects() && forks() && signals_its_parent());
    assert_false(cannot_work());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sealed_opens_nothing),
        cmocka_unit_test(test_enclosed),
        cmocka_unit_test(test_no_network_and_no_programs),
        cmocka_unit_test(test_what_stays),
        cmocka_unit_test(test_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
