/* The contract between a node and a plugin: C only, so that any compiler or language can make a plugin.
 *
 * A plugin is a shared object that exports one function, `seneschal_plugin_table`. The node may create several
 * instances from it (several replicas on one node). All functions of one instance are called on one thread, never
 * two at a time and never from inside a call of the host's; the functions of the host may be called from inside any
 * of them, and `log` and `now` also from a job. Pointers handed in are valid during the call only.
 *
 * Times are nanoseconds of the node's monotonic clock.
 */
#ifndef SENESCHAL_RUNTIME_PLUGIN_CONTRACT_H
#define SENESCHAL_RUNTIME_PLUGIN_CONTRACT_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows with every change that is not an addition at the end of a table. A node refuses other versions. */
#define SENESCHAL_PLUGIN_VERSION 1u
#define SENESCHAL_PLUGIN_SYMBOL "seneschal_plugin_table"
/* Largest datagram. */
#define SENESCHAL_MAX_DATAGRAM 262144u
#define SENESCHAL_NEVER INT64_MAX

/* Answers of the host's functions. */
#define SENESCHAL_OK 0
#define SENESCHAL_FULL 1    /* a queue is full: dropped, or try later */
#define SENESCHAL_REFUSED 2 /* too long, no such destination, not possible */
#define SENESCHAL_LOST 3    /* open_log only: what the instance appended in an earlier life is not known any more */

enum { SENESCHAL_ENDPOINT = 0, SENESCHAL_GROUP = 1 };

/* Where a datagram goes: a port of a node, or a group (then `node` is 0). */
typedef struct seneschal_target {
  uint8_t kind;
  uint8_t reserved;
  uint16_t node;
  uint32_t value; /* port or group */
} seneschal_target;

typedef struct seneschal_datagram {
  const uint8_t* data;
  size_t size;
  uint16_t source_node;
  uint16_t reserved;
  uint32_t source_port;
  seneschal_target target; /* what it was sent to */
} seneschal_datagram;

enum { SENESCHAL_DEBUG = 0, SENESCHAL_INFO = 1, SENESCHAL_WARNING = 2, SENESCHAL_ERROR = 3 };

/* What says what an instance's log means, such as "application" and "kv". Values are single lines. */
typedef struct seneschal_fact {
  const char* name;
  const char* value;
  uint32_t may_grow; /* 1: the value is a number, and a later life may have a larger one */
  uint32_t reserved;
} seneschal_fact;

typedef struct seneschal_member {
  const char* name;
  uint16_t node; /* where it runs */
  uint16_t reserved;
  uint32_t reserved_too;
} seneschal_member;

/* Whose memory it is, and what it means. What the node keeps is named by group and member, so it is found again on
 * whatever node the member runs. */
typedef struct seneschal_memory {
  uint32_t size; /* sizeof(seneschal_memory) of the plugin */
  int32_t keep;  /* 0: no log, the node only remembers that the member has run */
  const char* group;  /* what the members belong to, such as "deployment 7" */
  const char* member; /* such as "server 1.0"; with the group at most 127 bytes */
  const seneschal_fact* facts; /* at most 64: a member that ran with other facts is refused */
  size_t fact_count;
  /* Those that may begin in the node's folder if none of the group has run there yet. Later ones are LOST: they may
   * have run elsewhere. The instance itself is one of them in any case. */
  const seneschal_member* members;
  size_t member_count;
} seneschal_memory;

/* What the node offers. `host` is the first argument of each function. */
typedef struct seneschal_host {
  uint32_t version;
  uint32_t size; /* sizeof(seneschal_host) of the node */
  void* host;
  uint16_t node; /* where the instance is attached */
  uint16_t reserved;
  uint32_t port;

  int64_t (*now)(void* host);
  /* One best-effort datagram to `count` targets; the bytes are copied once. A group's sender gets no copy. */
  int (*send)(void* host, const seneschal_target* targets, size_t count, const uint8_t* data, size_t size);
  int (*join)(void* host, uint32_t group);
  /* Runs `work(arg)` on a thread of the crypto pool, then calls the plugin's `done(ticket)`. FULL: try later. If the
   * plugin is destroyed before, `work` may never run; when `destroy` is called, it is not running. */
  int (*run)(void* host, void (*work)(void* arg), void* arg, uint64_t ticket);
  /* Makes a record durable, then calls the plugin's `done(ticket)`, never from inside this call. Tickets must grow.
   * REFUSED without a log: it was not opened, is lost, or failed (see the plugin's `log_lost`). */
  int (*append)(void* host, const uint8_t* data, size_t size, uint64_t ticket);
  void (*log)(void* host, int level, const char* text);

  /* Opens the instance's log; once, and inside `create` only. `identity` (at most 120 bytes, zero-terminated) says
   * whose log it is: that of another identity is refused. With `keep` = 0 there is no log, and the node only
   * remembers that the instance has run. OK: `record(arg, ...)` was called for each record of earlier lives, oldest
   * first; none if it never ran. LOST: the instance has run before and what it appended then is not known. There is
   * no log to append to. REFUSED: it must not run; the reason is in `error` (at most `error_size` bytes,
   * zero-terminated). */
  int (*open_log)(void* host, const char* identity, int keep,
                  void (*record)(void* arg, const uint8_t* data, size_t size), void* arg, char* error,
                  size_t error_size);
  /* The records appended before that of `ticket`, which is durable, are not needed any more. Some may come back. */
  int (*forget_before)(void* host, uint64_t ticket);
  /* As `open_log`, and instead of it, for an instance that belongs to a group. */
  int (*open_memory)(void* host, const seneschal_memory* memory,
                     void (*record)(void* arg, const uint8_t* data, size_t size), void* arg, char* error,
                     size_t error_size);
} seneschal_host;

/* A plugin whose calls never block nor take longer than 200 us may share the node's I/O thread. */
#define SENESCHAL_BOUNDED 1u

typedef struct seneschal_plugin {
  uint32_t version; /* SENESCHAL_PLUGIN_VERSION */
  uint32_t size;    /* sizeof(seneschal_plugin) of the plugin */
  const char* name;
  uint32_t flags; /* SENESCHAL_BOUNDED or 0 */
  uint32_t reserved;

  /* A new instance, or NULL with the reason in `error` (at most `error_size` bytes, zero-terminated). `host` outlives
   * the instance. `config` is the text of the instance's configuration, zero-terminated; `folder` is where relative
   * paths in it start. */
  void* (*create)(const seneschal_host* host, const char* config, const char* folder, char* error, size_t error_size);
  void (*datagram)(void* self, const seneschal_datagram* datagram);
  void (*done)(void* self, uint64_t ticket);
  /* The deadline has passed. Spurious calls must do nothing. */
  void (*time)(void* self);
  /* When `time` is wanted next; SENESCHAL_NEVER if not. Asked after each of the calls above. */
  int64_t (*deadline)(void* self);
  /* Lines "name = value", zero-terminated, at most `capacity` bytes; returns the length. */
  size_t (*status)(void* self, char* out, size_t capacity);
  void (*destroy)(void* self);
  /* The log has failed (a full disk, an I/O error): records whose `done` has not come never become durable, and none
   * will be appended. Once. May be NULL. */
  void (*log_lost)(void* self);
} seneschal_plugin;

/* The exported function's type. The table is static. */
typedef const seneschal_plugin* (*seneschal_plugin_table_fn)(void);

#ifdef __cplusplus
}
#endif
#endif
