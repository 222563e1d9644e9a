/* A session with a Seneschal node, for C. See session.hpp for what the calls mean. */
#ifndef SENESCHAL_OVERLAY_SESSION_H
#define SENESCHAL_OVERLAY_SESSION_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#define SENESCHAL_API __attribute__((visibility("default")))

typedef struct seneschal_session seneschal_session;

/* NULL on failure; the reason is put into `error` (zero-terminated). */
SENESCHAL_API seneschal_session* seneschal_session_connect(const char* path, uint32_t port, char* error, size_t error_size);
SENESCHAL_API int seneschal_session_join(seneschal_session* session, uint32_t group);
/* To a port of a node, or to a group. 0: good, 1: try again later, 2: refused. */
SENESCHAL_API int seneschal_session_send(seneschal_session* session, uint16_t node, uint32_t port, const void* data, size_t size);
SENESCHAL_API int seneschal_session_send_group(seneschal_session* session, uint32_t group, const void* data, size_t size);
/* Waits up to `milliseconds`. Size of the datagram (at most `capacity` bytes are copied), -1: none, -2: session over.
 */
SENESCHAL_API long seneschal_session_receive(seneschal_session* session, int milliseconds, uint16_t* source_node,
                               uint32_t* source_port, void* data, size_t capacity);
/* Readable when there may be something to receive; for poll. */
SENESCHAL_API int seneschal_session_fd(const seneschal_session* session);
SENESCHAL_API void seneschal_session_close(seneschal_session* session);

#ifdef __cplusplus
}
#endif
#endif
