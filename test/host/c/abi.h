/*
 * abi.h holds what Fluent Bit and an output plugin in Go hand each other.
 *
 * Source: Fluent Bit, include/fluent-bit/flb_api.h, include/fluent-bit/flb_plugin_proxy.h, src/proxy/go/go.h.
 */
#ifndef ABI_H
#define ABI_H

enum { FLB_ERROR = 0, FLB_OK = 1, FLB_RETRY = 2 };
enum { PROXY_OUTPUT = 2, PROXY_GOLANG = 11 };

struct property {
    char *key, *value;
    struct property *next;
};

/* What Fluent Bit keeps for an [OUTPUT] section; the plugin knows its address only. */
struct context {
    void *remote;
};

struct output {
    struct property *properties;
    struct context *context;
    int ready;
    long ok, retry, error, dropped;
    struct output *next;
};

/* The functions that the plugin may call, in the order of Fluent Bit's flb_api.h. */
struct api {
    const char *(*output_get_property)(const char *, struct output *);
    const char *(*input_get_property)(const char *, void *);
    void *(*output_get_cmt_instance)(struct output *);
    void *(*input_get_cmt_instance)(void *);
    void (*log_print)(int, const char *, int, const char *, ...);
    int (*input_log_check)(void *, int);
    int (*output_log_check)(struct output *, int);
    const char *(*custom_get_property)(const char *, void *);
    int (*custom_log_check)(void *, int);
};

struct proxy_def {
    int type, proxy, flags;
    char *name, *description;
};

/* One for all instances: o_ins and context change before each Init. */
struct go_plugin {
    char *name;
    struct api *api;
    struct output *o_ins;
    struct context *context;
};

struct library {
    int (*pre_register)(int);
    int (*do_register)(struct proxy_def *);
    int (*init)(struct go_plugin *);
    int (*pre_run)(int);
    int (*flush)(void *, void *, int, char *);
    int (*pre_exit)(int);
    int (*exit)(void *);
    int (*unregister)(struct proxy_def *);
    struct proxy_def def;
    struct go_plugin go;
};

#endif
