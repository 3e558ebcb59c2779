/*
 * host plays Fluent Bit to a Go output plugin over the real ABI, so that tests can have what a run of Fluent Bit gives
 * only by chance: bytes that are gone after each flush, retries, hot reloads, replaced signal handlers, small stacks.
 *
 * It reads commands from standard input and answers with JSON lines on standard output:
 *
 *   option threads|queue|retry_ms|retry_max|stack|replace_handlers N     before start; retry_max -1 is no limit
 *   plugin PATH
 *   output                    begins an [OUTPUT] section
 *   set KEY=VALUE             a line of it
 *   start                     load, Register, Init of each output, PreRun
 *   chunk LENGTH TAG\n BYTES  hands one chunk to every output; waits while the queue is full
 *   drain MS                  waits until every chunk is answered for good (-1: however long)
 *   reload                    drains, then a hot reload in Fluent Bit's order
 *   exit MS                   drains for at most MS, then shuts down in order
 *
 * The process ends with 0 after exit, 1 when Init refused, 2 when a command cannot be obeyed.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "abi.h"

struct chunk {
    char *bytes, *tag;
    int length, users;
};

struct task {
    struct chunk *chunk;
    struct output *output;
    int attempts;
    long long due;
    struct task *next;
};

static struct {
    int threads, queue, retry_ms, retry_max, stack, replace_handlers;
} option = {4, 64, 200, -1, 65536, 0};

static char *plugin_path;
static struct output *outputs;
static struct library *library;
static FILE *answers;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards everything below, and the outputs' counts */
static pthread_cond_t changed;
static struct task *tasks;
static int pending, stopping;
static long modified, flushes;
static long long longest_ms;

static pthread_t engine, *workers;
static int engine_ready, engine_failed, engine_reloading; /* guarded by lock */

static void die(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fputs("host: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    _exit(2);
}

static void *must(void *p)
{
    if (p == NULL) {
        die("out of memory");
    }
    return p;
}

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* ---- what the plugin may ask ---- */

static const char *property(struct output *o, const char *key)
{
    for (struct property *p = o->properties; p != NULL; p = p->next) {
        if (strcasecmp(p->key, key) == 0) {
            return p->value;
        }
    }
    return NULL;
}

/* Fluent Bit takes these for itself: a Go plugin reads nothing. */
static int is_kept(const char *key)
{
    static const char *names[] = {"name", "match", "match_regex", "alias", "host", "port", "ipv6", "log_level",
        "log_suppress_interval", "retry_limit", "workers", "storage.total_limit_size", "tls", NULL};
    for (int i = 0; names[i] != NULL; i++) {
        if (strcasecmp(names[i], key) == 0) {
            return 1;
        }
    }
    return strncasecmp(key, "net.", 4) == 0 || strncasecmp(key, "tls.", 4) == 0 || strncasecmp(key, "oauth2", 6) == 0;
}

static const char *output_get_property(const char *key, struct output *o)
{
    return is_kept(key) ? NULL : property(o, key);
}

static const char *no_property(const char *key, void *unused)
{
    (void)key, (void)unused;
    return NULL;
}

static void *no_metrics(void *unused)
{
    (void)unused;
    return NULL;
}

static void *no_output_metrics(struct output *unused)
{
    (void)unused;
    return NULL;
}

static int log_check(struct output *o, int level)
{
    static const char *names[] = {"off", "error", "warn", "info", "debug", "trace", NULL};
    const char *have = property(o, "log_level");
    for (int i = 0; have != NULL && names[i] != NULL; i++) {
        if (strcasecmp(names[i], have) == 0) {
            return level <= i;
        }
    }
    return level <= 3;
}

static int no_log_check(void *unused, int level)
{
    (void)unused;
    return level <= 3;
}

static void log_print(int level, const char *file, int line, const char *format, ...)
{
    va_list ap;
    (void)file, (void)line;
    va_start(ap, format);
    fprintf(stderr, "[host log %d] ", level);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
}

static struct api api = {output_get_property, no_property, no_output_metrics, no_metrics, log_print, no_log_check,
    log_check, no_property, no_log_check};

/* ---- what is seen of the process ---- */

static int entries(const char *dir)
{
    int n = 0;
    DIR *d = opendir(dir);
    if (d == NULL) {
        return -1;
    }
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        n += e->d_name[0] != '.';
    }
    closedir(d);
    return n;
}

static long rss_kb(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f != NULL) {
        if (fscanf(f, "%ld %ld", &pages, &resident) != 2) {
            resident = 0;
        }
        fclose(f);
    }
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void crash_handler(int sig)
{
    static const char text[] = "host: a signal reached the host's own crash handler\n";
    (void)sig;
    if (write(2, text, sizeof text - 1) < 0) {
        _exit(135);
    }
    abort();
}

/* Whose handler a signal has: host, plugin, default (or ignored), other, unknown. */
static const char *handler_owner(int sig)
{
    struct sigaction now;
    Dl_info where;
    if (sigaction(sig, NULL, &now) != 0) {
        return "unknown";
    }
    if (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN) {
        return "default";
    }
    if (now.sa_handler == crash_handler) {
        return "host";
    }
    if (dladdr((void *)now.sa_handler, &where) == 0 || where.dli_fname == NULL) {
        return "unknown";
    }
    return strcmp(where.dli_fname, plugin_path) == 0 ? "plugin" : "other";
}

static void report(const char *event, int index)
{
    long ok = 0, retry = 0, error = 0, dropped = 0;
    int fds = entries("/proc/self/fd") - 1; /* the directory itself was one */
    pthread_mutex_lock(&lock);
    fprintf(answers, "{\"event\":\"%s\",\"index\":%d,\"outputs\":[", event, index);
    for (struct output *o = outputs; o != NULL; o = o->next) {
        fprintf(answers, "%s{\"ok\":%ld,\"retry\":%ld,\"error\":%ld,\"dropped\":%ld}", o == outputs ? "" : ",", o->ok,
            o->retry, o->error, o->dropped);
        ok += o->ok, retry += o->retry, error += o->error, dropped += o->dropped;
    }
    fprintf(answers,
        "],\"ok\":%ld,\"retry\":%ld,\"error\":%ld,\"dropped\":%ld,\"pending\":%d,\"modified\":%ld,\"flushes\":%ld,"
        "\"longest_ms\":%lld,\"rss_kb\":%ld,\"fds\":%d,\"threads\":%d,"
        "\"segv\":\"%s\",\"fpe\":\"%s\"}\n",
        ok, retry, error, dropped, pending, modified, flushes, longest_ms, rss_kb(), fds, entries("/proc/self/task"),
        handler_owner(SIGSEGV), handler_owner(SIGFPE));
    pthread_mutex_unlock(&lock);
    fflush(answers);
}

/* ---- signals ---- */

/* Fluent Bit does this while it handles SIGHUP and SIGCONT: Go's handlers are gone after it. */
static void replace_handlers(void)
{
    if (option.replace_handlers) {
        signal(SIGSEGV, crash_handler);
        signal(SIGFPE, crash_handler);
    }
}

/* ---- flushes ---- */

struct call {
    struct library *lib;
    void *remote;
    char *bytes, *tag;
    int length, answer;
    ucontext_t back;
};

static void coroutine(unsigned int high, unsigned int low)
{
    struct call *c = (struct call *)(((unsigned long long)high << 32) | low);
    c->answer = c->lib->flush(c->remote, c->bytes, c->length, c->tag);
}

/* Calls flush on a stack as small as Fluent Bit's coroutines have, ended by a page that nothing may touch. */
static void call_on_small_stack(struct call *c)
{
    long page = sysconf(_SC_PAGESIZE);
    size_t size = ((size_t)option.stack + page - 1) / page * page;
    ucontext_t there;
    unsigned long long p = (unsigned long long)c;
    char *stack = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED || mprotect(stack, page, PROT_NONE) != 0 || getcontext(&there) != 0) {
        die("make a stack: %s", strerror(errno));
    }
    there.uc_stack.ss_sp = stack + page;
    there.uc_stack.ss_size = size;
    there.uc_link = &c->back;
    makecontext(&there, (void (*)(void))coroutine, 2, (unsigned int)(p >> 32), (unsigned int)p);
    if (swapcontext(&c->back, &there) != 0) {
        die("change stacks: %s", strerror(errno));
    }
    munmap(stack, size + page);
}

/* One attempt. The bytes are the plugin's only until it returns: then they are spoilt and freed. */
static int flush(struct task *t, int *was_modified)
{
    struct chunk *k = t->chunk;
    struct call c = {library, t->output->context->remote, must(malloc(k->length + 1)), strdup(k->tag), k->length, 0, {0}};
    must(c.tag);
    memcpy(c.bytes, k->bytes, k->length);
    c.bytes[k->length] = (char)0xDD; /* not ended by NUL: who reads on meets it */
    call_on_small_stack(&c);
    *was_modified = memcmp(c.bytes, k->bytes, k->length) != 0 || (unsigned char)c.bytes[k->length] != 0xDD;
    memset(c.bytes, 0xDD, k->length + 1);
    memset(c.tag, 0xDD, strlen(k->tag));
    __asm__ volatile("" ::: "memory"); /* or the compiler leaves out what is freed next */
    free(c.bytes);
    free(c.tag);
    return c.answer;
}

static void add_task(struct task *t) /* under lock */
{
    struct task **at = &tasks;
    while (*at != NULL && (*at)->due <= t->due) {
        at = &(*at)->next;
    }
    t->next = *at;
    *at = t;
}

static void end_task(struct task *t) /* under lock */
{
    if (--t->chunk->users == 0) {
        free(t->chunk->bytes);
        free(t->chunk->tag);
        free(t->chunk);
    }
    free(t);
    pending--;
}

static void wait_until(long long due) /* under lock */
{
    struct timespec t = {due / 1000, due % 1000 * 1000000};
    pthread_cond_timedwait(&changed, &lock, &t);
}

static void *work(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    while (!stopping) {
        struct task *t = tasks;
        if (t == NULL) {
            pthread_cond_wait(&changed, &lock);
            continue;
        }
        if (t->due > now_ms()) {
            wait_until(t->due);
            continue;
        }
        tasks = t->next;
        pthread_mutex_unlock(&lock);
        int was_modified = 0;
        long long begun = now_ms();
        int answer = flush(t, &was_modified);
        long long took = now_ms() - begun;
        pthread_mutex_lock(&lock);
        flushes++;
        modified += was_modified;
        longest_ms = took > longest_ms ? took : longest_ms;
        t->attempts++;
        if (answer == FLB_RETRY) {
            t->output->retry++;
            if (option.retry_max < 0 || t->attempts <= option.retry_max) {
                t->due = now_ms() + option.retry_ms;
                add_task(t);
            } else {
                t->output->dropped++;
                end_task(t);
            }
        } else {
            if (answer == FLB_OK) {
                t->output->ok++;
            } else {
                t->output->error++;
            }
            end_task(t);
        }
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void drain(long ms)
{
    long long until = now_ms() + ms;
    pthread_mutex_lock(&lock);
    while (pending > 0 && (ms < 0 || now_ms() < until)) {
        if (ms < 0) {
            pthread_cond_wait(&changed, &lock);
        } else {
            wait_until(until);
        }
    }
    pthread_mutex_unlock(&lock);
}

/* ---- life of a pipeline ---- */

static void *symbol(void *handle, const char *name, int needed)
{
    void *p = dlsym(handle, name);
    if (p == NULL && needed) {
        die("%s has no %s", plugin_path, name);
    }
    return p;
}

/* On the main thread: dlopen, PreRegister, Register. */
static struct library *load(int reloading)
{
    struct library *l = must(calloc(1, sizeof *l));
    void *handle = dlopen(plugin_path, RTLD_LAZY);
    if (handle == NULL) {
        die("%s", dlerror());
    }
    l->pre_register = symbol(handle, "FLBPluginPreRegister", 0);
    l->do_register = symbol(handle, "FLBPluginRegister", 1);
    l->init = symbol(handle, "FLBPluginInit", 1);
    l->pre_run = symbol(handle, "FLBPluginOutputPreRun", 0);
    l->flush = symbol(handle, "FLBPluginFlushCtx", 1);
    l->pre_exit = symbol(handle, "FLBPluginOutputPreExit", 0);
    l->exit = symbol(handle, "FLBPluginExitCtx", 1);
    l->unregister = symbol(handle, "FLBPluginUnregister", 0);
    if (l->pre_register != NULL && l->pre_register(reloading) < 0) {
        die("FLBPluginPreRegister refused");
    }
    if (l->do_register(&l->def) < 0 || l->def.type != PROXY_OUTPUT || l->def.proxy != PROXY_GOLANG || l->def.name == NULL) {
        die("FLBPluginRegister did not register a Go output");
    }
    l->go.name = strdup(l->def.name);
    l->go.api = &api;
    return l;
}

static void exit_outputs(struct library *l, int reloading)
{
    for (struct output *o = outputs; o != NULL; o = o->next) {
        if (!o->ready) { /* whose Init refused gets no Exit */
            continue;
        }
        if (l->pre_exit != NULL) {
            l->pre_exit(reloading);
        }
        l->exit(o->context->remote);
        o->ready = 0;
        free(o->context);
        o->context = NULL;
    }
}

/* The engine thread: Init and Exit of every output happen on it. */
static void *run_engine(void *unused)
{
    struct library *l = library;
    int failed = 0, reloading;
    (void)unused;
    pthread_setname_np(pthread_self(), "flb-pipeline");
    for (struct output *o = outputs; o != NULL && !failed; o = o->next) {
        o->context = must(calloc(1, sizeof *o->context));
        l->go.o_ins = o;
        l->go.context = o->context;
        o->ready = l->init(&l->go) > 0;
        failed = !o->ready;
    }
    pthread_mutex_lock(&lock);
    reloading = engine_reloading;
    pthread_mutex_unlock(&lock);
    for (struct output *o = outputs; o != NULL && !failed && l->pre_run != NULL; o = o->next) {
        l->pre_run(reloading);
    }
    pthread_mutex_lock(&lock);
    engine_ready = 1;
    engine_failed = failed;
    pthread_cond_broadcast(&changed);
    while (!failed && !stopping) {
        pthread_cond_wait(&changed, &lock);
    }
    reloading = engine_reloading;
    pthread_mutex_unlock(&lock);
    for (int i = 0; !failed && i < option.threads; i++) { /* workers end before PreExit */
        pthread_join(workers[i], NULL);
    }
    exit_outputs(l, reloading);
    return NULL;
}

static void start_pipeline(void)
{
    int failed;
    pthread_mutex_lock(&lock);
    stopping = engine_ready = engine_failed = 0;
    pthread_mutex_unlock(&lock);
    if (pthread_create(&engine, NULL, run_engine, NULL) != 0) {
        die("start the engine thread");
    }
    pthread_mutex_lock(&lock);
    while (!engine_ready) {
        pthread_cond_wait(&changed, &lock);
    }
    failed = engine_failed;
    if (!failed) {
        /* The engine joins them only after stopping, which this thread sets later. */
        workers = must(realloc(workers, sizeof *workers * option.threads));
        for (int i = 0; i < option.threads; i++) {
            if (pthread_create(&workers[i], NULL, work, NULL) != 0) {
                die("start a worker");
            }
        }
    }
    pthread_mutex_unlock(&lock);
    if (failed) {
        pthread_join(engine, NULL);
        report("refused", 0);
        exit(1);
    }
}

static void stop_pipeline(int reloading)
{
    pthread_mutex_lock(&lock);
    stopping = 1;
    engine_reloading = reloading;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(engine, NULL);
}

static void unload(struct library *l)
{
    if (l->unregister != NULL) {
        l->unregister(&l->def);
    }
    free(l->go.name);
    free(l);
}

/* Fluent Bit registers the new pipeline's plugins before it ends the old pipeline. */
static void reload(void)
{
    struct library *fresh, *old = library;
    replace_handlers();
    fresh = load(1);
    stop_pipeline(1);
    unload(old);
    library = fresh;
    start_pipeline();
}

/* ---- commands ---- */

static char *expand(const char *text)
{
    char *out = NULL;
    size_t size = 0;
    FILE *f = must(open_memstream(&out, &size));
    while (*text != '\0') {
        const char *end = strncmp(text, "${", 2) == 0 ? strchr(text, '}') : NULL;
        if (end == NULL) {
            fputc(*text++, f);
            continue;
        }
        char *name = must(strndup(text + 2, end - text - 2));
        const char *value = getenv(name);
        fputs(value == NULL ? "" : value, f);
        free(name);
        text = end + 1;
    }
    fclose(f);
    return out;
}

static void set_option(const char *text)
{
    char name[32];
    int value;
    struct {
        const char *name;
        int *place, lowest;
    } all[] = {{"threads", &option.threads, 1}, {"queue", &option.queue, 1}, {"retry_ms", &option.retry_ms, 0},
        {"retry_max", &option.retry_max, -1}, {"stack", &option.stack, 16384},
        {"replace_handlers", &option.replace_handlers, 0}};
    if (sscanf(text, "%31s %d", name, &value) == 2) {
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            if (strcmp(all[i].name, name) == 0 && value >= all[i].lowest) {
                *all[i].place = value;
                return;
            }
        }
    }
    die("option %s cannot be used", text);
}

static struct output *last_output(void)
{
    struct output *o = outputs;
    while (o != NULL && o->next != NULL) {
        o = o->next;
    }
    return o;
}

static void add_output(void)
{
    struct output *last = last_output(), *o = must(calloc(1, sizeof *o));
    if (last == NULL) {
        outputs = o;
    } else {
        last->next = o;
    }
}

static void add_property(char *text)
{
    struct output *o = last_output();
    char *value = strchr(text, '=');
    if (o == NULL || value == NULL) {
        die("set %s: want KEY=VALUE after output", text);
    }
    *value++ = '\0';
    struct property **at = &o->properties, *p = must(calloc(1, sizeof *p));
    p->key = must(strdup(text));
    p->value = must(expand(value));
    while (*at != NULL) { /* the first of a repeated key is the one that is read */
        at = &(*at)->next;
    }
    *at = p;
}

static void add_chunk(const char *text)
{
    char *tag;
    long length = strtol(text, &tag, 10);
    if (length < 0 || length > 1 << 30 || *tag != ' ') {
        die("chunk %s: want LENGTH TAG", text);
    }
    struct chunk *k = must(calloc(1, sizeof *k));
    k->tag = must(strdup(tag + 1));
    k->length = (int)length;
    k->bytes = must(malloc(length + 1));
    if (fread(k->bytes, 1, length, stdin) != (size_t)length) {
        die("chunk %s: the input ends in it", text);
    }
    pthread_mutex_lock(&lock);
    while (pending >= option.queue) {
        pthread_cond_wait(&changed, &lock);
    }
    for (struct output *o = outputs; o != NULL; o = o->next) {
        k->users++;
    }
    for (struct output *o = outputs; o != NULL; o = o->next) {
        struct task *t = must(calloc(1, sizeof *t));
        t->chunk = k;
        t->output = o;
        t->due = now_ms();
        add_task(t);
        pending++;
    }
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void start(void)
{
    if (library != NULL || plugin_path == NULL || outputs == NULL) {
        die("start: want it once, after plugin and output");
    }
    library = load(0);
    start_pipeline();
    replace_handlers();
    report("start", 0);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    int reloads = 0;
    pthread_condattr_t attributes;
    /* What the plugin prints must not come between the answers. */
    int fd = fcntl(1, F_DUPFD_CLOEXEC, 3);
    if (fd < 0 || dup2(2, 1) < 0 || (answers = fdopen(fd, "w")) == NULL) {
        die("keep the answers' descriptor: %s", strerror(errno));
    }
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
    signal(SIGPIPE, SIG_IGN);
    while ((length = getline(&line, &size, stdin)) > 0) {
        if (line[length - 1] == '\n') {
            line[length - 1] = '\0';
        }
        char *rest = strchr(line, ' ');
        if (rest != NULL) {
            *rest++ = '\0';
        } else {
            rest = line + strlen(line);
        }
        if (strcmp(line, "option") == 0 && library == NULL) {
            set_option(rest);
        } else if (strcmp(line, "plugin") == 0 && library == NULL) {
            free(plugin_path);
            plugin_path = must(strdup(rest));
        } else if (strcmp(line, "output") == 0 && library == NULL) {
            add_output();
        } else if (strcmp(line, "set") == 0 && library == NULL) {
            add_property(rest);
        } else if (strcmp(line, "start") == 0) {
            start();
        } else if (library == NULL) {
            die("%s %s: not before start", line, rest);
        } else if (strcmp(line, "chunk") == 0) {
            add_chunk(rest);
        } else if (strcmp(line, "drain") == 0) {
            drain(atol(rest));
            report("drain", 0);
        } else if (strcmp(line, "reload") == 0) {
            drain(-1);
            reload();
            report("reload", ++reloads);
        } else if (strcmp(line, "exit") == 0) {
            drain(atol(rest));
            stop_pipeline(0);
            unload(library);
            report("exit", 0);
            return 0;
        } else {
            die("no such command: %s", line);
        }
    }
    die("the input ends without exit");
}
