/*
 * Fluent Bit replaces the handlers of SIGSEGV and SIGFPE when it gets SIGHUP
 * or SIGCONT. Go needs its own there: with another one in place, a nil
 * dereference in Go is no longer a panic that can be recovered, but the end of
 * the agent.
 */
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#include "host.h"

static const int signals[2] = {SIGSEGV, SIGFPE};
static struct sigaction kept[2];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void keep(void)
{
    for (size_t i = 0; i < 2; i++) {
        sigaction(signals[i], NULL, &kept[i]);
    }
}

void seclog_keep_handlers(void)
{
    pthread_once(&once, keep);
}

int seclog_restore_handlers(void)
{
    struct sigaction now;
    int restored = 0;

    for (size_t i = 0; i < 2; i++) {
        if (sigaction(signals[i], NULL, &now) == 0 &&
            now.sa_sigaction != kept[i].sa_sigaction) {
            sigaction(signals[i], &kept[i], NULL);
            restored = 1;
        }
    }
    return restored;
}
