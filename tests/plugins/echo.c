/* A plugin in C that sends every datagram back. Those that begin with 'j' go through a job of the crypto pool first,
 * those that begin with 't' through the timer; those that begin with 'g' go to group 5. */
#include "runtime/plugin/contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PENDING 64

struct pending {
  int used;
  seneschal_target to;
  size_t size;
  uint8_t data[64];
};

struct echo {
  const seneschal_host* host;
  unsigned long echoed;
  int64_t due;
  struct pending late;          /* waits for the timer */
  struct pending jobs[PENDING]; /* by ticket */
};

static void* create(const seneschal_host* host, const char* config, const char* folder, char* error, size_t size) {
  (void)folder;
  if (strcmp(config, "fail") == 0) {
    snprintf(error, size, "told to fail");
    return NULL;
  }
  struct echo* self = calloc(1, sizeof *self);
  self->host = host;
  self->due = SENESCHAL_NEVER;
  host->join(host->host, 5);
  host->log(host->host, SENESCHAL_INFO, "echo is here");
  return self;
}

static void answer(struct echo* self, seneschal_target to, const uint8_t* data, size_t size) {
  ++self->echoed;
  self->host->send(self->host->host, &to, 1, data, size);
}

static void keep(struct pending* p, seneschal_target to, const seneschal_datagram* d) {
  p->used = 1;
  p->to = to;
  p->size = d->size < sizeof p->data ? d->size : sizeof p->data;
  memcpy(p->data, d->data, p->size);
}

static void shout(void* arg) {
  struct pending* p = arg;
  p->data[0] = 'J';
}

static void datagram(void* arg, const seneschal_datagram* d) {
  struct echo* self = arg;
  seneschal_target to = {SENESCHAL_ENDPOINT, 0, d->source_node, d->source_port};
  if (d->size > 0 && d->data[0] == 'j') {
    for (uint64_t i = 0; i < PENDING; ++i) {
      if (self->jobs[i].used) continue;
      keep(&self->jobs[i], to, d);
      self->host->run(self->host->host, shout, &self->jobs[i], i + 1);
      return;
    }
  }
  if (d->size > 0 && d->data[0] == 't') {
    keep(&self->late, to, d);
    self->late.data[0] = 'T';
    self->due = self->host->now(self->host->host) + 20000000;
    return;
  }
  if (d->size > 0 && d->data[0] == 'g') {
    to.kind = SENESCHAL_GROUP;
    to.node = 0;
    to.value = 5;
  }
  answer(self, to, d->data, d->size);
}

static void done(void* arg, uint64_t ticket) {
  struct echo* self = arg;
  struct pending* p = &self->jobs[ticket - 1];
  if (!p->used) return;
  p->used = 0;
  answer(self, p->to, p->data, p->size);
}

static void timeout(void* arg) {
  struct echo* self = arg;
  if (self->host->now(self->host->host) < self->due) return;
  self->due = SENESCHAL_NEVER;
  answer(self, self->late.to, self->late.data, self->late.size);
}

static int64_t deadline(void* arg) { return ((struct echo*)arg)->due; }

static size_t status(void* arg, char* out, size_t capacity) {
  return (size_t)snprintf(out, capacity, "echoed = %lu\n", ((struct echo*)arg)->echoed);
}

static const seneschal_plugin table = {SENESCHAL_PLUGIN_VERSION, sizeof(seneschal_plugin), "echo", SENESCHAL_BOUNDED, 0,
                                       create, datagram, done, timeout, deadline, status, free};

__attribute__((visibility("default"))) const seneschal_plugin* seneschal_plugin_table(void) { return &table; }
