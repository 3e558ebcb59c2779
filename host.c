/*
 * Fluent Bit replaces the handlers of SIGSEGV and SIGFPE when it gets SIGHUP
 * or SIGCONT. Go needs its own there: with another one in place, a nil
 * dereference in Go is no longer a panic that can be recovered, but the end of
 * the agent.
 *
 * Another plugin in Go has handlers of its own, which hand on what is not
 * theirs. They are left where they are, and put back like ours.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#include "host.h"

static const int signals[2] = {SIGSEGV, SIGFPE};
static struct sigaction kept[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards kept */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void keep(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < 2; i++) {
        sigaction(signals[i], NULL, &kept[i]);
    }
    pthread_mutex_unlock(&lock);
}

void seclog_keep_handlers(void)
{
    pthread_once(&once, keep);
}

/* Whether a handler stands in a library that Fluent Bit loads as a plugin. */
static int of_a_plugin(const struct sigaction *action)
{
    Dl_info where;
    void *object = NULL;

    if (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN) {
        return 0;
    }
    if (dladdr1((void *)action->sa_sigaction, &where, &object,
                RTLD_DL_LINKMAP) == 0 || object == NULL) {
        return 0;
    }
    return dlsym(object, "FLBPluginRegister") != NULL;
}

int seclog_restore_handlers(void)
{
    struct sigaction now;
    int restored = 0;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < 2; i++) {
        if (sigaction(signals[i], NULL, &now) != 0 ||
            now.sa_sigaction == kept[i].sa_sigaction) {
            continue;
        }
        if (of_a_plugin(&now)) {
            kept[i] = now;
        } else {
            sigaction(signals[i], &kept[i], NULL);
            restored = 1;
        }
    }
    pthread_mutex_unlock(&lock);
    return restored;
}
