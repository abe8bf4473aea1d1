/*
 * N threads each do one source at a time; the main thread writes their records in the order of the sources. At most 2 N sources
 * are begun and unwritten, and each holds at most QUEUE_BYTES of records (or one record): memory does not grow with the corpus.
 */
#include "extract/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/progress.h"
#include "base/signals.h"
#include "extract/work.h"

enum { QUEUE_BYTES = 8 << 20, QUEUE_FRAMES = 256, WAIT_MS = 100 };

typedef struct Jobs Jobs;

/* A source begun and not yet written out. */
typedef struct Job {
    Jobs *jobs;
    Source source;
    ExtractedFrame frames[QUEUE_FRAMES]; /* a ring */
    size_t first, count, bytes;
    bool done;
    Outcome outcome;
    struct Job *next;
} Job;

struct Jobs {
    const JobSettings *s;
    Sources *sources;
    Journal *journal;
    pthread_mutex_t taking; /* held while the next source is looked for, so that they are queued in order */
    pthread_mutex_t lock;   /* of everything below */
    pthread_cond_t changed;
    Job *head, *tail;
    int waiting; /* jobs in the list */
    int queued;  /* frames in all of them */
    int working; /* threads that may still add one */
    bool stop;
    /* the main thread's own */
    Writer *w;
    Totals *t;
    Phashes seen; /* owned: --dedup-all; those of the source being written are the last */
};

/* Waits for a change, a little while at most: signals do not wake a condition. Lock held. */
static void wait_change(Jobs *j)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAIT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&j->changed, &j->lock, &until);
}

static void extracted_release(ExtractedFrame *extracted)
{
    free(extracted->id);
    pack_release(&extracted->frame);
}

/* A worker hands over a frame; waits while the job's queue is full. */
static bool on_extracted(void *context, ExtractedFrame *extracted)
{
    Job *job = context;
    Jobs *j = job->jobs;
    pthread_mutex_lock(&j->lock);
    while (!j->stop && job->count > 0 && (job->count == QUEUE_FRAMES || job->bytes + extracted->frame.size > QUEUE_BYTES))
        wait_change(j);
    bool go_on = !j->stop;
    if (go_on) {
        job->frames[(job->first + job->count++) % QUEUE_FRAMES] = *extracted;
        job->bytes += extracted->frame.size;
        j->queued++;
        pthread_cond_broadcast(&j->changed);
    } else {
        extracted_release(extracted);
    }
    pthread_mutex_unlock(&j->lock);
    return go_on;
}

static bool stopped(Jobs *j)
{
    pthread_mutex_lock(&j->lock);
    while (!j->stop && !interrupted() && j->waiting >= 2 * (int)j->s->jobs)
        wait_change(j);
    bool stop = j->stop || interrupted();
    pthread_mutex_unlock(&j->lock);
    return stop;
}

/* The next source that the journal does not list, queued; NULL when there are no more. */
static Job *take_job(Jobs *j)
{
    pthread_mutex_lock(&j->taking);
    Job *job = NULL;
    Source source;
    while (!stopped(j) && sources_next(j->sources, &source)) {
        if (journal_lists(j->journal, source.label)) {
            if (sources_changed(j->sources, j->journal, &source))
                warn("%s: is another than it was when the journal vouched for it; its frames stay those of before", source.label);
            source_release(&source);
            continue;
        }
        if (!sources_open(j->sources, &source)) {
            source_release(&source);
            break;
        }
        job = xcalloc(1, sizeof *job);
        job->jobs = j;
        job->source = source;
        pthread_mutex_lock(&j->lock);
        if (j->tail)
            j->tail->next = job;
        else
            j->head = job;
        j->tail = job;
        j->waiting++;
        pthread_cond_broadcast(&j->changed);
        pthread_mutex_unlock(&j->lock);
        break;
    }
    pthread_mutex_unlock(&j->taking);
    return job;
}

static void *worker(void *context)
{
    Jobs *j = context;
    Job *job;
    while ((job = take_job(j))) {
        Outcome outcome;
        work_on(j->s->frames, j->s->limits, &job->source, on_extracted, job, &outcome);
        pthread_mutex_lock(&j->lock);
        job->outcome = outcome;
        job->done = true;
        pthread_cond_broadcast(&j->changed);
        pthread_mutex_unlock(&j->lock);
    }
    pthread_mutex_lock(&j->lock);
    j->working--;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

/* Writes one record; *dropped when it looked like an earlier one, or is done already. False when writing failed or enough is
 * written. */
static bool extracted_write(Jobs *j, const Job *job, const ExtractedFrame *extracted, bool *dropped)
{
    *dropped = j->s->frames->dedup_all && !phashes_add(&j->seen, extracted->phash, j->s->frames->duplicate_distance);
    *dropped |= job->source.done || sources_excepts(j->sources, extracted->id);
    if (*dropped)
        return true;
    Group g = {{"frame", 5}, {extracted->frame.data, extracted->frame.size}};
    if (!writer_record(j->w, (Slice){extracted->id, strlen(extracted->id)}, NULL, &g, 1) || !batch_count(j->s->batch, j->w, j->t))
        return false;
    progress_queue((int64_t)j->queued, (int64_t)(2 * j->s->jobs * QUEUE_FRAMES));
    progress_reached((double)writer_records(j->w));
    progress_show();
    return j->s->limit == 0 || (int64_t)writer_records(j->w) < j->s->limit;
}

/* The next frame of the job at the head, taken out of its queue; false when it has no more. Flushes before it waits. */
static bool extracted_next(Jobs *j, Job *job, ExtractedFrame *extracted)
{
    pthread_mutex_lock(&j->lock);
    if (job->count == 0 && !job->done) {
        pthread_mutex_unlock(&j->lock);
        if (!writer_flush(j->w))
            return false;
        pthread_mutex_lock(&j->lock);
    }
    while (job->count == 0 && !job->done)
        wait_change(j);
    bool got = job->count > 0;
    if (got) {
        *extracted = job->frames[job->first];
        job->first = (job->first + 1) % QUEUE_FRAMES;
        job->count--;
        job->bytes -= extracted->frame.size;
        j->queued--;
        pthread_cond_broadcast(&j->changed);
    }
    pthread_mutex_unlock(&j->lock);
    return got;
}

static Job *next_job(Jobs *j)
{
    pthread_mutex_lock(&j->lock);
    bool idle = !j->head && j->working > 0;
    pthread_mutex_unlock(&j->lock);
    if (idle && !writer_flush(j->w))
        return NULL;
    pthread_mutex_lock(&j->lock);
    while (!j->head && j->working > 0 && !interrupted())
        wait_change(j);
    Job *job = j->head;
    pthread_mutex_unlock(&j->lock);
    return job;
}

static void drop_head(Jobs *j)
{
    pthread_mutex_lock(&j->lock);
    Job *job = j->head;
    j->head = job->next;
    if (!j->head)
        j->tail = NULL;
    j->waiting--;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
    for (size_t i = 0; i < job->count; i++)
        extracted_release(&job->frames[(job->first + i) % QUEUE_FRAMES]);
    source_release(&job->source);
    gaps_release(&job->outcome.gaps);
    free(job);
}

/* A source came to its end: says what is wrong with it and vouches for it. */
static bool close_source(Jobs *j, Job *job, Error *err)
{
    Outcome *o = &job->outcome;
    VideoVerdict verdict = o->report.verdict;
    if (verdict == VERDICT_CUT) {
        j->t->cut = true;
        return true;
    }
    j->t->sources++;
    j->t->filtered += o->filtered;
    if (verdict != VERDICT_COMPLETE) {
        const int64_t missing = o->report.missing > 0 ? o->report.missing : 1;
        j->t->failed += missing;
        progress_failed((uint64_t)missing);
        j->t->empty_stdin |= job->source.is_stdin && strstr(o->report.reason, "is empty") != NULL;
        warn("%s: %s: %s; %lld frames, %lld known to be missing", job->source.label, verdict_name(verdict), o->report.reason,
             (long long)o->frames, (long long)o->report.missing);
    }
    const uint64_t *phashes = j->s->frames->dedup_all && o->frames > 0 ? j->seen.items + j->seen.n - o->frames : NULL;
    return !j->journal || (writer_flush(j->w) && journal_write(j->journal, &job->source, o, phashes, err));
}

/* Writes the job at the head. False when all is to end: enough is written, asked to, or failed (err). */
static bool write_job(Jobs *j, Job *job, Error *err)
{
    ExtractedFrame extracted;
    int64_t dropped = 0;
    while (extracted_next(j, job, &extracted)) {
        bool drop, go_on = extracted_write(j, job, &extracted, &drop);
        extracted_release(&extracted);
        dropped += drop;
        if (!go_on || interrupted()) {
            j->t->cut = interrupted();
            j->t->filtered += dropped;
            return false;
        }
    }
    if (!job->done) /* flushing failed */
        return false;
    job->outcome.frames -= dropped;
    job->outcome.filtered += dropped;
    return close_source(j, job, err) && !j->t->cut;
}

bool jobs_run(const JobSettings *s, Sources *sources, Journal *journal, Writer *w, Totals *t, Error *err)
{
    Jobs j = {.s = s, .sources = sources, .journal = journal, .w = w, .t = t, .working = (int)s->jobs};
    if (journal && s->frames->dedup_all)
        j.seen.items = journal_phashes(journal, &j.seen.n);
    j.seen.capacity = j.seen.n;
    pthread_mutex_init(&j.taking, NULL);
    pthread_mutex_init(&j.lock, NULL);
    pthread_cond_init(&j.changed, NULL);
    progress_begin("frames");
    progress_threads((int)s->jobs);
    if (s->limit > 0)
        progress_goal((double)s->limit, (double)writer_records(w));
    pthread_t *threads = xcalloc((size_t)s->jobs, sizeof *threads);
    for (int64_t i = 0; i < s->jobs; i++)
        if ((errno = pthread_create(&threads[i], NULL, worker, &j)) != 0)
            die("start thread %lld of %lld:", (long long)i + 1, (long long)s->jobs);
    Job *job;
    bool enough = s->limit > 0 && (int64_t)writer_records(w) >= s->limit;
    while (!enough && (job = next_job(&j)) && write_job(&j, job, err))
        drop_head(&j);
    t->cut |= interrupted();
    pthread_mutex_lock(&j.lock);
    j.stop = true;
    pthread_cond_broadcast(&j.changed);
    pthread_mutex_unlock(&j.lock);
    for (int64_t i = 0; i < s->jobs; i++)
        pthread_join(threads[i], NULL);
    while (j.head)
        drop_head(&j);
    progress_hide();
    free(threads);
    free(j.seen.items);
    if (writer_error(w)->text[0])
        error_set(err, "%s", writer_error(w)->text);
    return err->text[0] == '\0';
}
