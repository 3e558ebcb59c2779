/* What out_seclog.go needs of C: the process's signal handlers. */
#ifndef SECLOG_HOST_H
#define SECLOG_HOST_H

/* Keeps the handlers of SIGSEGV and SIGFPE as they are now, once per process. */
void seclog_keep_handlers(void);

/* Puts the kept handlers back where others stand; says whether any did. */
int seclog_restore_handlers(void);

#endif
