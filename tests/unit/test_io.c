/* base/io: a signal between two parts of a transfer is no failure, and the end of a file is a shorter count. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/io.h"

static sem_t alarms;

static void on_alarm(int number)
{
    (void)number;
    sem_post(&alarms);
}

/* Reads nothing before the writer, whose pipe is full, has been interrupted twenty times; then everything. */
static void *late_reader(void *pipe_end)
{
    for (int i = 0; i < 20; i++)
        sem_wait(&alarms);
    char block[4096];
    size_t *total = xcalloc(1, sizeof *total);
    for (ssize_t n; (n = read(*(int *)pipe_end, block, sizeof block)) > 0;)
        *total += (size_t)n;
    return total;
}

static void test_write_interrupted(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    int ends[2];
    sigset_t alarm_only;
    struct sigaction action = {.sa_handler = on_alarm}, before;
    const struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    pthread_t reader;
    void *total;
    char *data = xcalloc(SIZE, 1);
    assert_int_equal(pipe(ends), 0);
    sem_init(&alarms, 0, 0);
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    sigaction(SIGALRM, &action, &before);
    pthread_sigmask(SIG_BLOCK, &alarm_only, NULL); /* the reader inherits it: signals go to the writer */
    assert_int_equal(pthread_create(&reader, NULL, late_reader, &ends[0]), 0);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    bool ok = write_in_full(ends[1], data, SIZE);
    setitimer(ITIMER_REAL, &never, NULL);
    close(ends[1]);
    while (!ok && sem_post(&alarms) == 0 && pthread_tryjoin_np(reader, &total) != 0)
        ;
    if (ok)
        pthread_join(reader, &total);
    sigaction(SIGALRM, &before, NULL);
    assert_true(ok);
    assert_int_equal(*(size_t *)total, SIZE);
    close(ends[0]);
    free(total);
    free(data);
}

static void test_pread_in_full(void **state)
{
    (void)state;
    char out[8] = "";
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_true(pwrite_in_full(fileno(file), "captions", 8, 3));
    assert_int_equal(pread_in_full(fileno(file), out, 4, 3), 4);
    assert_memory_equal(out, "capt", 4);
    assert_int_equal(pread_in_full(fileno(file), out, sizeof out, 7), 4); /* the file ends at byte 11 */
    assert_memory_equal(out, "ions", 4);
    fclose(file);
    assert_int_equal(pread_in_full(-1, out, 1, 0), -1);
    assert_false(write_in_full(-1, out, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pread_in_full), cmocka_unit_test(test_write_interrupted), /* last: it starts a thread */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
