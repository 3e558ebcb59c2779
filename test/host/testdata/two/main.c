/*
 * two loads two plugins in Go one after the other, the first with Seclog's host.c in it, and says after each step whether
 * seclog_restore_handlers changed anything, and whose SIGSEGV is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *first, *second;
static int (*restore)(void);

static void crash_handler(int sig)
{
    (void)sig;
    abort();
}

static void take(void)
{
    signal(SIGSEGV, crash_handler);
    signal(SIGFPE, crash_handler);
}

static void *load(const char *path)
{
    struct {
        int type, proxy, flags;
        char *name, *description;
    } def = {0};
    void *handle = dlopen(path, RTLD_LAZY);
    int (*do_register)(void *) = handle == NULL ? NULL : dlsym(handle, "FLBPluginRegister");
    if (do_register == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    do_register(&def);
    return handle;
}

static void say(const char *when)
{
    int restored = restore();
    struct sigaction now;
    Dl_info where = {0};
    const char *owner = "nobody";
    sigaction(SIGSEGV, NULL, &now);
    if (dladdr((void *)now.sa_sigaction, &where) != 0 && where.dli_fname != NULL) {
        owner = strcmp(where.dli_fname, first) == 0 ? "first" : strcmp(where.dli_fname, second) == 0 ? "second" : "host";
    }
    printf("%s: %d restored, %s\n", when, restored, owner);
}

int main(int count, char **args)
{
    if (count != 3) {
        return 2;
    }
    first = args[1], second = args[2];
    restore = (int (*)(void))dlsym(load(first), "seclog_restore_handlers");
    if (restore == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    say("first loaded");
    take();
    say("host took");
    load(second);
    say("second loaded");
    take();
    say("host took");
    return 0;
}
