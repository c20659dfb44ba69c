/* The body inside the host's process: the trial machine in virtual time, from event to event, never tick by tick.
 *
 * The world hands it lever edges and input changes that lie ahead, and bytes with the time at which they arrive; it runs
 * until the time asked for or until something happened that the world or the host should see at once. Below this line
 * everything is read by cffi as it stands. */
#ifndef RIG_HOST_H
#define RIG_HOST_H
#include <stddef.h>
#include <stdint.h>
#include "../../core/link.h"

/* cffi: begin */
typedef struct host host_t;

enum host_reason { HOST_TIME = 0, HOST_OUTPUT = 1, HOST_NEWS = 2 };

size_t host_size(void);
void host_start(host_t *h, uint32_t now_us, uint16_t boot, uint8_t reason, uint8_t board, uint32_t pins_hash);

/* Lever edges and input levels ahead, in order of time: kept until host_run reaches them. Both replace what was left. */
void host_plan_lever(host_t *h, const uint32_t *t_us, const int8_t *delta, uint32_t n);
void host_plan_inputs(host_t *h, const uint32_t *t_us, const uint8_t *levels, uint32_t n);
uint32_t host_lever_left(const host_t *h);
uint32_t host_inputs_left(const host_t *h);

/* Bytes from the host, all arriving now. */
void host_receive(host_t *h, const uint8_t *bytes, uint32_t n);
uint8_t host_owes(const host_t *h); /* is there an answer the host waits for? */
/* Bytes for the host; at most `room`. */
uint32_t host_send(host_t *h, uint8_t *bytes, uint32_t room);

/* Run until `until_us`; stop early on an output (or tone, or level) change, or, where `stop_on_news` is set, on any
 * event but samples and inputs. Returns the reason; the time is host_now(). */
uint8_t host_run(host_t *h, uint32_t until_us, uint8_t stop_on_news);
uint32_t host_now(const host_t *h);

/* In real time: a step now, whatever was due before; the record says how late it is. And when the next one is due. */
void host_step(host_t *h, uint32_t now_us);
/* What comes next comes then, before whatever else is due then; a microsecond later than asked for if that one is decided
 * already. So no two things share a microsecond in an order that re-execution could not know. */
void host_reach(host_t *h, uint32_t now_us);
uint32_t host_next(host_t *h);
uint32_t host_next_decision(host_t *h); /* the same but for samples of the lever, which a later step tells as well */
uint32_t host_next_event(const host_t *h);
uint16_t host_outputs(const host_t *h); /* active, not pin levels */
uint16_t host_tone_hz(const host_t *h);
uint8_t host_level(const host_t *h, uint8_t output);
int32_t host_lever(host_t *h);          /* counts since power-on are the world's; these are since the last zero */
uint16_t host_damaged(const host_t *h); /* frames from the host that were dropped */

/* For re-execution: commands without a link, events without acknowledgement. */
uint8_t host_command(host_t *h, uint8_t sequence, uint8_t message, const uint8_t *fields, uint8_t size);
void host_lever_to(host_t *h, int32_t counts); /* the lever is there, now */
void host_input_now(host_t *h, uint8_t levels);
void host_keep_alive(host_t *h);
uint32_t host_take_events(host_t *h, uint8_t *bytes, uint32_t room); /* size u8, payload; … and forgets them */
/* cffi: end */

#endif
