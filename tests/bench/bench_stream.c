/*
 * bench_stream: how fast a stage passes on 20 kB images it does not look into, against a plain read and write of the same bytes.
 *
 * Input is a file in memory; output goes to /dev/null, and through a pipe to a process that throws it away. GB/s are per second
 * of processor time of the forwarding process (user and system), so that a busy machine does not show. Peak memory is that of
 * the process over all rounds: it does not grow with the stream.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stream/stream.h"

enum { RECORDS = 12800, IMAGE = 20000, COPY_BUFFER = 256 * 1024, ROUNDS = 5 };

static double processor_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static long peak_kilobytes(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

static void write_record(Writer *w, int i, const unsigned char *image)
{
    char id[32];
    Packer frame = {0}, caption = {0};
    snprintf(id, sizeof id, "clip%06d#%d.480", i / 10, i % 10);
    pack_map_begin(&frame);
    pack_field_int(&frame, "width", 640);
    pack_field_int(&frame, "height", 360);
    pack_field_text(&frame, "encoding", "jpeg");
    pack_field_bin(&frame, "image", image, IMAGE);
    pack_map_end(&frame);
    pack_map_begin(&caption);
    pack_field_text(&caption, "text", "a red bus on a street");
    pack_field_reals(&caption, "logp", (double[]){-0.1, -0.2, -0.3, -0.4, -0.5, -0.6, -0.7, -0.8}, 8);
    pack_map_end(&caption);
    Group groups[2] = {{{"frame", 5}, {frame.data, frame.size}}, {{"caption", 7}, {caption.data, caption.size}}};
    writer_record(w, (Slice){id, strlen(id)}, NULL, groups, 2);
    pack_release(&frame);
    pack_release(&caption);
}

/* A stream of RECORDS records as a file in memory. */
static int sample(void)
{
    static unsigned char image[IMAGE];
    int fd = memfd_create("stream", MFD_CLOEXEC);
    if (fd < 0)
        die("memfd:");
    Writer *w = writer_new(fd, "sample", 0);
    for (size_t i = 0; i < IMAGE; i++)
        image[i] = (unsigned char)(i * i >> 3);
    writer_header(w, "bench", NULL, NULL, (Slice){NULL, 0}, NULL);
    for (int i = 0; i < RECORDS; i++)
        write_record(w, i, image);
    writer_end(w, 0, 0, 0);
    if (writer_error(w)->text[0])
        die("%s", writer_error(w)->text);
    writer_free(w);
    return fd;
}

/* What a stage does: reads each record, adds a small group, passes the rest on. */
static void forward(int in, int out)
{
    Record r;
    Packer p = {0};
    Reader *reader = reader_open_fd(dup(in), "sample");
    Writer *w = writer_new(out, "out", 0);
    RecordKind kind;
    pack_map_begin(&p);
    pack_field_real(&p, "sim", 4.88);
    pack_map_end(&p);
    Group g = {{"reward", 6}, {p.data, p.size}};
    while ((kind = reader_next(reader, &r)) == RECORD_HEADER || kind == RECORD_DATA)
        if (kind == RECORD_HEADER)
            writer_header(w, "bench", NULL, NULL, reader_header_raw(reader), NULL);
        else
            writer_record(w, r.id, &r, &g, 1);
    writer_end(w, 0, 0, 0);
    if (kind != RECORD_END || writer_error(w)->text[0])
        die("%s%s", reader_error(reader)->text, writer_error(w)->text);
    writer_free(w);
    reader_free(reader);
    pack_release(&p);
}

static void copy(int in, int out)
{
    static char buffer[COPY_BUFFER];
    ssize_t n;
    while ((n = read(in, buffer, sizeof buffer)) > 0)
        if (write(out, buffer, (size_t)n) != n)
            die("write:");
}

/* A process that throws away what it reads. */
static pid_t drain(int *out)
{
    int ends[2];
    if (pipe(ends) != 0)
        die("pipe:");
    (void)fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        close(ends[1]);
        while (splice(ends[0], NULL, null, NULL, 1 << 20, 0) > 0)
            continue;
        _exit(0);
    }
    close(ends[0]);
    *out = ends[1];
    return child;
}

/* Best of ROUNDS, in GB of input for each second of processor time. */
static double rate(void (*work)(int, int), int in, double bytes, bool through_pipe)
{
    double best = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int out = -1;
        pid_t child = through_pipe ? drain(&out) : 0;
        if (!through_pipe)
            out = open("/dev/null", O_WRONLY);
        lseek(in, 0, SEEK_SET);
        double began = processor_seconds();
        work(in, out);
        double rate = bytes / (processor_seconds() - began) * 1e-9;
        best = rate > best ? rate : best;
        close(out);
        if (child > 0)
            waitpid(child, NULL, 0);
    }
    return best;
}

int main(void)
{
    progname = "bench_stream";
    int in = sample();
    double bytes = (double)lseek(in, 0, SEEK_END);
    for (int through_pipe = 0; through_pipe <= 1; through_pipe++) {
        double ours = rate(forward, in, bytes, through_pipe), plain = rate(copy, in, bytes, through_pipe);
        printf("forward %d records of %d bytes to %s: %.2f GB/s per core, read and write alone %.2f GB/s, ratio %.2f\n", RECORDS,
               IMAGE, through_pipe ? "a pipe" : "/dev/null", ours, plain, ours / plain);
    }
    printf("peak memory %ld kB for a stream of %.0f kB (which is itself in memory, but not this process's)\n", peak_kilobytes(),
           bytes / 1000);
    close(in);
    return 0;
}
