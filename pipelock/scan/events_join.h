/*
 * The data of an event stream (text/event-stream, WHATWG HTML 9.2.6) joined: data lines of one event with
 * "\n" between them, as its receiver has them, events with nothing in between. Comments and other fields are
 * left out. Other than there, data counts as it comes and not only when its event is complete. Nothing waits:
 * all that was fed has come out.
 */
#ifndef PIPELOCK_SCAN_EVENTS_JOIN_H
#define PIPELOCK_SCAN_EVENTS_JOIN_H

#include "pipelock/scan/join.h"

#define EVENTS_JOIN_TRACKS 1

enum events_track { EVENTS_DATA };

enum events_place {
	EVENTS_START = 0, /* of the stream: a byte order mark may come */
	EVENTS_FIELD,	  /* in what may be the name "data" */
	EVENTS_COLON,	  /* behind the colon: one space may come */
	EVENTS_VALUE,
	EVENTS_OTHER, /* in a line that does not count */
};

struct events_join {
	struct join_sink sink;
	enum events_place place;
	unsigned matched; /* octets of the mark, or of the name */
	bool has_data;	  /* the event has a data line already */
	bool after_cr;	  /* a line feed now belongs to the line that ended */
};

void events_join_init(struct events_join *v);

/* No more octets come out than were fed; `last`: nothing follows. */
void events_join_feed(struct events_join *v, struct span in, bool last, join_emit *emit, void *arg);

#endif
